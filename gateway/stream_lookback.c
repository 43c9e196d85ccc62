/*
 * stream_lookback: a cursor whose next events have left the journal: only the
 * broker, which knows of every stream the last position it has, and the last
 * that is gone, can say whether any of them was wanted. While it is asked,
 * live events wait in the ring. No answer within LOOKBACK_MS is the answer
 * "yes": a gap too many is a snapshot too many, a gap too few would be a
 * silent hole. Part of stream.
 */
#include <assert.h>

#include "common/log.h"
#include "gateway/connection.h"
#include "gateway/stream_private.h"

#define LOOKBACK_MS 2000

_Static_assert(HUB_SELECTORS_MAX <= QUERY_LAST_SELECTORS_MAX,
    "the broker must be able to be asked for any subscription");

/* Nothing that is wanted stands between the cursor and `through`. */
static void
pass(struct conn *c, uint64_t through)
{
	struct stream *s = &c->stream;
	uint64_t tip = ring_tip(c->gateway->ring).number;

	/* The broker's tip may not have been announced yet. */
	s->cursor.number = MAX(s->cursor.number, MIN(through, tip));
	stream_open(c);
	stream_go_on(c);
}

static enum metrics_lookback
judge(const struct stream *s, const struct query_last *last)
{
	if (last->as_of.epoch != s->cursor.epoch ||
	    last->gone > s->cursor.number)
		return LOOKBACK_MISSED;
	if (last->last <= s->cursor.number)
		return LOOKBACK_QUIET;
	/* Else the broker has what no reader here sees: more has left the
	 * journal since, or it is in memory that was not handed over. */
	return last->oldest > s->cursor.number + 1 ? LOOKBACK_KEPT :
	    LOOKBACK_MISSED;
}

static void
lookback_cb(const struct query_last *last, const struct err *err, void *arg)
{
	struct conn *c = arg;
	struct stream *s = &c->stream;
	enum metrics_lookback result = LOOKBACK_UNKNOWN;

	assert(c->magic == CONN_MAGIC && s->phase == STREAM_LOOKBACK);
	s->lookback = 0;
	if (last != NULL)
		result = judge(s, last);
	else
		/* Debug: it may be so for every client that comes back. */
		log_debug("the broker was asked what a cursor missed: %s; its "
		    "client gets a gap", err->text);
	c->gateway->metrics.lookbacks[result]++;
	if (last != NULL && result == LOOKBACK_QUIET)
		pass(c, last->as_of.number);
	else if (last != NULL && result == LOOKBACK_KEPT)
		pass(c, last->oldest - 1);
	else
		stream_lost(c, SSE_EVICTED);
	if (c->magic == CONN_MAGIC && c->state == CONN_STREAM)
		(void)stream_flush(c);
}

void
stream_lookback(struct conn *c)
{
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

	stream_lookback_cancel(c);   /* another question, about its end */
	s->phase = STREAM_LOOKBACK;
	s->lookback = query_last(c->gateway->broker, sub->tenant,
	    sub->selectors, sub->n_selectors, LOOKBACK_MS, lookback_cb, c);
	if (s->lookback != 0)
		return;
	c->gateway->metrics.lookbacks[LOOKBACK_UNKNOWN]++;
	stream_lost(c, SSE_EVICTED);
}

void
stream_lookback_cancel(struct conn *c)
{
	if (c->stream.lookback == 0)
		return;
	query_cancel(c->gateway->broker, c->stream.lookback);
	c->stream.lookback = 0;
}
