/*
 * conn_read: what comes in on a client's socket: requests, one at a time, and
 * bytes that nobody wants. What it is read into (the exchange) is connection's;
 * a whole request goes to route, one that is none is answered and the
 * connection ended. Process: gateway.
 *
 * Until an answer is taken, what follows waits: of it at most a read more than
 * HTTP_HEAD_MAX here (then the socket is not listened to), the rest in the
 * kernel. A client may shut down its side after its requests and still gets
 * its answers.
 */
#ifndef SLUICE_CONN_READ_H
#define SLUICE_CONN_READ_H

#include "gateway/connection.h"

#define CONN_READ_SIZE    16384u          /* bytes of one recv */
#define CONN_DISCARD_MAX  (64u * 1024)    /* input ignored on a stream */
#define CONN_DISCARD_TURN (256u * 1024)   /* input ignored after the end */

/* CONN_READING or CONN_WAITING, and the socket has something, or is asked for
 * the next request of what is here. c may be gone after it. */
void	conn_read(struct conn *c);
/* CONN_STREAM, where many bytes are an attack; or CONN_CLOSING, where a client
 * may still send the body that was refused, and a reset would take the answer
 * from it. c may be gone after it. */
void	conn_read_discard(struct conn *c);

#endif
