/*
 * stream_lookback: a cursor whose next events have left the journal: only the
 * broker, which knows the last position of every stream, can say whether any
 * of them was wanted. While it is asked, live events wait in the ring. No
 * answer within LOOKBACK_MS is the answer "yes": a gap too many is a snapshot
 * too many, a gap too few would be a silent hole. Part of stream.
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

static void
lookback_cb(const struct query_last *last, const struct err *err, void *arg)
{
	struct conn *c = arg;
	struct stream *s = &c->stream;
	uint64_t *count = c->gateway->metrics.lookbacks;

	assert(c->magic == CONN_MAGIC && s->phase == STREAM_LOOKBACK);
	s->lookback = 0;
	if (last == NULL) {
		/* Debug: it may be so for every client that comes back. */
		log_debug("the broker was asked what a cursor missed: %s; its "
		    "client gets a gap", err->text);
		count[LOOKBACK_UNKNOWN]++;
		stream_lost(c, SSE_EVICTED);
	} else if (last->as_of.epoch != s->cursor.epoch ||
	    last->last > s->cursor.number) {
		count[LOOKBACK_MISSED]++;
		stream_lost(c, SSE_EVICTED);
	} else {
		count[LOOKBACK_QUIET]++;
		pass(c, last->as_of.number);
	}
	if (c->magic == CONN_MAGIC && c->state == CONN_STREAM)
		(void)stream_flush(c);
}

void
stream_lookback(struct conn *c)
{
	struct stream *s = &c->stream;
	const struct hub_subscription *sub = s->sub;

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
