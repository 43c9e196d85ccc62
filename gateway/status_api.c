#include "gateway/status_api.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/sealed.h"
#include "common/xmalloc.h"
#include "gateway/connection.h"
#include "gateway/reply.h"
#include "gateway/siblings.h"

#define STATUS_API_MAGIC 0x53544154u   /* "STAT" */

/* A request that waits; what was answered stands in it. */
struct ask {
	uint32_t	 magic;
	LIST_ENTRY(ask)	 link;
	struct conn	*conn;
	struct siblings	*question;    /* NULL: the gateways have said it */
	uint64_t	 ticket;      /* 0: the store has */
	bool		 states_wait; /* the supervisor has not */
	int64_t		 asked_ms;
	json_t		*gateways;    /* figures, by number */
	json_t		*silent;      /* numbers */
	struct buf	 states;      /* empty: it did not */
	int		 store_status;
	struct buf	 store;
};

struct status_api {
	bool		 asked;       /* the supervisor: one question at a
				       * time, which it answers even late */
	LIST_HEAD(ask_list, ask) asks;
};

/* --- this gateway --------------------------------------------------------- */

void
status_api_figures(struct buf *b, const struct gateway *g)
{
	const struct metrics *m = &g->metrics;
	struct ring_stats ring = ring_stats(g->ring);
	char tip[EVENT_ID_MAX], oldest[EVENT_ID_MAX];
	struct position first = { ring_tip(g->ring).epoch, g->beat.oldest };
	const char *why = "";
	bool ready = gateway_is_ready(g, &why);

	buf_addf(b, "{\"instance\":\"%s\",\"incarnation\":%" PRIu64
	    ",\"ready\":%s,\"why\":\"%s\",\"draining\":%s,\"tip\":\"%s\","
	    "\"oldest\":\"%s\",\"broker_silent_ms\":%" PRId64,
	    g->role->instance, g->role->incarnation, ready ? "true" : "false",
	    ready ? "" : why, g->draining ? "true" : "false",
	    position_format(ring_tip(g->ring), tip),
	    position_format(first, oldest),
	    subscriber_silence_ms(g->subscriber));
	buf_addf(b, ",\"connections\":{\"open\":%zu,\"max\":%u,\"streams\":%"
	    PRIu64 "},\"subscriptions\":%zu",
	    connections_count(g->connections), connections_max(g->connections),
	    m->streaming, hub_count(g->hub));
	buf_addf(b, ",\"ring\":{\"bytes\":%" PRIu64 ",\"size\":%" PRIu64
	    ",\"frames\":%" PRIu64 ",\"oldest\":%" PRIu64 "}", ring.bytes,
	    ring.size, ring.frames, ring_oldest(g->ring));
	buf_addf(b, ",\"events_in\":%" PRIu64 ",\"events_delivered\":%" PRIu64
	    ",\"bytes_sent\":%" PRIu64 ",\"published\":%" PRIu64 "}",
	    m->events_in, m->events_delivered, m->bytes_sent, m->published);
}

/* --- the answer ----------------------------------------------------------- */

static json_int_t
sum(const json_t *gateways, const char *outer, const char *name)
{
	json_int_t n = 0;
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)gateways, i, v) {
		const json_t *o = outer == NULL ? v :
		    json_object_get(v, outer);

		n += json_integer_value(json_object_get(o, name));
	}
	return n;
}

static json_t *
total(const json_t *gateways)
{
	return json_pack("{s:I, s:{s:I, s:I, s:I}, s:I, s:I, s:I}",
	    "gateways", (json_int_t)json_array_size(gateways),
	    "connections", "open", sum(gateways, "connections", "open"),
	    "max", sum(gateways, "connections", "max"),
	    "streams", sum(gateways, "connections", "streams"),
	    "events_delivered", sum(gateways, NULL, "events_delivered"),
	    "bytes_sent", sum(gateways, NULL, "bytes_sent"),
	    "published", sum(gateways, NULL, "published"));
}

/* Takes the reference. */
static void
add_json(struct buf *b, const char *name, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);

	buf_addf(b, ",\"%s\":%s", name, text);
	free(text);
	json_decref(v);
}

static void
write_answer(struct buf *b, const struct ask *a)
{
	const struct gateway *g = a->conn->gateway;
	uint32_t flags = g->beat.flags;

	buf_addf(b, "{\"version\":\"%s\",\"journal\":{\"memory\":%s,"
	    "\"recycling\":%s},\"gateway\":", SLUICE_VERSION,
	    (flags & HEARTBEAT_MEMORY) != 0 ? "true" : "false",
	    (flags & HEARTBEAT_RECYCLING) != 0 ? "true" : "false");
	status_api_figures(b, g);
	add_json(b, "total", total(a->gateways));
	add_json(b, "gateways", json_incref(a->gateways));
	add_json(b, "unanswered", json_incref(a->silent));
	buf_adds(b, ",\"processes\":");
	if (a->states.len > 0)
		buf_add(b, a->states.data, a->states.len);
	else
		buf_adds(b, "null");
	buf_adds(b, a->store_status == 0 ? ",\"store\":" :
	    ",\"store_error\":");
	if (a->store.len > 0)
		buf_add(b, a->store.data, a->store.len);
	else
		buf_adds(b, "null");
	buf_addc(b, '}');
}

/* Whoever was asked and has not answered is not listened to any more. */
static void
ask_free(struct ask *a)
{
	struct gateway *g = a->conn->gateway;

	if (a->question != NULL)
		siblings_cancel(a->question);
	if (a->ticket != 0)
		query_cancel(g->query, a->ticket);
	a->conn->exchange->waiting = NULL;
	a->conn->exchange->on_gone = NULL;
	a->conn->exchange->on_tick = NULL;
	LIST_REMOVE(a, link);
	json_decref(a->gateways);
	json_decref(a->silent);
	buf_free(&a->states);
	buf_free(&a->store);
	a->magic = 0;
	free(a);
}

static void
answer_if_all(struct ask *a)
{
	struct conn *c = a->conn;
	struct buf b = BUF_EMPTY;

	if (a->question != NULL || a->ticket != 0 || a->states_wait)
		return;
	write_answer(&b, a);
	ask_free(a);
	reply_json(c, 200, (struct slice){ (const char *)b.data, b.len });
	buf_free(&b);
}

/* --- the gateways --------------------------------------------------------- */

static bool
add_gateway(struct ask *a, const struct buf *text)
{
	json_t *o = json_loadb((const char *)text->data, text->len, 0, NULL);

	if (!json_is_string(json_object_get(o, "instance"))) {
		json_decref(o);
		return false;
	}
	(void)json_array_append_new(a->gateways, o);
	return true;
}

static bool
add_own(struct ask *a)
{
	struct buf b = BUF_EMPTY;
	bool added;

	status_api_figures(&b, a->conn->gateway);
	added = add_gateway(a, &b);
	buf_free(&b);
	return added;
}

/* One that has no desk now starts, or is kept down: it does not answer either;
 * its row in `processes` says which. */
static void
status_siblings_cb(const struct siblings_answer *answers, size_t n, void *arg)
{
	struct ask *a = arg;
	const struct role *role = a->conn->gateway->role;
	unsigned int own = (unsigned int)strtoul(role->instance, NULL, 10);
	unsigned int all = role->conf.gateway.processes;

	assert(a->magic == STATUS_API_MAGIC);
	a->question = NULL;
	for (unsigned int i = 0; i < CONF_GATEWAYS_MAX; i++) {
		const struct siblings_answer *said = NULL;
		bool told = i >= all;

		for (size_t k = 0; k < n; k++)
			if (answers[k].gateway == i)
				said = &answers[k];
		if (i == own)
			told = add_own(a);
		else if (said != NULL)
			told = !said->silent && add_gateway(a, &said->text);
		if (!told)
			(void)json_array_append_new(a->silent,
			    json_sprintf("%u", i));
	}
	answer_if_all(a);
}

/* --- the store ------------------------------------------------------------ */

static void
status_store_cb(int status, struct slice json, void *arg)
{
	struct ask *a = arg;

	assert(a->magic == STATUS_API_MAGIC);
	a->ticket = 0;
	a->store_status = status;
	buf_add(&a->store, json.p, json.n);
	answer_if_all(a);
}

/* --- the supervisor ------------------------------------------------------- */

static int
read_states(struct buf *b, int fd, struct err *err)
{
	struct stat st;
	size_t n;

	if (fstat(fd, &st) != 0)
		return err_set(err, "fstat failed");
	if (st.st_size <= 0 || st.st_size > (off_t)MSG_STATES_MAX)
		return err_set(err, "%lld bytes refused",
		    (long long)st.st_size);
	if (sealed_read(fd, buf_reserve(b, (size_t)st.st_size),
	    (size_t)st.st_size, &n, err) == -1)
		return -1;
	buf_grew(b, n);
	return 0;
}

void
status_api_states(struct status_api *s, int fd)
{
	struct buf states = BUF_EMPTY;
	struct err err = { 0 };
	struct ask *a, *next;

	s->asked = false;
	if (read_states(&states, fd, &err) == -1)
		log_warn("status: what the supervisor says of the processes "
		    "is left out: %s", err.text);
	for (a = LIST_FIRST(&s->asks); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (!a->states_wait)
			continue;
		a->states_wait = false;
		buf_add(&a->states, states.data, states.len);
		answer_if_all(a);
	}
	buf_free(&states);
}

static void
ask_supervisor(struct ask *a)
{
	struct gateway *g = a->conn->gateway;

	a->states_wait = true;
	conn_due(a->conn, a->asked_ms + STATUS_STATES_MS);
	if (g->status->asked)
		return;
	g->status->asked = true;
	role_send(g->role, MSG_STATES_ASK, NULL, 0, -1);
}

/* --- a request ------------------------------------------------------------ */

static void
status_tick(struct conn *c)
{
	struct ask *a = c->exchange->waiting;

	assert(a->magic == STATUS_API_MAGIC);
	if (!a->states_wait)
		return;
	if (gateway_now_ms() - a->asked_ms < STATUS_STATES_MS) {
		conn_due(c, a->asked_ms + STATUS_STATES_MS);
		return;
	}
	a->states_wait = false;
	answer_if_all(a);
}

static void
client_gone(struct conn *c)
{
	struct ask *a = c->exchange->waiting;

	assert(a->magic == STATUS_API_MAGIC);
	ask_free(a);
}

void
status_api_get(struct conn *c, const struct http_request *r UNUSED)
{
	struct gateway *g = c->gateway;
	struct ask *a = xcalloc(1, sizeof(*a));

	a->magic = STATUS_API_MAGIC;
	a->conn = c;
	a->asked_ms = gateway_now_ms();
	a->question = siblings_ask(g, slice_str("{\"op\":\"figures\"}"),
	    status_siblings_cb, a);
	if (a->question == NULL) {
		free(a);
		reply_unavailable(c, "gateway_unavailable", "too many ask the "
		    "other gateways");
		return;
	}
	a->gateways = json_array();
	a->silent = json_array();
	LIST_INSERT_HEAD(&g->status->asks, a, link);
	a->ticket = query_json(g->query, slice_str("{\"op\":\"status\"}"),
	    STATUS_STORE_MS, status_store_cb, a);
	if (a->ticket == 0) {
		a->store_status = 503;
		buf_adds(&a->store, "{\"error\":\"too many questions wait "
		    "for the store\",\"code\":\"store_busy\"}");
	}
	c->exchange->waiting = a;
	c->exchange->on_gone = client_gone;
	c->exchange->on_tick = status_tick;
	conn_set_state(c, CONN_WAITING);
	ask_supervisor(a);
}

/* --- life ----------------------------------------------------------------- */

struct status_api *
status_api_new(void)
{
	struct status_api *s = xcalloc(1, sizeof(*s));

	LIST_INIT(&s->asks);
	return s;
}

void
status_api_free(struct status_api *s)
{
	assert(s == NULL || LIST_EMPTY(&s->asks));
	free(s);
}
