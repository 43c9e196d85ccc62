/*
 * revocations: whose tokens are worth nothing any more, for all gateways of
 * this host: a file of fixed size in the state directory that each of them
 * reads and writes. Process: gateway. Rules: the contract, section 5.
 *
 * A revocation names a subject, of one tenant or of every one, and a time:
 * tokens, and tickets of tokens, that were issued (iat) up to then are refused,
 * and so are those that do not say when. Kept are hashes, no names. Nothing
 * needs telling: each judgement looks into the file, and revocations_look()
 * says that what is open must be judged again. Of what is open all ends that
 * the subject has then, whatever its iat says: the clock of who issued it may
 * be ahead.
 *
 * At most REVOCATIONS_MAX. A revocation stays; only when there is no room, one
 * that is older than REVOCATION_KEEP_MS, by when tokens issued before are over,
 * makes way for a new one. The file outlives the service and the machine's
 * restart: a revocation is on its disk before it is acknowledged.
 *
 * A file that is cut short, or cannot be read, changes nothing in what a
 * gateway knows already.
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
 * is taken at once; where the disk is read-only, full or failing, who is
 * revoked already is read, nobody can be added, and there is a trouble: a bad
 * disk must not keep a gateway from serving. */
struct revocations *revocations_open(const char *path, struct err *err);
/* Why nobody can be added, until the gateway is started again; or NULL. */
const char	*revocations_trouble(const struct revocations *r);
void		 revocations_close(struct revocations *r);   /* NULL is none */
/* From now on. `tenant` NULL: of every one. Waits for the disk. -1 with *err:
 * there is no room (code 0), or the disk or another gateway is in the way. */
int		 revocations_add(struct revocations *r, const char *tenant,
		    const char *subject, int64_t now_unix_ms, struct err *err);
/* Whether the token is refused. Keeps its hashes in *id. */
bool		 revocations_has(struct revocations *r, struct identity *id);
/* Reads what was added, by whichever gateway. *ret_fresh: some was since
 * revocations_ended(), also where -1 with *err says that the file cannot be
 * read now. */
int		 revocations_look(struct revocations *r, bool *ret_fresh,
		    struct err *err);
/* Whether what the subject has open ends by what was added since then. */
bool		 revocations_ends(const struct revocations *r,
		    struct identity *id);
/* All that was open has been judged. */
void		 revocations_ended(struct revocations *r);

#endif
