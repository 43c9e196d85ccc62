/*
 * conf_table: the one table of configuration keys, and how a value of each
 * type is read, printed, stored and released. Private to conf*.c (conf.h says
 * in which process); unit tests read the table too, and tests/lint/docs.py
 * compares sluice.yaml(5) with it.
 */
#ifndef SLUICE_CONF_TABLE_H
#define SLUICE_CONF_TABLE_H

#include <stdio.h>

#include "common/conf.h"
#include "common/yaml.h"

enum conf_type {
	CONF_TYPE_FIXED,       /* only `def` is admitted in this version */
	CONF_TYPE_LISTEN,      /* host@off, port@off2 */
	CONF_TYPE_PATH,        /* absolute, or from ~ */
	CONF_TYPE_PATHS,       /* the same, several with ':'; or none */
	CONF_TYPE_MONGODB,     /* URI or none */
	CONF_TYPE_CONTEXTS,    /* enum@off, list@off2, its length@off3 */
	CONF_TYPE_CLUSTERS,    /* array@off, its length@off2 */
	CONF_TYPE_ORIGINS,     /* list@off, its length@off2 */
	CONF_TYPE_NETWORKS,    /* likewise */
	CONF_TYPE_KINDS,       /* likewise */
	CONF_TYPE_NAMESPACES,  /* likewise */
	CONF_TYPE_CUSTOM,      /* array@off, its length@off2; words: taken */
	CONF_TYPE_COUNT,       /* uint32_t min..max; `words`: auto */
	CONF_TYPE_SIZE,        /* uint64_t bytes min..max */
	CONF_TYPE_DURATION,    /* int64_t ms min..max; `words`: off = 0 */
	CONF_TYPE_WORD,        /* enum: index in `words` */
	CONF_TYPE_BOOL,
	CONF_TYPE_TEXT,        /* at most `max` bytes; `words`: NULL */
	CONF_TYPE_TOKEN,       /* the same, of the characters of a name */
	CONF_TYPE_SYNC,        /* enum@off, ms@off2 */
	CONF_TYPE_MAX
};

/* Who is told a key's value: the roles that use it, and no other; without
 * .readers no role is, and each sees the default. The supervisor, which read
 * the file, is told of nobody. */
enum conf_reader {
	CONF_READER_BROKER  = 1,
	CONF_READER_STORE   = 2,
	CONF_READER_HEALTH  = 4,
	CONF_READER_GATEWAY = 8,
	CONF_READER_WATCHER = 16,
	CONF_READER_ALL     = 31
};

struct conf_key {
	const char	*path;     /* "journal.sync"; of a stream: its leaf */
	unsigned	 readers;  /* of enum conf_reader; 0: the supervisor */
	enum conf_type	 type;
	size_t		 off;      /* in struct conf, or struct conf_stream */
	size_t		 off2;
	size_t		 off3;
	int64_t		 min;
	int64_t		 max;
	const char	*words;    /* admitted words, "a|b|c" */
	const char	*def;      /* as in the file; NULL: computed */
	const char	*help;     /* one line for the manual */
};

extern const struct conf_key conf_keys[];
extern const size_t	     conf_keys_count;
extern const struct conf_key conf_stream_keys[];
extern const size_t	     conf_stream_keys_count;

/* Where problems go, and how many there were. */
struct conf_report {
	FILE		*out;
	const char	*name;     /* of the file */
	int		 count;
};

#define CONF_PROBLEMS_MAX 100   /* printed; the rest is counted */

void	conf_problem(struct conf_report *r, unsigned line, const char *key,
	    const char *fmt, ...) PRINTF(4, 5);

/* What to write instead of an unknown key `name` below `prefix` ("" or
 * "journal."): the nearest valid key, or the list of those valid there. To be
 * freed. (conf_suggest.c) */
char	*conf_suggest(const char *prefix, const char *name);

/* --- values (conf_value.c); `base` = the struct the offsets belong to ----- */

/* Reads a node into place, releasing what stood there. 0, or -1 after the
 * problem was reported (the old value stays). */
int	conf_value_read(struct conf_report *r, const struct conf_key *key,
	    const char *path, const struct yaml_node *node, void *base);

int	conf_duration_parse(const char *text, int64_t *ret_ms);
int	conf_size_parse(const char *text, uint64_t *ret);
/* (conf_place.c) "~/x" to "$HOME/x"; a copy. NULL when there is no home. */
char	*conf_expand_home(const char *path);

/* --- defaults (conf_default.c) -------------------------------------------- */

/* That of a configuration without a line for it; to be freed. */
char	*conf_default_runtime_directory(const struct conf *conf);

/* --- storage (conf_wire.c) ------------------------------------------------ */

enum conf_storage {
	CONF_STORE_STRING,     /* char *, may be NULL */
	CONF_STORE_STRINGS,    /* char **, size_t */
	CONF_STORE_CLUSTERS,   /* struct conf_cluster *, size_t */
	CONF_STORE_CUSTOM,     /* struct conf_kind *, size_t */
	CONF_STORE_U16,
	CONF_STORE_U32,
	CONF_STORE_U64,        /* also int64_t */
	CONF_STORE_ENUM,
	CONF_STORE_BOOL
};

struct conf_member {
	enum conf_storage	storage;
	size_t			off;
	size_t			off2;   /* of the length */
};

/* The members a key fills; returns how many (at most 2). */
size_t	conf_members(const struct conf_key *key, struct conf_member ret[2]);
void	conf_member_free(const struct conf_member *m, void *base);
void	conf_strings_free(char **strings, size_t n);
void	conf_custom_free(struct conf_kind *kinds, size_t n);

#endif
