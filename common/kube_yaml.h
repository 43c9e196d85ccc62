/*
 * kube_yaml: the files of a kubeconfig path list as libyaml documents, and
 * look-ups in them whose errors name file, line and entry. Used by kubeconfig
 * only; see there for the semantics. Reads files; keeps nothing open.
 */
#ifndef SLUICE_KUBE_YAML_H
#define SLUICE_KUBE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "common/err.h"

#define KUBE_YAML_TEXT_MAX (1024u * 1024)   /* one string, base64 included */

struct kube_yaml_file {
	char		*path;
	yaml_document_t	 doc;
};

struct kube_yaml_set {
	struct kube_yaml_file	*files;
	size_t			 n;
};

/* An entry of clusters, users or contexts: where it stands. */
struct kube_yaml_entry {
	struct kube_yaml_file	*file;
	yaml_node_t		*map;   /* value of `cluster`, `user` ... */
	const char		*what;  /* "cluster" ... */
	const char		*name;
};

size_t	 kube_yaml_line(const yaml_node_t *node);
bool	 kube_yaml_is(const yaml_node_t *node, const char *text);
/* A plain null, ~ or nothing counts as not given. */
bool	 kube_yaml_null(const yaml_node_t *node);
/* Member of a mapping, or NULL (also when `map` is none). */
yaml_node_t *kube_yaml_get(struct kube_yaml_file *file, yaml_node_t *map,
	    const char *key);

/* Reads a regular file of at most `max` bytes; the text (to be freed) gets a
 * NUL behind it. The message has no remedy: the caller knows what it is for. */
int	 kube_yaml_read(const char *path, size_t max, char **ret_text,
	    size_t *ret_n, struct err *err) MUST_CHECK;

/* Every existing file of the list, in order; none at all is an error. */
int	 kube_yaml_open(struct kube_yaml_set *set, const char *paths,
	    struct err *err) MUST_CHECK;
void	 kube_yaml_close(struct kube_yaml_set *set);

/* The list `list` of one file; *ret NULL when it has none. */
int	 kube_yaml_list(struct kube_yaml_file *file, const char *list,
	    yaml_node_t **ret, struct err *err) MUST_CHECK;
/* The entry `name` of `list`: the first file that has it wins whole. 1 found,
 * 0 not, -1 error (also: named twice in one file). */
int	 kube_yaml_find(struct kube_yaml_set *set, const char *list,
	    const char *what, const char *name, struct kube_yaml_entry *ret,
	    struct err *err) MUST_CHECK;

/* A string member; NULL when not given. The text belongs to the document. */
int	 kube_yaml_text(const struct kube_yaml_entry *entry, const char *key,
	    const char **ret, struct err *err) MUST_CHECK;
int	 kube_yaml_bool(const struct kube_yaml_entry *entry, const char *key,
	    bool *ret, struct err *err) MUST_CHECK;
/* -1 with "kubeconfig FILE:LINE: what "name": problem". */
int	 kube_yaml_fail(const struct kube_yaml_entry *entry, const char *key,
	    struct err *err, const char *problem);

#endif
