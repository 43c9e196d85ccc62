/*
 * ticket_uses: which tickets were used, for all gateways of this host: a file
 * of fixed size in the runtime directory that each of them maps. Process:
 * gateway.
 *
 * A place is found by the ticket's tag; of a full row one is forgotten whose
 * use is worth nothing any more (older than TICKET_AGAIN_MS, or of a time to
 * come, after a clock was set back), else the one that was used first. To
 * forget one is harmless: its client must then come back with a Last-Event-ID,
 * as nearly every client does. Nothing here lets anybody in by itself. It is
 * gone with the runtime directory.
 */
#ifndef SLUICE_TICKET_USES_H
#define SLUICE_TICKET_USES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct ticket_uses;

/* NULL with *err. All its room is taken at once: a page of a full file system
 * that is first written later would end the process. */
struct ticket_uses *ticket_uses_open(const char *path, struct err *err);
void		 ticket_uses_close(struct ticket_uses *u);  /* NULL is none */
bool		 ticket_uses_knows(const struct ticket_uses *u, uint64_t tag);
void		 ticket_uses_add(struct ticket_uses *u, uint64_t tag,
		    int64_t now_unix_ms);

#endif
