/*
 * bus_request: one question after the other to the one who answers at an
 * address, until each is answered. For the loop of its owner; no timer of its
 * own.
 *
 * Over a raw REQ socket, not nanomsg's own REQ: of that (1.1.5) a second answer
 * to a question sent twice takes the place of the first, which is lost as
 * memory, and one that comes too late is freed again at the close, which ends
 * the process by an assertion. Who answers must know a repeated question by
 * what is in it.
 *
 * A connection that nanomsg makes again begins with what was received on the
 * one before and not looked at (1.1.5: its buffer for small reads is kept). If
 * who answered died just then, that is no multiple of the eight bytes that a
 * connection begins with, and every next one fails over the same rest, a
 * hundred times a second and for ever. So one that was made in vain
 * BUS_REQUEST_FLAPS_MAX times gives way to a new one, with a buffer of its own.
 */
#ifndef SLUICE_BUS_REQUEST_H
#define SLUICE_BUS_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus.h"
#include "common/err.h"
#include "common/mono.h"

/* An answer may have been lost with whoever was to give it. */
#define BUS_REQUEST_RESEND_MS  1000
/* So often its owner looks, while it waits, whether to send again. */
#define BUS_REQUEST_LOOK_MS    50
/* A send that found no room, or nobody yet, is tried again after this. */
#define BUS_REQUEST_RETRY_MS   10
/* Connections without an answer: some have died under way for good reasons,
 * and a new one costs nothing but a question repeated. */
#define BUS_REQUEST_FLAPS_MAX  16

struct bus_request {
	int		socket;        /* -1: none */
	int		endpoint;      /* of it, to `address` */
	char		address[BUS_ADDRESS_SIZE];
	uint32_t	number;        /* of the question under way */
	uint64_t	heard;         /* connections made before the latest
					* answer, or before this endpoint */
	uint64_t	connections;   /* made before it was sent */
	struct mono	sent_at;
	bool		sent;
};

/* Connects to <bus_directory>/<leaf>; -1 with *err, and nothing to close. The
 * other end may come later, and come again. */
int	bus_request_open(struct bus_request *r, const char *bus_directory,
	    const char *leaf, struct err *err) MUST_CHECK;
void	bus_request_close(struct bus_request *r);

/* Another question: answers to those before are nobody's from here on. It is
 * due until it was sent. */
void	bus_request_begin(struct bus_request *r);
/* Sends it, or sends it again (the bytes may differ in what does not make it
 * another question); -1 with *err: no room now, or nobody there. */
int	bus_request_put(struct bus_request *r, const void *p, size_t n,
	    struct err *err);
/* Whether it is time for that: it was not sent yet, or the other end is a new
 * one since, or it is long ago. */
bool	bus_request_due(const struct bus_request *r, struct mono now);

/* The next answer to the question under way: 1 = *ret (free it with
 * bus_message_free), 0 = none now, -1 = error. More than one may come to a
 * question that was sent again. */
int	bus_request_answer(struct bus_request *r, struct bus_message *ret,
	    struct err *err);

/* The question under way was answered on another way: the connection that it
 * was sent over is a good one. */
void	bus_request_served(struct bus_request *r);

#endif
