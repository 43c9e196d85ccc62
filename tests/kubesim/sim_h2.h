/*
 * sim_h2: HTTP/2 on one TLS connection (nghttp2): its streams are exchanges
 * like any other (sim_conn), with a wire that makes frames.
 *
 * The connection itself stays a sim_conn that carries the bytes. A stream
 * ends by RST_STREAM where HTTP/1.1 would end a connection; GOAWAY, unanswered
 * PINGs and the number of streams are modes (sim_modes.h).
 */
#ifndef SIM_H2_H
#define SIM_H2_H

#include "tests/kubesim/sim_http.h"

struct sim_h2;

/* The connection's handshake has chosen HTTP/2. */
struct sim_h2 *sim_h2_new(struct sim_conn *carrier);
/* Its streams end with it. */
void	sim_h2_free(struct sim_h2 *h);
/* Bytes have come; -1: the connection is to be ended. */
int	sim_h2_input(struct sim_h2 *h) MUST_CHECK;
/* Sends what there is, as the connection has room. */
void	sim_h2_flush(struct sim_h2 *h);
/* No new streams: those that are open go on, then the connection ends. */
void	sim_h2_goaway(struct sim_conn *c);

#endif
