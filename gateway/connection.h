/*
 * connection: one client's socket: its states and time-outs, writing, its end.
 * How requests are read is conn_read's business, what one means is route's,
 * what a stream sends is stream's. Process: gateway.
 *
 * Each connection has a slot (conn_table). What a stream's next bytes depend on
 * stands in the slot's row (conn_row), which is plain data; all else can be
 * made anew.
 *
 * Limits: a whole head within 5 s; a body within 30 s; an idle kept-alive
 * connection 60 s, and so long for an answer to be taken; what stands behind a
 * stream's end 2 s. The kernel ends what acknowledges nothing for that time, of
 * a stream for its write_stall_timeout, and never before 30 s; what is idle it
 * asks after 20 s, so that a peer that vanished is found whatever the heartbeat
 * (tcp(7): TCP_USER_TIMEOUT, TCP_KEEPIDLE). Of bodies 16 KiB each are always
 * read, and what is longer as far as CONN_BODIES_MAX goes for all clients
 * together: who sends long ones slowly can keep others from long ones, not the
 * memory from everybody.
 */
#ifndef SLUICE_CONNECTION_H
#define SLUICE_CONNECTION_H

#include "common/address.h"
#include "gateway/conn_row.h"
#include "gateway/conn_table.h"
#include "gateway/gateway.h"
#include "gateway/http_request.h"
#include "gateway/stream.h"
#include "gateway/ticket.h"

#define CONN_MAGIC          0x434f4e4eu   /* "CONN" */
#define CONN_NONE           UINT32_MAX
#define CONN_HEAD_MS        5000
#define CONN_BODY_MS        30000
#define CONN_KEEPALIVE_MS   60000
#define CONN_LINGER_MS      2000
#define CONN_DEAD_MS        30000
#define CONN_BODY_FREE      (16u * 1024)
#define CONN_BODIES_MAX     (64u * 1024 * 1024)
#define CONN_SNDBUF         (128 * 1024)  /* the kernel doubles it */
#define CONN_NOTSENT_LOWAT  (16 * 1024)

enum conn_state {
	CONN_FREE,
	CONN_READING,        /* a request is awaited or being read */
	CONN_WAITING,        /* a handler answers later */
	CONN_STREAM,
	CONN_CLOSING         /* all is said: flush, shutdown, linger */
};

/* A request being read or answered: what a stream does not need. */
struct exchange {
	struct buf		 in;
	struct http_scan	 scan;
	struct http_request	*request;   /* NULL until the head is whole */
	bool			 continued; /* 100 Continue was sent */
	bool			 judged;    /* route_head let it in */
	size_t			 held;      /* of CONN_BODIES_MAX */
	int64_t			 started_ms;
	/* CONN_WAITING: the handler's own, told when the client goes and when
	 * the connection is due. Without on_tick it is a stream-to-be. */
	void			*waiting;
	void			(*on_gone)(struct conn *c);
	void			(*on_tick)(struct conn *c);
};

/* Ten thousand idle ones stand beside each other: each byte here counts, and
 * what only some need for a while belongs elsewhere. */

struct conn {
	uint32_t		 magic;
	uint32_t		 id;
	int			 fd;
	uint32_t		 discarded;
	struct gateway		*gateway;
	struct conn_row		*row;
	struct exchange		*exchange;
	struct buf		 out;
	size_t			 out_off;
	uint64_t		 bytes;        /* written in all */
	int64_t			 progress_ms;  /* last time bytes were taken */
	int64_t			 blocked_ms;   /* something waits, of which
						* nothing was taken since;
						* 0: all was taken */
	int64_t			 due_ms;     /* what the wheel holds; 0: none */
	enum conn_state		 state : 8;
	enum metrics_close	 cause : 8;
	uint8_t			 polled;       /* CONN_POLL_* waited for */
	bool			 want_write;
	bool			 deaf;         /* input is full: not read */
	bool			 half;        /* the client's side is shut down:
						* no input follows */
	bool			 keep_alive;
	bool			 regular;      /* connections_regular */
	bool			 shut;         /* our side is shut down */
	bool			 spare;       /* beyond a limit: overloaded */
	bool			 over;        /* beyond max_per_address */
	bool			 proxied;     /* the peer is a trusted proxy */
	bool			 counted;     /* `client` is, by the table */
	bool			 admitted;    /* `identity` is, by access */
	struct address		 client;      /* other end of the socket, or
					       * whom a trusted proxy named;
					       * with `counted` */
	struct identity		*identity;    /* who asks (access); or NULL */
	struct ticket_use	 ticket;      /* by it; tag 0: by none */
	struct stream		 stream;
};

void	conn_set_state(struct conn *c, enum conn_state state);
/* The request is done with; from here on the connection is a stream. */
void	conn_begin_stream(struct conn *c);
/* So long, but no less than CONN_DEAD_MS, the peer may acknowledge nothing. */
void	conn_set_patience(struct conn *c, int64_t ms);
/* Something is due at that time at the latest. */
void	conn_due(struct conn *c, int64_t at_ms);
/* Writes what is pending. Returns 1 when all was taken, 0 when the socket is
 * full (EV_WRITE is on), -1 when the connection is gone (c is free). */
int	conn_flush_out(struct conn *c);
/* The same for n parts of `bytes` in all; *ret_taken says how many of them
 * were taken. */
struct iovec;
int	conn_writev(struct conn *c, const struct iovec *iov, size_t n,
	    size_t bytes, size_t *ret_taken);
/* Everything that belongs to an answer is in `out`: sends it, then reads the
 * next request or closes. */
void	conn_answered(struct conn *c);
/* No more will be written: flush, shut down, linger, close. */
void	conn_finish(struct conn *c, enum metrics_close cause);
/* Closes at once. */
void	conn_close(struct conn *c, enum metrics_close cause);

#endif
