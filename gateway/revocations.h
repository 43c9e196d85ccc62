/*
 * revocations: whose tokens are worth nothing any more, for all gateways of
 * this host: a file of fixed size in the state directory that each of them
 * maps. Process: gateway. Rules: the contract, section 5.
 *
 * A revocation names a subject, of one tenant or of every one, and a time:
 * tokens, and tickets of tokens, that were issued (iat) up to then are refused,
 * and so are those that do not say when. Kept are hashes, no names. Nothing
 * needs telling: a gateway that maps the file knows at once, and looks at
 * revocations_changes() to close what is open.
 *
 * At most REVOCATIONS_MAX. A revocation stays; only when there is no room, one
 * that is older than REVOCATION_KEEP_MS, by when tokens issued before are over,
 * makes way for a new one. The file outlives the service and the machine's
 * restart; a power failure may lose what was written in the last half minute.
 */
#ifndef SLUICE_REVOCATIONS_H
#define SLUICE_REVOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "gateway/identity.h"

#define REVOCATIONS_MAX     4096u
#define REVOCATION_KEEP_MS  (INT64_C(400) * 24 * 3600 * 1000)

struct revocations;

/* NULL with *err (whose code is 0 when the file is no such one). All its room
 * is taken at once. */
struct revocations *revocations_open(const char *path, struct err *err);
void		 revocations_close(struct revocations *r);   /* NULL is none */
/* From now on. `tenant` NULL: of every one. -1 with *err: there is no room. */
int		 revocations_add(struct revocations *r, const char *tenant,
		    const char *subject, int64_t now_unix_ms, struct err *err);
bool		 revocations_has(const struct revocations *r,
		    const struct identity *id);
/* Another number whenever one was added, by whichever gateway. */
uint64_t	 revocations_changes(const struct revocations *r);

#endif
