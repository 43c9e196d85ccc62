#include "gateway/stream_end.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/audience.h"
#include "gateway/flush.h"
#include "gateway/open_logs.h"
#include "gateway/sse_frame.h"
#include "gateway/snapshot.h"
#include "gateway/stream_kind.h"
#include "gateway/stream_private.h"

bool
stream_end_log_open(const struct gateway *g, struct slice tenant,
    const struct slice *selectors, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (open_logs_has(g->open_logs, tenant, selectors[i]))
			return true;
	return false;
}

static void
tell(struct conn *c, struct slice key, uint8_t state, struct position last)
{
	struct sse_control ctl = { .kind = SSE_END, .tip = last,
	    .state = state };

	stream_control(c, &ctl, key);
}

void
stream_ended(struct conn *c, struct slice key, uint8_t state,
    struct position last)
{
	const struct hub_subscription *sub = c->stream.sub;

	tell(c, key, state, last);
	if (sub->n_selectors == 1 && slice_eq(sub->selectors[0], key))
		c->stream.over = true;
	else
		stream_end_ask(c);
}

void
stream_end_finish(struct conn *c)
{
	c->stream.phase = STREAM_ENDING;
	sse_last_chunk(&c->out);
	conn_finish(c, CLOSE_ENDED);
}

/* --- all of them? --------------------------------------------------------- */

static void
ended_cb(const struct query_last *last, const struct err *err UNUSED,
    void *arg)
{
	struct conn *c = arg;
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

	assert(c->magic == CONN_MAGIC && c->state == CONN_STREAM);
	s->lookback = 0;
	/* Without an answer it stays open, and ends by its idle time-out. */
	if (last == NULL || last->as_of.epoch != s->cursor.epoch ||
	    last->ended == 0 || last->ended > s->cursor.number ||
	    (s->phase != STREAM_LIVE && s->phase != STREAM_BLIND) ||
	    s->snapshot != NULL || stream_end_log_open(c->gateway,
	    sub->tenant, sub->selectors, sub->n_selectors))
		return;
	/* Of several, each was told when its last event was given. */
	if (sub->n_selectors == 1 && !s->over)
		tell(c, sub->selectors[0], last->state,
		    (struct position){ last->as_of.epoch, last->last });
	s->over = true;
	(void)stream_flush(c);
}

void
stream_end_ask(struct conn *c)
{
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

	if (s->over ||
	    !stream_kind_all_end(sub->selectors, sub->n_selectors))
		return;
	stream_lookback_cancel(c);
	s->lookback = query_last(c->gateway->broker, sub->tenant,
	    sub->selectors, sub->n_selectors, STREAM_END_ASK_MS, ended_cb, c);
}

/* --- log_grace ------------------------------------------------------------ */

void
stream_end_note(struct gateway *g, const struct item *item)
{
	int64_t grace = conf_stream(&g->role->conf,
	    stream_kind_of(item->key))->log_grace_ms;

	open_logs_remove(g->open_logs, item->tenant, item->key);
	if ((item->flags & ITEM_TERMINAL) == 0 ||
	    (item->state & STREAM_KIND_LOGS_OPEN) == 0)
		return;
	if (grace > 0)
		open_logs_add(g->open_logs, item->tenant, item->key,
		    item->state, item->position, gateway_now_ms() + grace);
	else
		(void)ring_end_stream(g->ring, item->tenant, item->key);
}

struct closing {
	struct gateway	*gateway;
	struct slice	 key;
	uint8_t		 state;
	struct position	 last;
};

static void
tell_one(struct conn *c, void *arg)
{
	const struct closing *x = arg;
	struct stream *s = &c->stream;

	if (c->state != CONN_STREAM || s->over ||
	    (s->phase != STREAM_LIVE && s->phase != STREAM_BLIND))
		return;   /* replay asks when it is done, a snapshot says it */
	if (s->snapshot != NULL)
		s->ask_end = true;
	else if (s->cursor.number >= x->last.number)
		stream_ended(c, x->key, x->state, x->last);
	/* Else it comes to that event yet, and to its end. */
}

/* No client ends here: topics are being walked through. */
static void
tell_subscription(struct hub_subscription *sub, void *arg)
{
	const struct closing *x = arg;

	snapshot_renew(sub);
	audience_each(x->gateway, sub, tell_one, arg);
	hub_mark_dirty(x->gateway->hub, sub);
}

bool
stream_end_look(struct gateway *g)
{
	struct open_log log;
	uint32_t n;

	for (n = 0; n < STREAM_END_LOOK_MAX; n++) {
		if (!open_logs_take(g->open_logs, gateway_now_ms(), &log))
			return true;
		struct slice tenant = slice_str(log.tenant);
		struct closing x = { g, slice_str(log.key), log.state,
		    log.position };
		uint64_t end = ring_end_stream(g->ring, tenant, x.key);

		if (end > x.last.number)
			x.last.number = end;
		hub_each_of(g->hub, tenant, x.key, tell_subscription, &x);
		flush_go_on(g->flush);
		free(log.tenant);
		free(log.key);
	}
	return false;
}
