#include "gateway/drain.h"

#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/connection.h"

#define DRAIN_MAGIC   0x59524452u   /* "DRRY" */
#define DRAIN_TICK_MS 100
#define STOP_TICK_MS  50
#define FRESH_MS      250   /* what was just accepted may ask in this time */

struct drain {
	uint32_t	 magic;
	struct gateway	*gateway;
	struct event	*tick;
	int64_t		 until_ms;   /* DRAIN: the last is told; STOP: goes */
};

static void drain_tick_cb(evutil_socket_t fd, short what, void *arg);

struct drain *
drain_new(struct gateway *g)
{
	struct drain *d = xcalloc(1, sizeof(*d));

	d->magic = DRAIN_MAGIC;
	d->gateway = g;
	d->tick = event_new(g->role->base, -1, EV_PERSIST, drain_tick_cb, d);
	if (d->tick == NULL)
		fatalx("event_new failed");
	return d;
}

void
drain_free(struct drain *d)
{
	if (d == NULL)
		return;
	assert(d->magic == DRAIN_MAGIC);
	event_free(d->tick);
	d->magic = 0;
	free(d);
}

void
drain_report(const struct drain *d)
{
	struct gateway *g = d->gateway;

	if (g->metrics.streaming > 0 || g->stopping)
		role_status(g->role, "draining", "%" PRIu64 " streams",
		    g->metrics.streaming);
	else
		role_status(g->role, "drained", "no streams; sluicectl start "
		    "%s: serves again", g->role->title);
}

bool
drain_refuses(const struct drain *d)
{
	const struct gateway *g = d->gateway;

	return g->stopping ||
	    (g->draining && connections_listening(g->connections));
}

static void
begin(struct drain *d, int64_t within_ms, int64_t tick_ms)
{
	const struct timeval every = mono_timeval_ms(tick_ms);
	struct gateway *g = d->gateway;

	g->draining = true;
	d->until_ms = gateway_now_ms() + within_ms;
	log_info("draining: %" PRIu64 " streams are told",
	    g->metrics.streaming);
	drain_report(d);
	(void)event_add(d->tick, &every);
}

/* --- DRAIN ---------------------------------------------------------------- */

/* Of the streams that are left one in as many as there are ticks left, and all
 * at the last: about equally many each time, whoever is where in the table. */
static void
let_go(struct conn *c, void *arg)
{
	const uint32_t *ticks_left = arg;

	if (c->state == CONN_STREAM && gateway_random() % *ticks_left == 0)
		stream_close(c, SSE_SHUTDOWN);
}

void
drain_begin(struct drain *d)
{
	if (!d->gateway->draining)
		begin(d, DRAIN_SPREAD_MS, DRAIN_TICK_MS);
}

/* --- STOP ----------------------------------------------------------------- */

/* Nothing of a request is there, and none is on its way. */
static bool
is_idle(const struct conn *c, int64_t now)
{
	return c->exchange->in.len == 0 && c->exchange->request == NULL &&
	    (c->bytes > 0 || now - c->exchange->started_ms >= FRESH_MS);
}

/* Every stream is told; requests under way get their answer. */
static void
end_one(struct conn *c, void *arg)
{
	const int64_t *now = arg;

	if (c->state == CONN_STREAM)
		stream_close(c, SSE_SHUTDOWN);
	else if (c->state == CONN_READING && is_idle(c, *now))
		conn_finish(c, CLOSE_ENDED);
	else if (c->state == CONN_WAITING && c->stream.sub != NULL)
		stream_leave_unopened(c);
}

static void
leave_when_told(struct drain *d)
{
	struct gateway *g = d->gateway;
	int64_t now = gateway_now_ms();

	connections_each(g->connections, end_one, &now);
	if (connections_drained(g->connections) || now >= d->until_ms)
		role_exit(g->role);
}

void
drain_stop(struct drain *d)
{
	struct gateway *g = d->gateway;

	g->stopping = true;
	for (uint32_t i = 0; i < CONN_LISTENERS_MAX; i++)
		connections_unlisten(g->connections, i);
	begin(d, DRAIN_STOP_MS, STOP_TICK_MS);
	leave_when_told(d);
}

static void
drain_tick_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct drain *d = arg;
	int64_t left_ms = d->until_ms - gateway_now_ms();
	uint32_t ticks = left_ms > 0 ?
	    (uint32_t)(left_ms / DRAIN_TICK_MS) + 1 : 1;

	assert(d->magic == DRAIN_MAGIC);
	if (d->gateway->stopping)
		leave_when_told(d);
	else
		connections_each(d->gateway->connections, let_go, &ticks);
}
