/*
 * sim_http: the server side of connections, plain or TLS, and of exchanges on
 * them, by HTTP/1.1 or HTTP/2: requests in, whole answers or streams out.
 *
 * A request (sim_request.h) lives until its answer is complete. A connection
 * that ends is freed at the next turn of the loop, never inside a call, so that
 * a caller may go on using it; sim_conn_dead() says so. Faults of a request
 * (sim_faults.h) are carried out here, where the bytes go out.
 */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include <event2/buffer.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "tests/kubesim/sim.h"
#include "tests/kubesim/sim_request.h"

#define SIM_HEAD_MAX    (32u * 1024)
#define SIM_CHUNK_SIZE  (64u * 1024)
#define SIM_ROOM_BELOW  (128u * 1024)    /* owed bytes: more can be made */

/* What happens to the bytes of an answer. */
enum sim_action {
	SIM_ACT_NONE,
	SIM_ACT_RESET,           /* RST instead of an answer */
	SIM_ACT_CLOSE,           /* FIN instead of an answer */
	SIM_ACT_HANG,            /* no answer, connection stays */
	SIM_ACT_TRUNCATE,        /* half of it (stream: event), or `at`; FIN */
	SIM_ACT_GARBAGE,         /* HTML instead; stream: a line not JSON */
	SIM_ACT_HALFLINE,        /* as truncate, kept apart for readers */
	SIM_ACT_CUTGZIP,         /* half a gzip body, or `at`, framed well */
	SIM_ACT_FREEZE,          /* from the next event on: silence both ways */
	SIM_ACT_DUPLICATE,       /* the next event comes twice */
	SIM_ACT_REORDER,         /* the next two events change places */
	SIM_ACT_MERGE,           /* events come in twos, in one chunk */
	SIM_ACT_SPLIT,           /* every event in chunks of a few bytes */
	SIM_ACT_TRICKLE,         /* one byte a second from the next event on */
	SIM_ACT_DROP,            /* the next event never comes */
	SIM_ACT_STRANGE,         /* an ERROR whose object is no Status */
	SIM_ACT_MAX
};

struct sim_conn;
typedef void sim_conn_cb(struct sim_conn *c, void *ctx);

/* tls may be NULL; *ret_port and *ret_replica are the ports really used.
 * Loopback only. */
int	sim_http_new(struct sim *sim, SSL_CTX *tls, struct sim_http **ret,
	    uint16_t *ret_port, uint16_t *ret_replica, struct err *err)
	    MUST_CHECK;
void	sim_http_free(struct sim_http *h);
/* Ends every connection at once, as a server that crashed; but those on which
 * a request to /_sim/ is being answered. */
void	sim_http_drop_all(struct sim_http *h);
size_t	sim_http_connections(const struct sim_http *h);

struct sim *sim_conn_sim(const struct sim_conn *c);
struct sim_request *sim_conn_request(struct sim_conn *c);
uint64_t sim_conn_id(const struct sim_conn *c);
bool	sim_conn_http2(const struct sim_conn *c);
/* The client has shown a certificate of our CA. */
bool	sim_conn_certified(const struct sim_conn *c);
/* It came by the replica's port. */
bool	sim_conn_replica(const struct sim_conn *c);
bool	sim_conn_dead(const struct sim_conn *c);
/* NULL when the parameter is absent. */
const char *sim_conn_param(struct sim_conn *c, const char *name);

/* One whole answer. `extra`: more header lines, each ending in CRLF, or NULL.
 * A body above 128 KiB goes chunked, as the API server's lists do. */
void	sim_conn_reply(struct sim_conn *c, int status, const char *type,
	    const void *body, size_t len, const char *extra);
/* The same with a body that is moved out of `body`. */
void	sim_conn_reply_buffer(struct sim_conn *c, int status,
	    const char *type, struct evbuffer *body, const char *extra);
/* The same body with a type of its own; stolen as below. */
void	sim_conn_reply_typed(struct sim_conn *c, int status, const char *type,
	    json_t *stolen);
void	sim_conn_reply_json(struct sim_conn *c, int status, json_t *stolen);
/* Digits only, to the end of the text; false if not, or too large. */
bool	sim_http_number(const char *text, uint64_t *ret);
/* A Kubernetes Status. retry_after < 0: none. */
void	sim_conn_status(struct sim_conn *c, int code, const char *reason,
	    int retry_after, const char *fmt, ...) PRINTF(5, 6);

/* A whole answer that is made while it is sent: `begin` is moved, then more()
 * appends to it, true while there is more; done() frees its ctx, also when the
 * connection ends before. */
typedef bool sim_more_cb(struct evbuffer *body, void *ctx);
void	sim_conn_produce(struct sim_conn *c, struct evbuffer *begin,
	    sim_more_cb *more, void (*done)(void *ctx), void *ctx);

/* A stream: the head leaves at once, before the first event. */
void	sim_conn_stream(struct sim_conn *c, const char *extra);
void	sim_conn_stream_text(struct sim_conn *c, struct sim_text *t);
void	sim_conn_stream_end(struct sim_conn *c);
/* A line of JSON, ready for all wires. */
struct sim_text *sim_http_line(const void *data, size_t len);

/* This answer is the connection's last one, and says so. */
void	sim_conn_close_after(struct sim_conn *c);
size_t	sim_conn_backlog(const struct sim_conn *c);
void	sim_conn_close(struct sim_conn *c);     /* after what is pending */
void	sim_conn_reset(struct sim_conn *c);     /* RST, now */
/* cut_at: bytes of the body that leave before a cut; < 0: half of them. */
void	sim_conn_fault(struct sim_conn *c, enum sim_action action,
	    int64_t cut_at);
/* Calls cb after ms, unless the connection ends before. One at a time. */
void	sim_conn_defer(struct sim_conn *c, int64_t ms, sim_conn_cb *cb,
	    void *ctx);
/* Calls cb when there is room for more bytes of a stream. NULL: no longer. */
void	sim_conn_on_room(struct sim_conn *c, sim_conn_cb *cb, void *ctx);
/* gone() is called once when the connection ends. NULL: no longer. */
void	sim_conn_own(struct sim_conn *c, sim_conn_cb *gone, void *ctx);

#endif
