/*
 * conf_value: what the readers of single values share: the value under way,
 * how it is found wrong, words and units. Private to conf*.c.
 */
#ifndef SLUICE_CONF_VALUE_H
#define SLUICE_CONF_VALUE_H

#include "common/conf_table.h"

/* What one value is read with. */
struct conf_value {
	struct conf_report	*report;
	const struct conf_key	*key;
	const char		*path;   /* of the key, whole */
	const struct yaml_node	*node;
	char			*base;  /* struct the key's offsets belong to */
};

/* Reports "file:line: key: text"; returns -1. */
int	conf_value_wrong(const struct conf_value *v, const char *fmt, ...)
	    PRINTF(2, 3);
/* The text of a scalar, or NULL after it was reported; `want` says what would
 * be right. */
const char *conf_value_scalar(const struct conf_value *v, const char *want);
void	*conf_value_at(const struct conf_value *v, size_t off);
/* Replaces a string; takes the text. */
void	conf_value_set_string(const struct conf_value *v, size_t off,
	    char *text);

/* Index of a word in "a|b|c", or -1 (words may be NULL); and back. */
int	conf_word_index(const char *words, const char *text);
const char *conf_word_at(const char *words, int index, size_t *ret_len);

/* --- places (conf_place.c) ------------------------------------------------ */

/* Paths with ':' between them; NULL after it was reported. */
char	*conf_read_path_list(const struct conf_value *v, const char *text);
int	conf_read_path(const struct conf_value *v);
int	conf_read_paths(const struct conf_value *v);
int	conf_read_listen(const struct conf_value *v);
bool	conf_is_loopback(const char *host);
int	conf_read_mongodb(const struct conf_value *v);
/* Where the password of an accepted URI begins, and its length; 0 without. */
size_t	conf_uri_password(const char *uri, size_t *ret_len);

/* --- texts (conf_text.c) -------------------------------------------------- */

int	conf_read_text(const struct conf_value *v);
int	conf_read_token(const struct conf_value *v);

/* --- lists (conf_list.c) -------------------------------------------------- */

int	conf_read_contexts(const struct conf_value *v);
int	conf_read_clusters(const struct conf_value *v);
int	conf_read_origins(const struct conf_value *v);
int	conf_read_networks(const struct conf_value *v);
int	conf_read_kinds(const struct conf_value *v);
int	conf_read_namespaces(const struct conf_value *v);

/* --- kinds of the operator's (conf_custom.c) ------------------------------ */

int	conf_read_custom(const struct conf_value *v);

/* --- units (conf_unit.c) -------------------------------------------------- */

struct conf_unit {
	const char	*name;
	uint64_t	 factor;
};

#define CONF_DURATIONS 4u
#define CONF_SIZES     5u
extern const struct conf_unit conf_durations[CONF_DURATIONS];
extern const struct conf_unit conf_sizes[CONF_SIZES];

/* A run of digits; moves *text behind it. False if none, or too large. */
bool	conf_digits(const char **text, uint64_t *ret);
/* With the largest unit that divides it. */
void	conf_unit_format(uint64_t v, const struct conf_unit *units, size_t n,
	    char *buf, size_t size);

#endif
