#include "tests/kubesim/sim_http.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_conn.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_h2.h"
#include "tests/kubesim/sim_log.h"

#define HTTP_MAGIC    0x51477055u
#define CONNS_MAX     20000u
#define BACKLOG       1024
#define WRITE_AT_ONCE (256 * 1024)

struct sim_http {
	unsigned		 magic;
	struct sim		*sim;
	SSL_CTX			*tls;
	struct evconnlistener	*listener;
	struct evconnlistener	*replica;        /* a second API server's */
	struct event		*reaper;
	TAILQ_HEAD(sim_conns, sim_conn) conns;
	TAILQ_HEAD(sim_dead, sim_conn) dead;
	size_t			 n;
	uint64_t		 next_id;
};

/* ---- requests ---- */

bool
sim_http_number(const char *text, uint64_t *ret)
{
	uint64_t n = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || CKD_MUL(&n, n, 10u) ||
		    CKD_ADD(&n, n, (uint64_t)(*text - '0')))
			return false;
	}
	*ret = n;
	return true;
}

/* Reads a head if one is there; true: go on with the body. */
static bool
read_head(struct sim_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	struct sim_framing framing;
	char *head;
	size_t n;
	int bad;

	if (end.pos < 0) {
		if (evbuffer_get_length(in) > SIM_HEAD_MAX)
			sim_conn_reset(c);
		return false;
	}
	n = (size_t)end.pos;
	head = xmalloc(n + 1);
	(void)evbuffer_remove(in, head, n);
	head[n] = '\0';
	(void)evbuffer_drain(in, 4);
	bad = sim_request_parse(&c->req, head, &framing);
	free(head);
	c->state = SIM_CONN_BODY;
	c->keep_alive = !framing.close;
	if (bad != 0 || framing.chunked || framing.length < 0) {
		c->keep_alive = false;
		c->state = SIM_CONN_BUSY;
		sim_conn_status(c, framing.chunked ? 411 : bad ? 400 : 413,
		    "BadRequest", -1, "the simulator takes requests of at "
		    "most %u bytes with a Content-Length", SIM_BODY_MAX);
		return false;
	}
	c->req.body_len = (size_t)framing.length;
	return true;
}

static bool
read_body(struct sim_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	if (evbuffer_get_length(in) < c->req.body_len)
		return false;
	c->req.body = xmalloc(c->req.body_len + 1);
	(void)evbuffer_remove(in, c->req.body, c->req.body_len);
	c->req.body[c->req.body_len] = '\0';
	return true;
}

static bool
chose_h2(const struct sim_conn *c)
{
	const unsigned char *name = NULL;
	unsigned len = 0;

	if (c->ssl != NULL)
		SSL_get0_alpn_selected(c->ssl, &name, &len);
	return len == 2 && memcmp(name, "h2", 2) == 0;
}

/* Before its first request: to the cluster whose name was asked for, if the
 * clusters share their ports. */
static void
find_cluster(struct sim_conn *c)
{
	const char *name = SSL_get_servername(c->ssl,
	    TLSEXT_NAMETYPE_host_name);
	struct sim *to = NULL;

	for (unsigned i = 0; name != NULL && i < c->sim->n_all; i++)
		if (strcmp(c->sim->all[i].host, name) == 0)
			to = &c->sim->all[i];
	if (to == NULL || to == c->sim)
		return;
	TAILQ_REMOVE(&c->http->conns, c, entry);
	c->http->n--;
	c->sim = to;
	c->http = to->http;
	c->id = ++c->http->next_id;
	TAILQ_INSERT_TAIL(&c->http->conns, c, entry);
	c->http->n++;
}

static void
conn_read_cb(UNUSED struct bufferevent *bev, void *arg)
{
	struct sim_conn *c = arg;

	sim_conn_check(c);
	if (!c->placed && c->ssl != NULL && c->sim->all != NULL)
		find_cluster(c);
	c->placed = true;
	if (c->h2 == NULL && chose_h2(c))
		c->h2 = sim_h2_new(c);
	if (c->h2 != NULL) {
		if (c->state != SIM_CONN_DEAD && sim_h2_input(c->h2) != 0)
			sim_conn_close(c);
		return;
	}
	while (c->state == SIM_CONN_IDLE || c->state == SIM_CONN_BODY) {
		if (c->closing)
			return;
		if (c->state == SIM_CONN_IDLE && !read_head(c))
			return;
		if (c->state != SIM_CONN_BODY)
			continue;
		if (!read_body(c))
			return;
		c->state = SIM_CONN_BUSY;
		sim_api_handle(c);
	}
}

/* ---- a connection's life ---- */

void
sim_conn_end(struct sim_conn *c)
{
	struct sim_http *h = c->http;
	sim_conn_cb *gone = c->gone_cb;

	if (c->state == SIM_CONN_DEAD)
		return;
	c->state = SIM_CONN_DEAD;
	c->gone_cb = NULL;
	c->room_cb = NULL;
	c->wire->gone(c);
	sim_conn_drop_producer(c);
	sim_log_ended(h->sim->log, c->req.log_id);
	(void)evtimer_del(c->timer);
	TAILQ_REMOVE(&h->conns, c, entry);
	TAILQ_INSERT_TAIL(&h->dead, c, entry);
	h->n -= c->bev != NULL;
	event_active(h->reaper, EV_TIMEOUT, 0);
	if (gone != NULL)
		gone(c, c->gone_ctx);
	sim_h2_free(c->h2);
	c->h2 = NULL;
}

static void
conn_free(struct sim_conn *c)
{
	sim_conn_check(c);
	sim_request_clear(&c->req);
	sim_text_unref(c->held);
	free(c->h2_method);
	free(c->h2_path);
	event_free(c->timer);
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	c->magic = 0;
	free(c);
}

static void
http_reap_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct sim_http *h = arg;
	struct sim_conn *c;

	assert(h->magic == HTTP_MAGIC);
	while ((c = TAILQ_FIRST(&h->dead)) != NULL) {
		TAILQ_REMOVE(&h->dead, c, entry);
		conn_free(c);
	}
}

void
sim_conn_drained(struct sim_conn *c)
{
	if (!c->closing || c->state == SIM_CONN_DEAD)
		return;
	if (c->ssl != NULL)
		(void)SSL_shutdown(c->ssl);
	sim_conn_end(c);
}

static void
conn_write_cb(UNUSED struct bufferevent *bev, void *arg)
{
	struct sim_conn *c = arg;

	sim_conn_check(c);
	if (c->h2 != NULL)
		sim_h2_flush(c->h2);
	else
		sim_conn_pump(c);
	if (sim_conn_backlog(c) == 0)
		sim_conn_drained(c);
}

static void
conn_event_cb(UNUSED struct bufferevent *bev, short what, void *arg)
{
	struct sim_conn *c = arg;

	sim_conn_check(c);
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		sim_conn_end(c);
}

/* ---- the listener ---- */

static struct bufferevent *
make_bufferevent(struct sim_http *h, evutil_socket_t fd, SSL **ret_ssl)
{
	int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	struct bufferevent *bev;
	SSL *ssl = NULL;

	if (h->tls == NULL) {
		bev = bufferevent_socket_new(h->sim->base, fd, options);
	} else {
		ssl = SSL_new(h->tls);
		/* No version is left to agree on: the handshake ends by an
		 * alert. */
		if (sim_faults_tls_alert(h->sim->faults))
			(void)SSL_set_max_proto_version(ssl, TLS1_VERSION);
		bev = bufferevent_openssl_socket_new(h->sim->base, fd, ssl,
		    BUFFEREVENT_SSL_ACCEPTING, options);
		if (bev != NULL)
			bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	}
	*ret_ssl = ssl;
	return bev;
}

static struct sim_conn *
conn_new(struct sim_http *h, uint64_t id, bool replica)
{
	struct sim_conn *c = xcalloc(1, sizeof(*c));

	c->magic = SIM_CONN_MAGIC;
	c->http = h;
	c->sim = h->sim;
	c->id = id;
	c->replica = replica;
	c->cut_at = -1;
	c->timer = evtimer_new(h->sim->base, sim_conn_timer_cb, c);
	if (c->timer == NULL)
		abort();
	TAILQ_INSERT_TAIL(&h->conns, c, entry);
	return c;
}

struct sim_conn *
sim_conn_new_stream(struct sim_conn *carrier, const struct sim_wire *wire,
    struct stream *stream)
{
	struct sim_conn *c = conn_new(carrier->http, carrier->id,
	    carrier->replica);

	c->wire = wire;
	c->stream = stream;
	c->ssl = carrier->ssl;
	c->keep_alive = true;
	return c;
}

static void
http_accept_cb(struct evconnlistener *l, evutil_socket_t fd,
    UNUSED struct sockaddr *addr, UNUSED int len, void *arg)
{
	struct sim_http *h = arg;
	struct sim_conn *c;
	int on = 1;

	assert(h->magic == HTTP_MAGIC);
	if (h->n >= CONNS_MAX) {
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = conn_new(h, ++h->next_id, l == h->replica);
	c->wire = &sim_wire_h1;
	c->bev = make_bufferevent(h, fd, &c->ssl);
	if (c->bev == NULL)
		abort();
	h->n++;
	(void)bufferevent_set_max_single_write(c->bev, WRITE_AT_ONCE);
	bufferevent_setwatermark(c->bev, EV_WRITE, SIM_ROOM_BELOW, 0);
	bufferevent_setcb(c->bev, conn_read_cb, conn_write_cb, conn_event_cb,
	    c);
	(void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static int
listen_on(struct sim_http *h, uint16_t port, struct evconnlistener **ret,
    uint16_t *ret_port, struct err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	*ret = evconnlistener_new_bind(h->sim->base, http_accept_cb, h,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
	    BACKLOG, (struct sockaddr *)&sin, sizeof(sin));
	if (*ret == NULL)
		return err_errno(err, errno, "127.0.0.1:%u: cannot listen; "
		    "--port 0 picks a free port", port);
	if (getsockname(evconnlistener_get_fd(*ret),
	    (struct sockaddr *)&sin, &len) != 0)
		return err_errno(err, errno, "getsockname");
	*ret_port = ntohs(sin.sin_port);
	return 0;
}

int
sim_http_new(struct sim *sim, SSL_CTX *tls, struct sim_http **ret,
    uint16_t *ret_port, uint16_t *ret_replica, struct err *err)
{
	struct sim_http *h = xcalloc(1, sizeof(*h));

	h->magic = HTTP_MAGIC;
	h->sim = sim;
	h->tls = tls;
	TAILQ_INIT(&h->conns);
	TAILQ_INIT(&h->dead);
	h->reaper = evtimer_new(sim->base, http_reap_cb, h);
	if (h->reaper == NULL ||
	    listen_on(h, sim->opt.port, &h->listener, ret_port, err) != 0 ||
	    listen_on(h, sim->opt.replica_port, &h->replica, ret_replica,
	    err) != 0) {
		sim_http_free(h);
		return -1;
	}
	*ret = h;
	return 0;
}

void
sim_http_free(struct sim_http *h)
{
	struct sim_conn *c;

	if (h == NULL)
		return;
	if (h->listener != NULL)
		evconnlistener_free(h->listener);
	if (h->replica != NULL)
		evconnlistener_free(h->replica);
	while ((c = TAILQ_FIRST(&h->conns)) != NULL)
		sim_conn_end(c);
	http_reap_cb(-1, 0, h);
	if (h->reaper != NULL)
		event_free(h->reaper);
	h->magic = 0;
	free(h);
}

/* A request to /_sim/ is being answered on it, or on a stream of it. */
static bool
controls(const struct sim_http *h, const struct sim_conn *c)
{
	const struct sim_conn *x;

	for (x = TAILQ_FIRST(&h->conns); x != NULL; x = TAILQ_NEXT(x, entry))
		if (x->id == c->id && x->state == SIM_CONN_BUSY &&
		    x->req.log_id == 0)
			return true;
	return false;
}

void
sim_http_drop_all(struct sim_http *h)
{
	struct sim_conn *c = TAILQ_FIRST(&h->conns);

	while (c != NULL) {
		if (c->bev == NULL || controls(h, c)) {
			c = TAILQ_NEXT(c, entry);
			continue;
		}
		/* Its streams leave the list with it: begin anew. */
		sim_conn_reset(c);
		c = TAILQ_FIRST(&h->conns);
	}
}

size_t
sim_http_connections(const struct sim_http *h)
{
	return h->n;
}
