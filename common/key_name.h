/*
 * key_name: a Kubernetes object's name as it stands in the key of its stream.
 * Pure. Watcher and store.
 *
 * Of some kinds (those of RBAC) a name may hold any character but "/" and "%";
 * a key may not (contract 2). What fits stays as it is; every other byte, and
 * "~" itself, becomes "~" and two hex digits in capitals: "a@b" is "a~40b".
 * So different names have different keys, and the name can be had back.
 */
#ifndef SLUICE_KEY_NAME_H
#define SLUICE_KEY_NAME_H

#include "common/buf.h"

#define KEY_NAME_MAX  253u   /* bytes of a name in a key; RFC 1123 subdomain */
#define KEY_NAME_SIZE (KEY_NAME_MAX + 1)

/* `name` in a key, NUL-terminated in buf unless it is `name` itself.
 * SLICE_NONE: no key can hold it (empty, too long, with a slash or a NUL). */
struct slice	key_name_make(struct slice name, char buf[KEY_NAME_SIZE]);
/* The name itself, of what key_name_make gave, inside a JSON string. */
void	key_name_show(struct buf *b, struct slice key);

#endif
