/*
 * sim_h2_wire: how answers leave by HTTP/2, and what sim_h2.c (requests in)
 * shares with it: a session and its streams. Nobody else needs it.
 */
#ifndef SIM_H2_WIRE_H
#define SIM_H2_WIRE_H

#include <nghttp2/nghttp2.h>

#include "tests/kubesim/sim_conn.h"
#include "tests/kubesim/sim_h2.h"

struct stream {
	TAILQ_ENTRY(stream)	 entry;
	struct sim_h2		*h2;
	struct sim_conn		*conn;           /* NULL: dead */
	int32_t			 id;
	struct buf		 head;           /* as lines of HTTP/1.1 */
	struct buf		 body;
	struct evbuffer		*out;
	bool			 answered;       /* the head was submitted */
	bool			 ended;
	bool			 cut;            /* RST when `out` is empty */
	bool			 deferred;       /* nghttp2 waits for bytes */
};

struct sim_h2 {
	unsigned		 magic;
	struct sim_conn		*carrier;
	nghttp2_session		*session;
	TAILQ_HEAD(streams, stream) streams;
	bool			 flushing;
	bool			 leaving;        /* GOAWAY was sent */
	unsigned		 requests;
};

extern const struct sim_wire sim_wire_h2;

#endif
