/*
 * jwks_file: the key set as it stands in the operator's file, read again when
 * the file changes. Process: gateway.
 *
 * Looked at every JWKS_LOOK_MS, and at once by a reload. What cannot be read or
 * is no key set leaves the keys that were there in force and is logged, once
 * for each trouble; it is tried again with every look. A file that every user
 * may write, or that holds a secret (HS256) and that every user may read, is
 * refused like a broken one. A set without keys, {"keys": []}, puts all keys
 * out of force; only to begin with it is refused, as a mistake.
 */
#ifndef SLUICE_JWKS_FILE_H
#define SLUICE_JWKS_FILE_H

#include <event2/event.h>

#include "common/err.h"
#include "gateway/jwks.h"

#define JWKS_LOOK_MS   1000
#define JWKS_SETTLE_MS 5000   /* what is younger may be being written */

struct jwks_file;

/* NULL with *err when there is no good set to begin with. Its code is 0 when
 * only who wrote the file can mend it, an errno for what keeps it from being
 * read, and EAGAIN for what is no whole JSON and was written a moment ago. */
struct jwks_file *jwks_file_open(struct event_base *base, const char *path,
		    struct err *err);
void		 jwks_file_close(struct jwks_file *f);   /* NULL is none */
/* The keys in force; valid until the loop goes on. */
const struct jwks *jwks_file_keys(const struct jwks_file *f);
/* Another number whenever others came into force, or the same once more. */
uint64_t	 jwks_file_changes(const struct jwks_file *f);
/* Reads it again though it may not have changed. */
void		 jwks_file_reload(struct jwks_file *f);

#endif
