/*
 * kube_pem: PEM texts of a kubeconfig entry: base64 in `<key>-data`, or the
 * file that `<key>` names. One with a passphrase is refused. Reads files; keeps
 * nothing open. Watcher, health and sluice-exec.
 */
#ifndef SLUICE_KUBE_PEM_H
#define SLUICE_KUBE_PEM_H

#include "common/err.h"

struct kube_entry;

/* Decodes standard base64; white space (folded YAML) is skipped. NULL when it
 * is malformed or holds a NUL. To be freed (wipe it first). */
char	*kube_pem_base64(const char *text);
/* The other way; to be freed. */
char	*kube_pem_to_base64(const char *text);

/* A path of an entry is relative to the file that holds it. To be freed. */
char	*kube_pem_path(const struct kube_entry *entry, const char *path);

/* `<key>-data` or the file; *ret NULL when neither is given, *ret_file the
 * file's path (NULL: none). Both to be freed. Giving both is an error. */
int	 kube_pem_entry(const struct kube_entry *entry, const char *key,
	    char **ret, char **ret_file, struct err *err) MUST_CHECK;
/* The file's present text. */
int	 kube_pem_file(const char *path, char **ret, struct err *err)
	    MUST_CHECK;
/* Overwrites, then frees; NULL is fine. */
void	 kube_pem_wipe(char *text);

#endif
