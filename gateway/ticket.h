/*
 * ticket: what a browser's EventSource, which can send no header, puts into its
 * URL instead of a token (the contract, section 5): who asks and what may be
 * read, sealed with a key of the installation (AES-256-GCM), so that every
 * gateway can open it and nobody else can read or make one. Pure but for the
 * random nonce: whether a ticket was used before is the caller's to know
 * (ticket_uses).
 *
 * A ticket grants reading only, never more than its token did, and no longer;
 * at most TICKET_LIFE_MS, and only while the key that its token was signed with
 * is in force (its thumbprint is sealed too; access compares it). It opens a
 * stream within TICKET_FIRST_MS of its issue; later only for a client that
 * comes back: with a Last-Event-ID of this journal until the ticket's end;
 * without one, if the ticket is known to have been used, within
 * TICKET_AGAIN_MS.
 */
#ifndef SLUICE_TICKET_H
#define SLUICE_TICKET_H

#include "gateway/identity.h"

#define TICKET_FIRST_MS   30000
#define TICKET_AGAIN_MS   (10 * 60 * 1000)
#define TICKET_LIFE_MS    (24LL * 3600 * 1000)
#define TICKET_SKEW_MS    30000   /* clocks of two hosts may differ so far */
#define TICKET_BYTES_MAX  6000u   /* a target has at most 8192 */
#define TICKET_KEY_SIZE   32u

struct ticket_key {
	uint8_t		bytes[TICKET_KEY_SIZE];
};

/* How an opened ticket is presented. */
struct ticket_use {
	uint64_t	tag;        /* names this ticket; never 0 */
	int64_t		age_ms;
};

/* From the installation's key (HKDF), so that no two uses of it share one. */
void	ticket_key_derive(struct ticket_key *ret, const void *key, size_t n);
/* When a ticket that is issued now ends. */
int64_t	ticket_end(const struct identity *id, int64_t now_unix_ms);
/* Appends a ticket; -1 with *err if it would be longer than a URL may be. */
int	ticket_seal(struct buf *b, const struct ticket_key *key,
	    const struct identity *id, int64_t now_unix_ms, struct err *err)
	    MUST_CHECK;
/* Who it is of, with one reference, and how old it is; NULL with *err. */
struct identity *ticket_open(struct slice text, const struct ticket_key *key,
	    int64_t now_unix_ms, struct ticket_use *ret, struct err *err);
/* Whether it still opens a stream. `resumes`: it comes with a Last-Event-ID
 * that the caller knows to be one of this journal. */
bool	ticket_good(const struct ticket_use *use, bool resumes, bool used);

#endif
