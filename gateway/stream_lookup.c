/*
 * stream_lookup: what a request for a stream waits for before it opens: that
 * this gateway has caught up, whether its streams exist (must_exist: the ring
 * is looked at first, then store and broker are asked), and whether all of
 * them are over and the client has it all (204). One that comes before this
 * gateway has caught up is held until then, HOLD_MS at most: after a crash all
 * its clients come back at once, and would be sent away for seconds because of
 * some milliseconds. Part of stream.
 */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/reply.h"
#include "gateway/stream_end.h"
#include "gateway/stream_kind.h"
#include "gateway/stream_private.h"

#define LOOKUP_MAGIC       0x4c4f4f4bu   /* "LOOK" */
#define LOOKUP_DEADLINE_MS 1500
#define LOOKUP_LEAST_MS    200   /* for the broker, behind a slow store */
#define HOLD_MS            3000
#define HOLD_LOOK_MS       50

/* A request that waits for the store, and then the broker, to say whether its
 * streams exist, or for this gateway to catch up. The request itself stays
 * with the connection meanwhile. */
struct lookup {
	uint32_t		magic;
	struct conn		*conn;
	struct query_client	*asked;
	uint64_t		ticket;     /* of the question; 0: held */
	int64_t			until_ms;
	uint64_t		applied;    /* what the store saw, up to here */
	struct stream_wish	wish;
	char			key[EVENT_KEY_MAX + 32];
};

static struct lookup *
lookup_new(struct conn *c, const struct stream_wish *w, struct slice key)
{
	struct lookup *l = xcalloc(1, sizeof(*l));

	l->magic = LOOKUP_MAGIC;
	l->conn = c;
	l->wish = *w;
	/* A path's key is its handler's own, and does not last. */
	if (key.p != NULL) {
		assert(key.n <= sizeof(l->key));
		memcpy(l->key, key.p, key.n);
		l->wish.selectors[0].p = l->key;
	}
	return l;
}

static void
lookup_gone(struct conn *c)
{
	struct lookup *l = c->exchange->waiting;

	assert(l->magic == LOOKUP_MAGIC);
	if (l->ticket != 0)
		query_cancel(l->asked, l->ticket);
	c->exchange->waiting = NULL;
	free(l);
}

static void
lookup_waits(struct lookup *l)
{
	struct conn *c = l->conn;

	c->exchange->waiting = l;
	c->exchange->on_gone = lookup_gone;
	conn_set_state(c, CONN_WAITING);
}

/* It waits no longer; it is the caller's. */
static void
lookup_leaves(struct lookup *l)
{
	l->conn->exchange->waiting = NULL;
	l->conn->exchange->on_gone = NULL;
	l->conn->exchange->on_tick = NULL;
}

/* What its wish's first selector points to, if it is the lookup's own. */
static struct slice
lookup_key(const struct lookup *l)
{
	return l->wish.selectors[0].p == l->key ? l->wish.selectors[0] :
	    SLICE_NONE;
}

/* --- before the gateway has caught up ------------------------------------- */

static void
held_tick(struct conn *c)
{
	struct lookup *l = c->exchange->waiting;

	assert(l->magic == LOOKUP_MAGIC);
	if (c->gateway->beats == 0 && !c->gateway->draining &&
	    gateway_now_ms() < l->until_ms) {
		conn_due(c, gateway_now_ms() + HOLD_LOOK_MS);
		return;
	}
	lookup_leaves(l);
	if (c->gateway->beats == 0)
		stream_turn_away(c, &l->wish, c->gateway->draining ?
		    SSE_SHUTDOWN : SSE_OVERLOADED);
	else
		stream_lookup(c, &l->wish, lookup_key(l));
	free(l);
}

static void
hold(struct conn *c, const struct stream_wish *w, struct slice key)
{
	struct lookup *l = lookup_new(c, w, key);

	l->until_ms = gateway_now_ms() + HOLD_MS;
	lookup_waits(l);
	c->exchange->on_tick = held_tick;
	conn_due(c, gateway_now_ms() + HOLD_LOOK_MS);
}

/* --- 204 ------------------------------------------------------------------ */

/* Where the client stands; false: it has no cursor of this order. */
static bool
stands_at(const struct conn *c, const struct stream_wish *w,
    struct position *ret)
{
	*ret = ring_tip(c->gateway->ring);
	if (w->cursor_kind == CURSOR_NOW)
		return true;
	if (w->cursor_kind != CURSOR_AT || w->cursor.epoch != ret->epoch)
		return false;
	*ret = w->cursor;
	return true;
}

/* The broker knows of streams that left the ring; one that had an event since
 * is not asked for. */
static bool
may_be_over(const struct conn *c, const struct stream_wish *w)
{
	const struct gateway *g = c->gateway;
	struct slice tenant = slice_str(c->identity->tenant);
	struct position at;
	size_t i;

	if (!stands_at(c, w, &at) ||
	    !stream_kind_all_end(w->selectors, w->n_selectors) ||
	    stream_end_log_open(g, tenant, w->selectors, w->n_selectors))
		return false;
	for (i = 0; i < w->n_selectors; i++)
		if (ring_stream_last(g->ring, tenant, w->selectors[i]) >
		    at.number)
			return false;
	return true;
}

/* Of one whose end nobody could tell of now, it is asked later. */
static void
arrive_unasked(struct conn *c, const struct stream_wish *w, bool unasked)
{
	stream_arrive(c, w);
	if (unasked && c->magic == CONN_MAGIC && c->stream.sub != NULL)
		c->stream.ask_end = true;
}

static void
over_answer_cb(const struct query_last *last, const struct err *err UNUSED,
    void *arg)
{
	struct lookup *l = arg;
	struct conn *c = l->conn;
	struct position at = { 0, 0 };

	assert(l->magic == LOOKUP_MAGIC);
	lookup_leaves(l);
	/* EventSource stops then. Without an answer it opens. */
	if (last != NULL && last->ended != 0 && stands_at(c, &l->wish, &at) &&
	    last->as_of.epoch == at.epoch && last->last <= at.number &&
	    at.number <= last->as_of.number)
		reply_send(c, 204, "", "", 0, "");
	else
		arrive_unasked(c, &l->wish, last == NULL);
	free(l);
}

/* Opens the stream, unless all of it is over and the client has it all. */
static void
open_unless_over(struct conn *c, const struct stream_wish *w,
    struct slice key)
{
	struct lookup *l;

	if (!may_be_over(c, w)) {
		stream_arrive(c, w);
		return;
	}
	l = lookup_new(c, w, key);
	l->asked = c->gateway->broker;
	l->ticket = query_last(l->asked, slice_str(c->identity->tenant),
	    w->selectors, w->n_selectors, LOOKUP_DEADLINE_MS, over_answer_cb,
	    l);
	if (l->ticket == 0) {
		free(l);
		arrive_unasked(c, w, true);
		return;
	}
	lookup_waits(l);
}

/* --- must_exist ----------------------------------------------------------- */

/* A prefix always counts as there. */
static bool
known_here(const struct conn *c, const struct stream_wish *w)
{
	size_t i, prefix = 0;

	for (i = 0; i < w->n_selectors; i++) {
		(void)stream_selector_check(w->selectors[i], &prefix, NULL);
		if (prefix > 0 || ring_stream_first(c->gateway->ring,
		    slice_str(c->identity->tenant), w->selectors[i]) != 0)
			return true;
	}
	return false;
}

/* Whether the store has none of them in all it saw, which is up to there. */
static bool
store_has_none(struct slice json, uint64_t *ret_applied)
{
	json_t *answer = json_loadb(json.p, json.n, 0, NULL);
	bool none;

	*ret_applied = (uint64_t)json_integer_value(
	    json_object_get(answer, "applied"));
	none = json_is_false(json_object_get(answer, "exists")) &&
	    json_is_true(json_object_get(answer, "complete"));
	json_decref(answer);
	return none;
}

/* Absence is certain when store and broker together saw all there was: a store
 * that is behind need not catch up for it.
 * A stream's GET never gets 503: without an answer it opens. It may also have
 * begun since the question. */
static void
settle(struct lookup *l, bool absent)
{
	struct conn *c = l->conn;

	lookup_leaves(l);
	if (absent && !known_here(c, &l->wish))
		reply_error(c, 404, "not_found", "no such stream", NULL);
	else
		open_unless_over(c, &l->wish, lookup_key(l));
	free(l);
}

static void
journal_answer_cb(const struct query_last *last, const struct err *err UNUSED,
    void *arg)
{
	struct lookup *l = arg;

	assert(l->magic == LOOKUP_MAGIC);
	settle(l, last != NULL && l->applied + 1 >= last->oldest &&
	    (last->last == 0 || last->last < last->oldest));
}

/* Alerts, and others of which the store keeps nothing, may stand in the
 * journal alone: the broker knows. */
static void
ask_broker(struct lookup *l)
{
	struct gateway *g = l->conn->gateway;
	int64_t left = MAX(l->until_ms - gateway_now_ms(), LOOKUP_LEAST_MS);

	l->asked = g->broker;
	l->ticket = query_last(g->broker,
	    slice_str(l->conn->identity->tenant), l->wish.selectors,
	    l->wish.n_selectors, left, journal_answer_cb, l);
	if (l->ticket == 0)
		settle(l, false);
}

static void
lookup_answer_cb(int status, struct slice json, void *arg)
{
	struct lookup *l = arg;

	assert(l->magic == LOOKUP_MAGIC);
	if (status == 0 && store_has_none(json, &l->applied))
		ask_broker(l);
	else
		settle(l, false);
}

static char *
question(const struct stream_wish *w, const char *tenant)
{
	json_t *keys = json_array(), *body;
	char *text;
	size_t i;

	for (i = 0; i < w->n_selectors; i++)
		(void)json_array_append_new(keys, json_stringn(
		    w->selectors[i].p, w->selectors[i].n));
	body = json_pack("{s:s, s:s, s:o}", "op", "streams.exist", "tenant",
	    tenant, "keys", keys);
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

static void
look_up(struct conn *c, const struct stream_wish *w, struct slice key)
{
	struct lookup *l = lookup_new(c, w, key);
	char *text = question(w, c->identity->tenant);

	l->until_ms = gateway_now_ms() + LOOKUP_DEADLINE_MS;
	l->asked = c->gateway->query;
	l->ticket = query_json(l->asked, slice_str(text), LOOKUP_DEADLINE_MS,
	    lookup_answer_cb, l);
	free(text);
	if (l->ticket == 0) {
		free(l);
		open_unless_over(c, w, key);
		return;
	}
	lookup_waits(l);
}

/* Holds it until this gateway knows the journal: what a cursor is worth, and
 * what there is, is judged by that. */
void
stream_lookup(struct conn *c, const struct stream_wish *w, struct slice key)
{
	struct gateway *g = c->gateway;

	if (g->draining || c->spare)
		stream_arrive(c, w);
	else if (g->beats == 0)
		hold(c, w, key);
	else if (access_resume(c, w->cursor_kind == CURSOR_AT ? &w->cursor :
	    NULL)) {
		if (w->must_exist && !known_here(c, w))
			look_up(c, w, key);
		else
			open_unless_over(c, w, key);
	}
}
