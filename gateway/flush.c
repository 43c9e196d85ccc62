#include "gateway/flush.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/gateway.h"
#include "gateway/stream.h"

#define FLUSH_MAGIC 0x464c5553u   /* "FLUS" */

struct flush {
	uint32_t	 magic;
	struct gateway	*gateway;
	struct event	*event;
	struct mono	 ended;      /* the latest */
	int64_t		 took_ns;
	struct mono	 held;       /* since then, by choice; 0: not held */
};

/* One look at the clock for a whole flush; what was read at the start is old
 * and nobody's. */
static void
note_lag(struct gateway *g)
{
	if (g->unflushed_ms != 0 && g->beats > 0)
		histogram_observe(&g->metrics.lag,
		    wall_unix_ms() - g->unflushed_ms);
	g->unflushed_ms = 0;
}

static void
note_held(struct flush *f, struct mono now)
{
	struct metrics *m = &f->gateway->metrics;

	if (f->held.ns != 0)
		m->flush_held_max_ns = MAX(m->flush_held_max_ns,
		    now.ns - f->held.ns);
	f->held.ns = 0;
}

static void
flush_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct flush *f = arg;
	struct hub *hub = f->gateway->hub;
	struct hub_subscription *s;
	struct mono began = mono_now();
	size_t n = hub_dirty(hub);

	assert(f->magic == FLUSH_MAGIC);
	note_held(f, began);
	/* Each at most once a turn: what gets dirty again waits. */
	while (n-- > 0 && (s = hub_next_dirty(hub)) != NULL) {
		gateway_hold_clock(true);
		stream_flush_subscription(f->gateway, s);
	}
	gateway_hold_clock(false);
	note_lag(f->gateway);
	f->ended = mono_now();
	f->took_ns = f->ended.ns - began.ns;
}

struct flush *
flush_new(struct gateway *g)
{
	struct flush *f = xcalloc(1, sizeof(*f));

	f->magic = FLUSH_MAGIC;
	f->gateway = g;
	f->event = evtimer_new(g->role->base, flush_cb, f);
	if (f->event == NULL)
		fatalx("event_new failed");
	return f;
}

void
flush_free(struct flush *f)
{
	if (f == NULL)
		return;
	event_free(f->event);
	f->magic = 0;
	free(f);
}

void
flush_go_on(struct flush *f)
{
	const struct timeval now = { 0, 0 };

	if (!evtimer_pending(f->event, NULL))
		(void)evtimer_add(f->event, &now);
}

void
flush_after_input(struct flush *f)
{
	struct mono now;

	if (evtimer_pending(f->event, NULL))
		return;
	now = mono_now();
	if (f->took_ns < FLUSH_LONG_MS * 1000000LL ||
	    now.ns - f->ended.ns >= f->took_ns) {
		event_active(f->event, EV_TIMEOUT, 0);
		return;
	}
	f->held = now;
	flush_go_on(f);
}
