#include "gateway/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "gateway/audience.h"
#include "gateway/connection.h"
#include "gateway/open_logs.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_kind.h"

/* What a subscription's `owner` points to. */
struct snapshot_source {
	struct gateway		*gateway;
	struct hub_subscription	*sub;
	uint64_t		 ticket;      /* a question is under way */
	struct position		 at_least;    /* what it asked for */
	struct snapshot		*fresh;       /* a reference, may be NULL */
	int64_t			 fresh_ms;
	int64_t			 again_ms;    /* not asked before this time */
	int64_t			 wait_ms;     /* 0: the last answer was good */
	bool			 too_large;   /* never asked again */
};

struct snapshot *
snapshot_ref(struct snapshot *s)
{
	s->refs++;
	return s;
}

void
snapshot_unref(struct snapshot *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	buf_free(&s->frames);
	free(s);
}

size_t
snapshot_frame_end(const struct snapshot *s, size_t off)
{
	const char *p = (const char *)s->frames.data;
	char *end;
	size_t at = 0, size;

	/* Each frame is a chunk: its size in hex, CRLF, bytes, CRLF. */
	while (at < off) {
		size = strtoul(p + at, &end, 16);
		at = (size_t)(end - p) + 2 + size + 2;
	}
	return at;
}

/* --- encoding ------------------------------------------------------------- */

/* The client has it: it came while the store was away. */
static bool
was_sent(struct position at, struct position after, struct position id)
{
	return after.epoch != 0 && at.number > after.number &&
	    at.number <= id.number;
}

static bool
left_out(const struct item *item, const struct hub_subscription *s,
    struct position after, struct position id)
{
	return !hub_wants(s, item->tenant, item->key, item->event_type) ||
	    was_sent(item->position, after, id);
}

/* -1: one of them cannot be read. */
static int
count_items(const struct query_snapshot *answer,
    const struct hub_subscription *s, struct position after,
    struct position id, uint32_t *ret)
{
	struct rd rd = answer->items;
	struct item item;
	uint32_t i, n = 0;

	for (i = 0; i < answer->count; i++) {
		if (item_decode(&rd, &item, true) == -1)
			return -1;
		if (!left_out(&item, s, after, id))
			n++;
	}
	*ret = n;
	return 0;
}

/* What the items of one stream say of its end. */
struct stream_so_far {
	struct slice	key;
	struct position	end;       /* of the terminal event; epoch 0: none */
	struct position	last;
	struct position	log_end;   /* of its log's last line so far */
	uint8_t		state;
};

/* The bit of the selector that names it; 0: none does. */
static uint64_t
bit_of(const struct hub_subscription *s, struct slice key)
{
	for (size_t i = 0; i < s->n_selectors; i++)
		if (slice_eq(s->selectors[i], key))
			return UINT64_C(1) << i;
	return 0;
}

/* Whether lines of its log may follow the set: what this gateway knows of it is
 * of now, not of the set's time. */
static bool
log_goes_on(struct snapshot *snap, const struct stream_so_far *x,
    const struct hub_subscription *s, const struct gateway *g)
{
	if ((x->state & LIFECYCLE_LOGS_OPEN) == 0 ||
	    x->log_end.number >= x->end.number)
		return false;
	if (open_logs_has(g->open_logs, s->tenant, x->key))
		return true;
	/* It may have ended by what stands behind the set, or is not heard of
	 * here yet. */
	if (ring_stream_last(g->ring, s->tenant, x->key) <=
	    snap->as_of.number &&
	    ring_oldest(g->ring) <= snap->as_of.number + 1 &&
	    x->end.number <= ring_tip(g->ring).number)
		return false;
	snap->unseen |= bit_of(s, x->key);
	return true;
}

/* True when it has ended. */
static bool
end_stream(struct snapshot *snap, const struct stream_so_far *x,
    const struct hub_subscription *s, const struct gateway *g,
    const struct open_logs *put_off)
{
	struct sse_control ctl = { .kind = SSE_END, .tip = x->last,
	    .state = x->state };

	if (x->end.epoch == 0 || bit_of(s, x->key) == 0 ||
	    log_goes_on(snap, x, s, g))
		return false;
	if ((put_off == NULL || !open_logs_has(put_off, s->tenant, x->key)) &&
	    sse_control(&snap->frames, &ctl, x->key) == -1)
		assert(0);
	return true;
}

static void
add_item(struct stream_so_far *x, const struct item *item)
{
	if (!slice_eq(x->key, item->key))
		*x = (struct stream_so_far){ .key = item->key };
	if ((item->flags & ITEM_TERMINAL) != 0) {
		x->end = item->position;
		x->state = item->state;
	}
	/* As in the ring: only one that is not before its end closes it. */
	if ((item->flags & ITEM_LAST) != 0 &&
	    item->position.number > x->log_end.number)
		x->log_end = item->position;
	if (item->position.number > x->last.number)
		x->last = item->position;
}

/* stream.end for each stream that is named and has ended: a prefix shows
 * states, and of thousands that ended nobody asked by name. */
static void
add_ends(struct snapshot *snap, const struct query_snapshot *answer,
    const struct hub_subscription *s, const struct gateway *g,
    const struct open_logs *put_off)
{
	struct stream_so_far x = { .key = SLICE_NONE };
	struct rd rd = answer->items;
	struct item item;
	size_t ended = 0;
	uint32_t i;

	snap->unseen = UINT64_MAX >> (64 - s->n_selectors);
	for (i = 0; i < answer->count; i++) {
		if (item_decode(&rd, &item, true) == -1)
			break;
		if (x.key.p != NULL && !slice_eq(x.key, item.key))
			ended += end_stream(snap, &x, s, g, put_off);
		if (x.key.p == NULL || !slice_eq(x.key, item.key))
			snap->unseen &= ~bit_of(s, item.key);
		add_item(&x, &item);
	}
	if (x.key.p != NULL)
		ended += end_stream(snap, &x, s, g, put_off);
	snap->over = ended == s->n_selectors &&
	    stream_kind_all_end(s->selectors, s->n_selectors);
}

struct snapshot *
snapshot_encode(const struct query_snapshot *answer,
    const struct hub_subscription *s, const struct gateway *g,
    const struct open_logs *put_off, struct position after, struct position id)
{
	static const struct position none = { 0, 0 };
	struct rd rd = answer->items;
	struct snapshot *snap;
	struct item item;
	uint32_t i, k = 0, n;

	if (count_items(answer, s, after, id, &n) == -1)
		return NULL;
	snap = xcalloc(1, sizeof(*snap));
	snap->refs = 1;
	snap->as_of = answer->as_of;
	for (i = 0; i < answer->count && k < n; i++) {
		if (item_decode(&rd, &item, true) == -1)
			break;
		if (left_out(&item, s, after, id))
			continue;
		k++;
		/* What the broker took can be framed; count it if not. */
		if (sse_snapshot(&snap->frames, &item, answer->as_of, k, n,
		    k == n ? id : none) == -1)
			log_warn("an event of %.*s cannot be framed",
			    (int)item.key.n, item.key.p);
		else
			snap->count++;
	}
	add_ends(snap, answer, s, g, put_off);
	return snap;
}

/* --- asking --------------------------------------------------------------- */

static struct snapshot_source *
source_of(struct gateway *g, struct hub_subscription *sub)
{
	struct snapshot_source *src = sub->owner;

	if (src == NULL) {
		src = xcalloc(1, sizeof(*src));
		src->gateway = g;
		src->sub = sub;
		sub->owner = src;
	}
	return src;
}

struct gift {
	struct snapshot			*snapshot;   /* NULL: none to be had */
	const struct query_snapshot	*answer;
};

static void
give_one(struct conn *c, void *arg)
{
	const struct gift *gift = arg;

	if (!stream_wants_snapshot(c))
		return;
	if (gift->snapshot != NULL)
		stream_take_snapshot(c, gift->snapshot, gift->answer);
	else
		stream_refuse_snapshot(c);
}

/* To all who wait; without a snapshot, that there is none to be had. `src` may
 * be gone after it. */
static void
give(struct snapshot_source *src, struct snapshot *snap,
    const struct query_snapshot *answer)
{
	struct gift gift = { snap, answer };

	audience_each(src->gateway, src->sub, give_one, &gift);
}

static bool
usable(const struct gateway *g, const struct query_snapshot *answer)
{
	return answer->complete &&
	    answer->as_of.epoch == ring_tip(g->ring).epoch;
}

static void
back_off(struct snapshot_source *src)
{
	src->gateway->metrics.snapshot_failures++;
	src->wait_ms = src->wait_ms == 0 ? SNAPSHOT_AGAIN_MS :
	    MIN(src->wait_ms * 2, (int64_t)SNAPSHOT_AGAIN_MAX_MS);
	src->again_ms = gateway_now_ms() + src->wait_ms;
}

static void
failed(struct snapshot_source *src, const struct err *err)
{
	const struct hub_subscription *sub = src->sub;

	back_off(src);
	if (err == NULL || err->code != EMSGSIZE) {
		log_debug("snapshot: %s", err != NULL ? err->text :
		    "the store is not complete yet");
		return;
	}
	log_warn("no snapshot for a subscription to %.*s%s: larger than %u "
	    "MiB; its clients must use narrower selectors",
	    (int)sub->selectors[0].n, sub->selectors[0].p,
	    sub->n_selectors > 1 ? " and more" : "",
	    QUERY_ANSWER_MAX / (1024 * 1024));
	src->too_large = true;
	give(src, NULL, NULL);
}

static void
unreadable(struct snapshot_source *src)
{
	const struct hub_subscription *sub = src->sub;

	back_off(src);
	log_error("the store's answer for a subscription to %.*s%s cannot be "
	    "read, and its clients wait: stop sluice, move projection.db "
	    "away, and start it; the store makes it again from the journal",
	    (int)sub->selectors[0].n, sub->selectors[0].p,
	    sub->n_selectors > 1 ? " and more" : "");
}

static void
snapshot_answer_cb(const struct query_snapshot *answer, const struct err *err,
    void *arg)
{
	struct snapshot_source *src = arg;
	struct gateway *g = src->gateway;
	struct query_snapshot own;
	struct snapshot *snap;

	assert(g->magic == GATEWAY_MAGIC);
	src->ticket = 0;
	if (answer != NULL) {
		own = *answer;
		/* A store that has seen nothing yet has no epoch to name. */
		if (own.as_of.epoch == 0 && ring_tip(g->ring).number == 0)
			own.as_of = ring_tip(g->ring);
	}
	if (answer == NULL || !usable(g, &own)) {
		failed(src, answer == NULL ? err : NULL);
		return;
	}
	snap = snapshot_encode(&own, src->sub, g, NULL,
	    (struct position){ 0, 0 }, own.as_of);
	if (snap == NULL) {
		unreadable(src);
		return;
	}
	src->wait_ms = src->again_ms = 0;
	snapshot_unref(src->fresh);
	src->fresh = snap;
	src->fresh_ms = gateway_now_ms();
	snap = snapshot_ref(snap);
	give(src, snap, &own);
	snapshot_unref(snap);
}

static bool
still_good(const struct gateway *g, const struct snapshot_source *src)
{
	int64_t age = gateway_now_ms() - src->fresh_ms;

	return age <= SNAPSHOT_FRESH_MS || (age <= SNAPSHOT_SAME_MS &&
	    src->fresh->as_of.number >= ring_tip(g->ring).number);
}

void
snapshot_want(struct gateway *g, struct conn *c, struct position at_least)
{
	struct hub_subscription *sub = c->stream.sub;
	struct snapshot_source *src = source_of(g, sub);
	struct snapshot *fresh;

	if (src->too_large) {
		stream_refuse_snapshot(c);
		return;
	}
	if (src->fresh != NULL && !still_good(g, src)) {
		snapshot_unref(src->fresh);
		src->fresh = NULL;
	}
	if (src->fresh != NULL &&
	    src->fresh->as_of.number >= at_least.number) {
		fresh = snapshot_ref(src->fresh);
		stream_take_snapshot(c, fresh, NULL);
		snapshot_unref(fresh);
		return;
	}
	if (src->ticket != 0 || gateway_now_ms() < src->again_ms)
		return;
	src->at_least = at_least;
	g->metrics.snapshot_questions++;
	src->ticket = query_snapshot(g->query, sub->tenant, sub->selectors,
	    sub->n_selectors, at_least, SNAPSHOT_DEADLINE_MS,
	    snapshot_answer_cb, src);
	if (src->ticket == 0)
		back_off(src);
}

int64_t
snapshot_again_ms(const struct hub_subscription *sub)
{
	const struct snapshot_source *src = sub->owner;

	if (src == NULL)
		return SNAPSHOT_AGAIN_MS;
	return MAX(src->again_ms - gateway_now_ms(),
	    (int64_t)SNAPSHOT_AGAIN_MS);
}

void
snapshot_forget(struct gateway *g, struct hub_subscription *sub)
{
	struct snapshot_source *src = sub->owner;

	if (src == NULL)
		return;
	if (src->ticket != 0)
		query_cancel(g->query, src->ticket);
	snapshot_unref(src->fresh);
	free(src);
	sub->owner = NULL;
}

void
snapshot_renew(struct hub_subscription *sub)
{
	struct snapshot_source *src = sub->owner;

	if (src == NULL)
		return;
	snapshot_unref(src->fresh);
	src->fresh = NULL;
}

static void
drop_fresh(struct hub_subscription *sub, void *arg UNUSED)
{
	snapshot_renew(sub);
}

void
snapshot_forget_all(struct gateway *g)
{
	hub_each(g->hub, drop_fresh, NULL);
}
