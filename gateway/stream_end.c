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

static_assert(HUB_SELECTORS_MAX <= 64, "stream.owed has a bit for each");

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
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

	if (s->passed != NULL)
		open_logs_remove(s->passed, sub->tenant, key);
	for (size_t i = 0; s->owed != 0 && i < sub->n_selectors; i++)
		if (slice_eq(sub->selectors[i], key))
			s->owed &= ~(UINT64_C(1) << i);
	tell(c, key, state, last);
	if (sub->n_selectors == 1 && slice_eq(sub->selectors[0], key))
		s->over = true;
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

/* The client was given all that this gateway has for it. */
static bool
has_all(const struct conn *c)
{
	const struct stream *s = &c->stream;

	return (s->phase == STREAM_LIVE || s->phase == STREAM_BLIND) &&
	    s->snapshot == NULL &&
	    hub_next(c->gateway->hub, s->sub, s->cursor.number) == 0 &&
	    s->cursor.number >= s->sub->lost_through;
}

/* So does the broker, which may be ahead of this gateway. */
static bool
knows_all(const struct conn *c, const struct query_last *last)
{
	struct position tip = ring_tip(c->gateway->ring);

	return last->as_of.epoch == tip.epoch && last->last <= tip.number &&
	    has_all(c);
}

/* --- ends that the client passed ------------------------------------------ */

/* To be told when the client has all: it has passed that end, or an event
 * before it is still to be sent. Again, with what is newer of it. */
static void
tell_later(struct conn *c, struct slice key, uint8_t state,
    struct position last)
{
	struct stream *s = &c->stream;
	struct open_log first;

	if (s->passed == NULL)
		s->passed = open_logs_new();
	/* In the order of their ends. */
	open_logs_add(s->passed, s->sub->tenant, key, state, last,
	    (int64_t)last.number);
	if (open_logs_count(s->passed) > STREAM_END_PASSED_MAX &&
	    open_logs_take(s->passed, INT64_MAX, &first)) {
		free(first.tenant);
		free(first.key);
	}
}

void
stream_end_replayed(struct conn *c, const struct item *item)
{
	struct stream *s = &c->stream;
	const struct open_log *log;

	if ((s->passed == NULL &&
	    (item->flags & (RING_ENDING | ITEM_LIFECYCLE)) == 0) ||
	    !hub_wants_stream(s->sub, item->tenant, item->key))
		return;
	if ((item->flags & ITEM_TERMINAL) != 0) {
		if ((item->state & LIFECYCLE_LOGS_OPEN) == 0 ||
		    (item->flags & ITEM_LAST) != 0)
			stream_ended(c, item->key, item->state,
			    item->position);
		else
			tell_later(c, item->key, item->state, item->position);
		return;
	}
	log = s->passed == NULL ? NULL :
	    open_logs_get(s->passed, item->tenant, item->key);
	if (log == NULL)
		return;
	if ((item->flags & ITEM_LIFECYCLE) != 0)
		open_logs_remove(s->passed, item->tenant, item->key);
	else if ((item->flags & ITEM_LAST) != 0)
		stream_ended(c, item->key, log->state, item->position);
	else
		tell_later(c, item->key, log->state, item->position);
}

void
stream_end_forget(struct conn *c)
{
	struct stream *s = &c->stream;

	stream_lookback_cancel(c);
	open_logs_free(s->passed);
	s->passed = NULL;
	s->owed = 0;
	s->ask_end = false;
}

/* One whose log is still open is told by the ring, or by log_grace. */
static void
tell_passed(struct conn *c, const struct open_log *log)
{
	const struct gateway *g = c->gateway;
	struct slice tenant = slice_str(log->tenant);
	struct slice key = slice_str(log->key);
	struct position last = log->position;
	uint64_t newest = ring_stream_last(g->ring, tenant, key);
	struct ring_frame f;

	if (c->stream.over || open_logs_has(g->open_logs, tenant, key))
		return;
	/* Against the contract it has begun again since. */
	if (newest > last.number && ring_get(g->ring, newest, &f) &&
	    f.state == 0)
		return;
	last.number = MAX(last.number, newest);
	stream_ended(c, key, log->state, last);
}

bool
stream_end_settle(struct conn *c)
{
	struct stream *s = &c->stream;
	struct open_logs *passed = s->passed;
	struct open_log log;

	if ((passed == NULL && !s->ask_end) || !has_all(c))
		return false;
	s->passed = NULL;
	while (passed != NULL && open_logs_take(passed, INT64_MAX, &log)) {
		tell_passed(c, &log);
		free(log.tenant);
		free(log.key);
	}
	open_logs_free(passed);
	if (s->ask_end)
		stream_end_ask(c);
	return s->over || c->out.len > c->out_off;
}

/* --- all of them? --------------------------------------------------------- */

void
stream_end_unknown(struct conn *c)
{
	struct stream *s = &c->stream;

	stream_lookback_cancel(c);   /* another question, about its end */
	s->ask_end = true;
	if (s->sub->n_selectors > 1)
		s->owed = UINT64_MAX >> (64 - s->sub->n_selectors);
}

/* One of several, of which it is not known what the client passed. */
static void
owed_cb(const struct query_last *last, const struct err *err UNUSED,
    void *arg)
{
	struct conn *c = arg;
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;
	unsigned int i = (unsigned int)__builtin_ctzll(s->owed);

	assert(c->magic == CONN_MAGIC && c->state == CONN_STREAM);
	s->lookback = 0;
	if (last == NULL || !knows_all(c, last)) {
		s->ask_end = true;
		return;
	}
	s->owed &= s->owed - 1;
	if (last->ended != 0 &&
	    !stream_end_log_open(c->gateway, sub->tenant, &sub->selectors[i],
	    1))
		stream_ended(c, sub->selectors[i], last->state,
		    (struct position){ last->as_of.epoch, last->last });
	else
		stream_end_ask(c);
	(void)stream_flush(c);
}

static void
ended_cb(const struct query_last *last, const struct err *err UNUSED,
    void *arg)
{
	struct conn *c = arg;
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

	assert(c->magic == CONN_MAGIC && c->state == CONN_STREAM);
	s->lookback = 0;
	/* Asked again with the next heartbeat, at the latest. */
	if (last == NULL) {
		s->ask_end = true;
		return;
	}
	if (last->ended == 0 || stream_end_log_open(c->gateway, sub->tenant,
	    sub->selectors, sub->n_selectors))
		return;
	/* `ended` is where its life did: lines of its log may stand behind. */
	if (!knows_all(c, last)) {
		s->ask_end = true;
		return;
	}
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

	s->ask_end = false;
	if (s->over ||
	    !stream_kind_all_end(sub->selectors, sub->n_selectors))
		return;
	stream_lookback_cancel(c);
	/* What others missed cannot wait: without room they get a gap. */
	if (query_is_busy(c->gateway->broker))
		s->lookback = 0;
	else if (s->owed != 0)
		s->lookback = query_last(c->gateway->broker, sub->tenant,
		    &sub->selectors[__builtin_ctzll(s->owed)], 1,
		    STREAM_END_ASK_MS, owed_cb, c);
	else
		s->lookback = query_last(c->gateway->broker, sub->tenant,
		    sub->selectors, sub->n_selectors, STREAM_END_ASK_MS,
		    ended_cb, c);
	s->ask_end = s->lookback == 0;
}

/* --- log_grace ------------------------------------------------------------ */

void
stream_end_note(struct gateway *g, const struct item *item)
{
	int64_t grace = conf_stream(&g->role->conf,
	    stream_kind_of(item->key))->log_grace_ms;

	open_logs_remove(g->open_logs, item->tenant, item->key);
	/* The line that closes a log may end its stream, too. */
	if ((item->flags & ITEM_TERMINAL) == 0 ||
	    (item->flags & ITEM_LAST) != 0 ||
	    (item->state & LIFECYCLE_LOGS_OPEN) == 0)
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

	if (s->over || s->phase == STREAM_NONE ||
	    s->phase == STREAM_ENDING || s->phase == STREAM_SNAPSHOT)
		return;   /* the snapshot says it */
	/* Who comes to that event as one that ends is told by it, and not
	 * again; a list of some types need not have it. */
	if (has_all(c))
		stream_ended(c, x->key, x->state, x->last);
	else
		tell_later(c, x->key, x->state, x->last);
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
