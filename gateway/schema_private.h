/*
 * schema_private: a rule's inside, for schema_rule.c, which reads it from a
 * schema, and schema_check.c, which holds values against it. Pure.
 */
#ifndef SLUICE_SCHEMA_PRIVATE_H
#define SLUICE_SCHEMA_PRIVATE_H

#include "gateway/schema_pattern.h"
#include "gateway/schema_rule.h"

enum schema_type {
	SCHEMA_NULL    = 1 << 0,
	SCHEMA_BOOLEAN = 1 << 1,
	SCHEMA_INTEGER = 1 << 2,
	SCHEMA_NUMBER  = 1 << 3,
	SCHEMA_STRING  = 1 << 4,
	SCHEMA_ARRAY   = 1 << 5,
	SCHEMA_OBJECT  = 1 << 6,
};
#define SCHEMA_TYPES 7u

struct schema_member {
	char			*name;
	size_t			 len;
	struct schema_rule	*rule;
};

/* Of two members that are numbers, how they must stand. */
struct schema_pair {
	uint8_t	small;          /* places among the members */
	uint8_t	large;
	bool	strict;
};

struct schema_rule {
	unsigned int		 types;         /* enum schema_type; 0: any */
	char			**words;        /* enum; each may be */
	size_t			 n_words;
	bool			 null_word;     /* so may null */
	bool			 date_time;
	double			 minimum;
	double			 maximum;
	size_t			 min_length;    /* code points */
	size_t			 max_length;
	size_t			 min_items;
	size_t			 max_items;
	struct schema_pattern	*pattern;
	char			*pattern_text;
	struct schema_rule	*items;
	struct schema_member	*members;
	size_t			 n_members;     /* at most SCHEMA_MEMBERS_MAX */
	uint64_t		 required;      /* 1 << place */
	uint64_t		 choices[SCHEMA_CHOICES_MAX];  /* one of them */
	size_t			 n_choices;
	struct schema_pair	 pairs[SCHEMA_PAIRS_MAX];
	size_t			 n_pairs;
	int			 key_name;      /* its place; -1: none */
};

extern const char *const schema_type_names[SCHEMA_TYPES];

#endif
