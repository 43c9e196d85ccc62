#include "gateway/stream_end.h"

#include <assert.h>
#include <stdlib.h>

#include "common/lifecycle.h"
#include "gateway/open_logs.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_kind.h"
#include "gateway/stream_private.h"
#include "gateway/test_hooks.h"

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

/* True: it is the only one. Else it is to be asked whether all have ended. */
static bool
tell_end(struct conn *c, struct slice key, uint8_t state,
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
	s->over |= sub->n_selectors == 1 && slice_eq(sub->selectors[0], key);
	return s->over;
}

void
stream_end_finish(struct conn *c)
{
	c->stream.phase = STREAM_ENDING;
	sse_last_chunk(&c->out);
	conn_finish(c, CLOSE_ENDED);
}

/* The snapshot of a client that is live without it shows what of a stream was
 * before: the end of one that it names waits for that. But of a connection to
 * one stream its end is the end, and whoever comes back gets the snapshot; and
 * a snapshot tells no ends under a prefix, nor are there few of them. */
static bool
awaits_snapshot(const struct conn *c, struct slice key)
{
	const struct hub_subscription *sub = c->stream.sub;

	for (size_t i = 0; i < sub->n_selectors; i++)
		if (slice_eq(sub->selectors[i], key))
			return c->stream.phase == STREAM_BLIND &&
			    sub->n_selectors > 1;
	return false;
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
stream_ended(struct conn *c, struct slice key, uint8_t state,
    struct position last)
{
	if (awaits_snapshot(c, key))
		tell_later(c, key, state, last);
	else if (!tell_end(c, key, state, last))
		stream_end_ask(c);
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
	if (newest > last.number && ring_get(g->ring, newest, &f)) {
		if (f.goes_on)
			return;
		last = f.position;
	}
	stream_ended(c, key, log->state, last);
}

/* --- what is owed --------------------------------------------------------- */

enum known { KNOWN_NOT, KNOWN_GOES_ON, KNOWN_ENDED };

/* What the ring says of a stream of which the client has all. One that left
 * its log open tells of its end when that is closed. */
static enum known
look_up(const struct gateway *g, struct slice tenant, struct slice key,
    struct ring_frame *ret)
{
	uint64_t newest = ring_stream_last(g->ring, tenant, key);

	if (open_logs_has(g->open_logs, tenant, key))
		return KNOWN_GOES_ON;
	if (newest == 0 || !ring_get(g->ring, newest, ret))
		return KNOWN_NOT;
	if (ret->ends)
		return KNOWN_ENDED;
	return ret->goes_on ? KNOWN_GOES_ON : KNOWN_NOT;
}

/* Without a question what the ring knows; the broker is asked for the rest. */
static void
tell_owed(struct conn *c)
{
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;
	struct ring_frame f;
	enum known known;

	for (size_t i = 0; i < sub->n_selectors && s->owed != 0; i++) {
		if ((s->owed & UINT64_C(1) << i) == 0)
			continue;
		known = look_up(c->gateway, sub->tenant, sub->selectors[i], &f);
		if (known != KNOWN_NOT)
			s->owed &= ~(UINT64_C(1) << i);
		if (known == KNOWN_ENDED)
			(void)tell_end(c, sub->selectors[i], f.state,
			    f.position);
	}
}

/* After "busy", or no answer, not before the time of its next heartbeat. */
static bool
asks_now(const struct stream *s)
{
	return s->ask_end && gateway_now_ms() >= s->ask_at_ms;
}

bool
stream_end_settle(struct conn *c)
{
	struct stream *s = &c->stream;
	struct open_logs *passed = s->passed;
	struct open_log log;

	if ((passed == NULL && !asks_now(s)) || !has_all(c))
		return false;
	s->passed = NULL;
	while (passed != NULL && open_logs_take(passed, INT64_MAX, &log)) {
		tell_passed(c, &log);
		free(log.tenant);
		free(log.key);
	}
	open_logs_free(passed);
	if (asks_now(s)) {
		tell_owed(c);
		stream_end_ask(c);
	}
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
		stream_end_owe(c, UINT64_MAX);
}

void
stream_end_owe(struct conn *c, uint64_t which)
{
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

	if (test_hooks_has_bug("end-forgotten"))
		return;
	/* It was about fewer. */
	s->ask_end |= s->lookback != 0;
	stream_lookback_cancel(c);
	for (size_t i = 0; i < sub->n_selectors; i++)
		if ((which & UINT64_C(1) << i) != 0 &&
		    stream_kind_all_end(&sub->selectors[i], 1))
			s->owed |= UINT64_C(1) << i;
	s->ask_end |= s->owed != 0;
}

static void
ask_later(struct conn *c)
{
	struct stream *s = &c->stream;

	s->ask_end = true;
	s->ask_at_ms = MIN(c->progress_ms, gateway_now_ms()) +
	    s->heartbeat_ms;
}

/* Some of several, of which it is not known what the client passed. */
static void
owed_cb(const struct query_last *last, const struct err *err UNUSED,
    void *arg)
{
	struct conn *c = arg;
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;
	uint64_t asked = s->asked;
	size_t n = 0;

	assert(c->magic == CONN_MAGIC && c->state == CONN_STREAM);
	/* Whoever tells of one of them gives the question up. */
	assert(asked != 0 && (asked & ~s->owed) == 0);
	s->lookback = 0;
	if (last == NULL) {
		ask_later(c);
		return;
	}
	if (!knows_all(c, last)) {
		s->ask_end = true;
		return;
	}
	s->owed &= ~asked;
	for (size_t i = 0; i < sub->n_selectors && n < last->n; i++) {
		const struct query_stream *word;

		if ((asked & UINT64_C(1) << i) == 0)
			continue;
		word = &last->streams[n++];
		if (word->how == QUERY_ENDED && !open_logs_has(
		    c->gateway->open_logs, sub->tenant, sub->selectors[i]))
			(void)tell_end(c, sub->selectors[i], word->state,
			    word->last);
	}
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
	if (last == NULL) {
		ask_later(c);
		return;
	}
	if (last->ended == 0 || stream_end_log_open(c->gateway, sub->tenant,
	    sub->selectors, sub->n_selectors))
		return;
	/* An answer to another question is none. */
	if (last->n != sub->n_selectors) {
		ask_later(c);
		return;
	}
	/* `ended` is where its life did: lines of its log may stand behind. */
	if (!knows_all(c, last)) {
		s->ask_end = true;
		return;
	}
	/* Of several, each was told when its last event was given. */
	if (sub->n_selectors == 1 && !s->over)
		tell(c, sub->selectors[0], last->state,
		    last->streams[0].last);
	s->over = true;
	(void)stream_flush(c);
}

static void
ask_owed(struct conn *c)
{
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;
	struct slice selectors[HUB_SELECTORS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sub->n_selectors; i++)
		if ((s->owed & UINT64_C(1) << i) != 0)
			selectors[n++] = sub->selectors[i];
	s->asked = s->owed;
	s->lookback = query_last(c->gateway->broker, sub->tenant, selectors,
	    n, STREAM_END_ASK_MS, owed_cb, c);
}

void
stream_end_ask(struct conn *c)
{
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

	/* What was asked is answered, or not the question any more. */
	stream_lookback_cancel(c);
	/* What is still to be given may say it; of several, the snapshot that
	 * follows is the only one to tell of an end before the client came. */
	s->ask_end = !has_all(c) || (s->phase == STREAM_BLIND &&
	    s->owed == 0 && sub->n_selectors > 1);
	if (s->ask_end || s->over || (s->owed == 0 &&
	    !stream_kind_all_end(sub->selectors, sub->n_selectors)))
		return;
	/* What others missed cannot wait: without room they get a gap. */
	if (query_is_busy(c->gateway->broker))
		s->lookback = 0;
	else if (s->owed != 0)
		ask_owed(c);
	else
		s->lookback = query_last(c->gateway->broker, sub->tenant,
		    sub->selectors, sub->n_selectors, STREAM_END_ASK_MS,
		    ended_cb, c);
	if (s->lookback == 0)
		ask_later(c);
}

/* --- log_grace ------------------------------------------------------------ */

void
stream_end_by_grace(struct conn *c, struct slice key, uint8_t state,
    struct position last)
{
	struct stream *s = &c->stream;

	if (s->over || s->phase == STREAM_NONE ||
	    s->phase == STREAM_ENDING || s->phase == STREAM_SNAPSHOT)
		return;   /* the snapshot says it */
	/* Who comes to that event as one that ends is told by it, and not
	 * again; a list of some types need not have it. */
	if (has_all(c))
		stream_ended(c, key, state, last);
	else
		tell_later(c, key, state, last);
}
