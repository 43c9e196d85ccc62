/*
 * replay: clients who have more to get than the news, in slices of bounded
 * time, so that live clients are not delayed: cursors older than the ring read
 * the journal, those older than their subscription's list have it reach back,
 * and who has much to get from the ring, or a snapshot's set, gets it in its
 * turn. While a client waits for that, news do not reach it on another way.
 * Process: gateway.
 */
#ifndef SLUICE_REPLAY_H
#define SLUICE_REPLAY_H

#include <stdint.h>

#include "common/err.h"

#define REPLAY_TURN_MS    2      /* of one turn of the loop */
#define REPLAY_SLICE      (1024u * 1024)  /* journal bytes per client, turn */
#define REPLAY_READERS    4u     /* journal files open at one time, at most */

struct conn;
struct gateway;
struct replay;

struct replay	*replay_new(struct gateway *g);
void		 replay_free(struct replay *r);
/* The client has more to get; once, until it had its turn. */
void		 replay_add(struct replay *r, struct conn *c);
/* The connection goes. */
void		 replay_remove(struct replay *r, struct conn *c);
/* A memory segment of the journal (MSG_SEGMENT), new or told again; the fd
 * stays the caller's. Those the broker let go of are let go of here too. */
void		 replay_add_segment(struct replay *r, uint64_t first, int fd);
/* As journal_reader_retract. */
void		 replay_retract(struct replay *r, uint64_t tip);

#endif
