/*
 * kube_entry: the files of a kubeconfig path list as trees (common/yaml), and
 * look-ups in them whose errors name file, line and entry. Under all of
 * kube_*.c that read an entry; kubeconfig.h and kube_credentials.h have the
 * semantics. Reads files; keeps nothing open. Texts and nodes belong to the
 * set.
 */
#ifndef SLUICE_KUBE_ENTRY_H
#define SLUICE_KUBE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define KUBE_ENTRY_TEXT_MAX (1024u * 1024)   /* one string, base64 included */

struct yaml_node;

struct kube_entry_file {
	char			*path;
	struct yaml_node	*root;
};

struct kube_entry_set {
	struct kube_entry_file	*files;
	size_t			 n;
};

/* An entry of clusters, users or contexts: where it stands. */
struct kube_entry {
	const struct kube_entry_file *file;
	const struct yaml_node	*map;   /* value of `cluster`, `user` ... */
	const char		*what;  /* "cluster" ... */
	const char		*name;
};

bool	 kube_entry_is(const struct yaml_node *node, const char *text);
/* A plain null, ~ or nothing counts as not given. */
bool	 kube_entry_null(const struct yaml_node *node);
/* Member of the entry's mapping, or NULL (also when it is none). */
const struct yaml_node *kube_entry_get(const struct kube_entry *entry,
	    const char *key);

/* Reads a regular file of at most `max` bytes; the text (to be freed) gets a
 * NUL behind it. The message has no remedy: the caller knows what it is for. */
int	 kube_entry_read(const char *path, size_t max, char **ret_text,
	    size_t *ret_n, struct err *err) MUST_CHECK;

/* Every existing file of the list, in order; none at all is an error. A
 * directory is read as a pod's service account: its token, ca.crt and
 * namespace make a kubeconfig of one context. */
int	 kube_entry_open(struct kube_entry_set *set, const char *paths,
	    struct err *err) MUST_CHECK;
/* One kubeconfig in memory, at most KUBE_POLICY_TEXT_MAX bytes; `name` stands
 * for the file in messages. */
int	 kube_entry_open_text(struct kube_entry_set *set, const char *text,
	    size_t n, const char *name, struct err *err) MUST_CHECK;
void	 kube_entry_close(struct kube_entry_set *set);

/* The list `list` of one file; *ret NULL when it has none. */
int	 kube_entry_list(const struct kube_entry_file *file, const char *list,
	    const struct yaml_node **ret, struct err *err) MUST_CHECK;
/* The entry `name` of `list`: the first file that has it wins whole. 1 found,
 * 0 not, -1 error (also: named twice in one file). */
int	 kube_entry_find(const struct kube_entry_set *set, const char *list,
	    const char *what, const char *name, struct kube_entry *ret,
	    struct err *err) MUST_CHECK;

/* A string member; NULL when not given. The text belongs to the set. */
int	 kube_entry_text(const struct kube_entry *entry, const char *key,
	    const char **ret, struct err *err) MUST_CHECK;
int	 kube_entry_bool(const struct kube_entry *entry, const char *key,
	    bool *ret, struct err *err) MUST_CHECK;
/* -1 with "kubeconfig FILE:LINE: what "name": problem". */
int	 kube_entry_fail(const struct kube_entry *entry, const char *key,
	    struct err *err, const char *problem);

#endif
