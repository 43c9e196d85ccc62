/*
 * channel: one end of the SOCK_SEQPACKET pair between supervisor and child,
 * under libevent: whole messages in, whole messages out, file descriptors by
 * SCM_RIGHTS. Sending never blocks: what the kernel does not take waits in a
 * queue of at most CHANNEL_QUEUE_MAX messages; beyond it the peer counts as
 * hung and channel_send answers -1.
 */
#ifndef SLUICE_CHANNEL_H
#define SLUICE_CHANNEL_H

#include <event2/event.h>

#include "common/msg.h"

#define CHANNEL_QUEUE_MAX 256u

struct channel;

/* One message; `fd` is -1 or now belongs to the callee; the callee may free the
 * channel. type MSG_TYPE_MAX: the peer is gone (EOF or error, in *err) and
 * nothing follows; but with err->code EBADMSG the peer sent what cannot be
 * read or is not its to send, and the channel goes on. */
typedef void (*channel_cb)(struct channel *c, enum msg_type type,
    const void *payload, size_t n, int fd, const struct err *err, void *arg);

/* A connected pair, CLOEXEC and non-blocking. */
int	channel_pair(int ret_fds[2], struct err *err) MUST_CHECK;
/* Takes the fd. `receive_from` = whose messages are admitted. */
struct channel *channel_new(struct event_base *base, int fd,
    enum msg_sender receive_from, channel_cb cb, void *arg);
void	channel_free(struct channel *c);
/* Takes at once, through the callback, what the peer has sent so far (at most
 * CHANNEL_QUEUE_MAX messages): for one whose end is known before its last
 * words were read. Not from within the callback. */
void	channel_drain(struct channel *c);
/* fd (or -1) is duplicated by the kernel; the caller keeps its own. */
int	channel_send(struct channel *c, enum msg_type type,
	    const void *payload, size_t n, int fd, struct err *err);
/* How many messages wait for the peer to read. */
size_t	channel_waiting(const struct channel *c);

#endif
