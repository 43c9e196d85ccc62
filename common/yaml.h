/*
 * yaml: a YAML document as a small tree, over libyaml's events.
 *
 * Every node knows its line, so that whoever reads the tree can say where a
 * problem is. Aliases are expanded by copying; depth, number of nodes and bytes
 * of text (after expansion) and number of anchors are bounded, so that a
 * hostile document ends in an error, not in memory. Duplicate keys of a mapping
 * are an error. Merge keys ("<<") mean nothing special. Tags are ignored: what
 * a scalar means is the reader's business. Texts are wiped when they are freed:
 * one may be a key. Pure. Supervisor and sluicectl (the configuration), and
 * whoever reads a kubeconfig.
 */
#ifndef SLUICE_YAML_H
#define SLUICE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define YAML_DEPTH_MAX   32u
#define YAML_NODES_MAX   200000u
#define YAML_TEXT_MAX    (4u * 1024 * 1024)   /* bytes of all scalars */
#define YAML_ANCHORS_MAX 100u
#define YAML_KEYS_MAX    1000u   /* of one map */

enum yaml_kind {
	YAML_KIND_SCALAR,
	YAML_KIND_LIST,
	YAML_KIND_MAP
};

struct yaml_node {
	enum yaml_kind		  kind;
	unsigned		  line;     /* from 1 */
	bool			  plain;    /* scalar without quotes */
	char			 *text;     /* scalar; NUL-terminated */
	size_t			  n;        /* its bytes (may hold a NUL) */
	size_t			  count;    /* list, map: how many values */
	struct yaml_node	**keys;     /* map: scalars; list: NULL */
	struct yaml_node	**values;
};

/* The one document in `text`; an empty one is an empty map. On failure *err
 * says what, and *ret_line where (0: nowhere in particular). To be freed with
 * yaml_tree_free. */
struct yaml_node *yaml_tree_read(const char *text, size_t n,
    unsigned *ret_line, struct err *err) MUST_CHECK;
void	yaml_tree_free(struct yaml_node *node);

/* The value of a key, or NULL (also when `map` is not a map). */
const struct yaml_node *yaml_tree_get(const struct yaml_node *map,
    const char *key);
/* A scalar that stands for nothing: empty, ~ or null, without quotes. */
bool	yaml_tree_is_null(const struct yaml_node *node);

#endif
