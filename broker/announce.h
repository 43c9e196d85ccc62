/*
 * announce: what the broker tells its readers, and in which order: memory
 * segments through the supervisor, records and heartbeats on the bus. Nothing
 * is announced before it is in the journal.
 */
#ifndef SLUICE_ANNOUNCE_H
#define SLUICE_ANNOUNCE_H

#include "broker/journal_thread.h"
#include "common/msg.h"

struct announce;
struct role;

/* NULL with *err. The role stays the caller's. */
struct announce *announce_new(struct role *role, struct err *err) MUST_CHECK;
void	announce_free(struct announce *a);

/* The newest position that readers may know of. */
struct position announce_tip(const struct announce *a);
/* At the start, and when a new epoch begins. */
void	announce_set_tip(struct announce *a, struct position tip);
/* A job that was written: its memory segments (the fds move here), then its
 * records. */
void	announce_job(struct announce *a, struct journal_job *job);
/* The tip is filled in here. */
void	announce_heartbeat(struct announce *a, struct heartbeat hb);

void	announce_peer_up(struct announce *a, const struct msg_peer *peer);
void	announce_peer_down(struct announce *a, const struct msg_peer *peer);
size_t	announce_readers(const struct announce *a);

#endif
