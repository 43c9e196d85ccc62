/*
 * peers: the readers of the bus: the broker's PUB socket and to whom it is
 * connected, as the supervisor says (PEER_UP, PEER_DOWN). A reader binds, the
 * broker connects. What is sent may be lost: readers repair from the file.
 */
#ifndef SLUICE_PEERS_H
#define SLUICE_PEERS_H

#include "common/err.h"
#include "common/msg.h"

#define PEERS_MAX 256u

struct peers;

struct peers *peers_new(struct err *err) MUST_CHECK;
void	peers_free(struct peers *p);
/* A new path of a known (role, instance) replaces the old one. */
int	peers_up(struct peers *p, const struct msg_peer *peer,
	    struct err *err);
void	peers_down(struct peers *p, const struct msg_peer *peer);
void	peers_send(struct peers *p, const void *bytes, size_t n);
size_t	peers_count(const struct peers *p);

#endif
