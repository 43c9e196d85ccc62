#include "tests/kubesim/sim_watch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_line.h"
#include "tests/kubesim/sim_list.h"
#include "tests/kubesim/sim_status.h"

#define WATCH_MAGIC       0x3a7c45eeu
#define TICK_MS           20
#define LOOK_AGAIN_MS     50
#define MEMBER_HEAD       "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"

struct watch {
	unsigned		 magic;
	TAILQ_ENTRY(watch)	 entry;
	struct sim_watches	*all;
	struct sim_conn		*conn;
	enum sim_kind		 kind;
	char			 ns[SIM_NAME_MAX + 1];
	enum sim_form		 form;
	struct sim_selector	*selector;
	struct sim_snapshot	*initial;        /* still being sent */
	size_t			 next;           /* item of it */
	uint64_t		 above;          /* seen: only newer is sent */
	bool			 live;           /* has all until now */
	bool			 mark_end;       /* of the initial events */
	bool			 bookmarks;
	bool			 members;        /* each line a gzip member */
	bool			 warned;         /* bookmark before the end */
	struct mono		 deadline;
	struct mono		 next_bookmark;
};

struct sim_watches {
	struct sim		*sim;
	TAILQ_HEAD(watch_list, watch) list[SIM_KIND_MAX];
	struct event		*tick;
	/* The present event's line in each form, made when asked for. */
	struct sim_text		*line[SIM_FORM_MAX];
	size_t			 n;
	uint64_t		 dropped;
};

/* ---- a watch's life ---- */

static void
watch_free(struct watch *w)
{
	assert(w->magic == WATCH_MAGIC);
	TAILQ_REMOVE(&w->all->list[w->kind], w, entry);
	w->all->n--;
	sim_snapshot_unref(w->initial);
	sim_selector_free(w->selector);
	w->magic = 0;
	free(w);
}

static void
watch_gone(UNUSED struct sim_conn *c, void *ctx)
{
	watch_free(ctx);
}

static void
watch_end(struct watch *w)
{
	struct sim_conn *c = w->conn;

	sim_conn_own(c, NULL, NULL);
	sim_conn_on_room(c, NULL, NULL);
	watch_free(w);
	sim_conn_stream_end(c);
}

/* Takes over the reference. */
static void
send_line(struct watch *w, struct sim_text *t)
{
	if (w->members)
		t = sim_line_member(t);
	sim_conn_stream_text(w->conn, t);
	sim_text_unref(t);
}

/* Steals the status; an answer that is nothing but this error. */
static void
send_error(struct sim_conn *c, json_t *status)
{
	struct sim_text *t = sim_line_error(status);

	sim_conn_stream(c, NULL);
	sim_conn_stream_text(c, t);
	sim_conn_stream_end(c);
	sim_text_unref(t);
}

static void
send_bookmark(struct watch *w, bool initial_end)
{
	if (w->all->sim->modes.watchlist == SIM_WATCHLIST_ENDLESS)
		return;
	send_line(w, sim_line_bookmark(w->kind, w->form,
	    MAX(w->above, sim_api_seen(w->conn)), initial_end));
}

/* ---- events ---- */

static void
send_event(struct watch *w, const struct sim_event *ev)
{
	struct sim_text **shared = &w->all->line[w->form], *t;

	if (w->ns[0] != '\0' && strcmp(w->ns, ev->object->ns) != 0)
		return;
	if (w->selector != NULL) {
		t = sim_line_selected(ev, w->selector, w->form);
		if (t != NULL)
			send_line(w, t);
		return;
	}
	if (*shared == NULL)
		*shared = sim_line_event(ev->change, ev->object, &ev->st,
		    w->form);
	send_line(w, sim_text_ref(*shared));
}

static void
forget_lines(struct sim_watches *all)
{
	for (int i = 0; i < SIM_FORM_MAX; i++) {
		sim_text_unref(all->line[i]);
		all->line[i] = NULL;
	}
}

static void
watch_live_event(struct watch *w, struct sim_event *ev)
{
	struct sim_watches *all = w->all;
	struct sim_conn *c = w->conn;

	if (!w->live || ev->rv <= w->above)
		return;
	if (ev->rv > sim_api_seen(w->conn)) {
		w->live = false;     /* the replica lags: later */
		return;
	}
	w->above = ev->rv;
	send_event(w, ev);
	if (sim_conn_dead(c) ||          /* then w is gone */
	    sim_conn_backlog(c) <= all->sim->opt.watch_buffer)
		return;
	all->dropped++;
	sim_conn_reset(c);
}

static void
watch_event_cb(struct sim_event *ev, void *ctx)
{
	struct sim_watches *all = ctx;
	struct watch *w, *next;

	for (w = TAILQ_FIRST(&all->list[ev->object->kind]); w != NULL;
	    w = next) {
		next = TAILQ_NEXT(w, entry);
		watch_live_event(w, ev);
	}
	forget_lines(all);
}

/* ---- catching up: as the reader has room ---- */

static bool
has_room(const struct watch *w)
{
	return sim_conn_backlog(w->conn) < SIM_ROOM_BELOW;
}

/* The objects there are, as synthetic ADDEDs. */
static void
send_initial(struct watch *w)
{
	struct sim_conn *c = w->conn;
	struct sim_item *item;

	while (w->next < w->initial->n && has_room(w)) {
		item = &w->initial->item[w->next++];
		send_line(w, sim_line_event(SIM_ADDED, item->object,
		    &item->st, w->form));
		if (sim_conn_dead(c))        /* then w is gone */
			return;
	}
	if (w->next < w->initial->n)
		return;
	w->above = w->initial->rv;
	sim_snapshot_unref(w->initial);
	w->initial = NULL;
	if (w->mark_end)
		send_bookmark(w, true);
}

static void
send_history(struct watch *w)
{
	struct sim_store *s = w->all->sim->store;
	struct sim_conn *c = w->conn;
	struct sim_event *ev;

	for (size_t i = sim_store_after(s, w->above); i < s->window_n; i++) {
		if (!has_room(w))
			return;
		ev = sim_store_event(s, i);
		if (ev->rv > sim_api_seen(c))
			return;
		w->above = ev->rv;
		if (ev->object->kind == w->kind)
			send_event(w, ev);
		forget_lines(w->all);
		if (sim_conn_dead(c))        /* then w is gone */
			return;
	}
	w->live = true;
}

static void
watch_room(UNUSED struct sim_conn *c, void *ctx)
{
	struct watch *w = ctx;

	assert(w->magic == WATCH_MAGIC);
	if (w->live)
		return;
	if (w->initial != NULL) {
		send_initial(w);
		if (sim_conn_dead(c) || w->initial != NULL)
			return;
	}
	if (w->above < w->all->sim->store->floor_rv) {
		send_line(w, sim_line_error(sim_status_make(410, "Expired",
		    "The resourceVersion for the provided watch is too old.",
		    NULL)));
		watch_end(w);
		return;
	}
	send_history(w);
}

/* ---- the start ---- */

static int64_t
timeout_ms(struct sim_conn *c)
{
	struct sim *sim = sim_conn_sim(c);
	const char *text = sim_conn_param(c, "timeoutSeconds");
	int64_t least = sim->modes.watch_min_s;
	uint64_t n;

	if (text != NULL && sim_http_number(text, &n) && n > 0 &&
	    n < INT32_MAX)
		return (int64_t)n * 1000;
	/* Not from the store's dice: requests must not change the story. */
	return (least + (int64_t)(sim_conn_id(c) * 2654435761u %
	    (uint64_t)least)) * 1000;
}

static bool
flag_set(struct sim_conn *c, const char *name)
{
	const char *text = sim_conn_param(c, name);

	return text != NULL && (strcmp(text, "1") == 0 ||
	    strcmp(text, "true") == 0);
}

static struct watch *
watch_new(struct sim_conn *c, const struct sim_path *p)
{
	struct sim *sim = sim_conn_sim(c);
	struct watch *w = xcalloc(1, sizeof(*w));

	w->magic = WATCH_MAGIC;
	w->all = sim->watches;
	w->conn = c;
	w->kind = p->kind;
	memcpy(w->ns, p->ns, sizeof(w->ns));
	w->form = sim_api_form(c, SIM_STREAM);
	w->bookmarks = flag_set(c, "allowWatchBookmarks") &&
	    !(sim->modes.uncached & SIM_BIT(p->kind));
	w->deadline = mono_add_ms(mono_now(), timeout_ms(c));
	w->next_bookmark = mono_add_ms(mono_now(), sim->modes.bookmark_ms);
	TAILQ_INSERT_TAIL(&w->all->list[w->kind], w, entry);
	w->all->n++;
	sim_conn_own(c, watch_gone, w);
	sim_conn_on_room(c, watch_room, w);
	return w;
}

/* Why the real server refuses (422), NULL: it does not. */
static const char *
wrong_parameters(struct sim_conn *c)
{
	const char *match = sim_conn_param(c, "resourceVersionMatch");
	bool initial = sim_conn_param(c, "sendInitialEvents") != NULL;
	enum sim_watchlist mode =
	    (enum sim_watchlist)sim_conn_sim(c)->modes.watchlist;

	if (initial && mode == SIM_WATCHLIST_OFF)
		return "sendInitialEvents: Forbidden: sendInitialEvents is "
		    "forbidden for watch unless the WatchList feature gate is "
		    "enabled";
	if (initial && mode == SIM_WATCHLIST_IGNORED)
		return NULL;
	if (initial && (match == NULL || strcmp(match, "NotOlderThan") != 0))
		return "resourceVersionMatch: Forbidden: sendInitialEvents "
		    "requires setting resourceVersionMatch to NotOlderThan";
	if (!initial && match != NULL)
		return "resourceVersionMatch: Forbidden: resourceVersionMatch "
		    "is forbidden for watch unless sendInitialEvents is "
		    "provided";
	return NULL;
}

/* An error that is known before the first event; true: sent. */
static bool
refused(struct sim_conn *c, const struct sim_path *p, uint64_t rv,
    bool initial)
{
	struct sim *sim = sim_conn_sim(c);
	int error = sim_faults_watch_error(sim->faults, c);
	char message[128];

	if (error != 0) {
		send_error(c, sim_status_make(error, error == 410 ?
		    "Expired" : "InternalError", "injected by the test",
		    NULL));
	} else if (initial && sim->modes.watchlist == SIM_WATCHLIST_ERROR) {
		send_error(c, sim_status_make(500, "InternalError",
		    "etcd does not support RequestWatchProgress", NULL));
	} else if (rv == 0 || initial || rv >= sim->store->floor_rv) {
		return false;
	} else if (sim->modes.silent & SIM_BIT(p->kind)) {
		sim_conn_stream(c, NULL);
		sim_conn_stream_end(c);
	} else {
		(void)snprintf(message, sizeof(message), "too old resource "
		    "version: %" PRIu64 " (%" PRIu64 ")", rv,
		    sim->store->floor_rv);
		send_error(c, sim_status_make(410, "Expired", message, NULL));
	}
	return true;
}

/* selector is taken over. */
static void
begin(struct sim_conn *c, const struct sim_path *p,
    const struct sim_query *q, struct sim_selector *selector, uint64_t rv,
    bool given, bool initial)
{
	struct sim *sim = sim_conn_sim(c);
	int mode = sim->modes.watchlist;
	struct watch *w = watch_new(c, p);

	w->selector = selector;
	w->members = mode == SIM_WATCHLIST_GZIP && initial &&
	    sim_accept_gzip(sim_conn_request(c)->accept_encoding);
	sim_conn_stream(c, w->members ? MEMBER_HEAD : NULL);
	if (rv != 0 && !initial) {
		w->above = rv;       /* a future one: silent until it passed */
	} else {
		w->initial = sim_snapshot_at(sim->store, q, given ?
		    sim_api_seen(c) : sim->store->rv);
		if (w->initial == NULL)
			w->initial = sim_snapshot_now(sim->store, q, q->ns,
			    "");
		/* Seen on 1.36: at an empty version also when not asked
		 * for; a server that ignores the parameter is too old. */
		w->mark_end = w->bookmarks && (!given || initial) &&
		    mode != SIM_WATCHLIST_IGNORED;
	}
	watch_room(c, w);
}

/* A watch list waits for its version, and says so as an event. */
static void
too_large_due(struct sim_conn *c, void *ctx)
{
	uint64_t *rv = ctx, wanted = *rv;

	sim_conn_own(c, NULL, NULL);
	free(rv);
	send_error(c, sim_status_too_large(wanted, sim_api_seen(c)));
}

static void
too_large_gone(UNUSED struct sim_conn *c, void *ctx)
{
	free(ctx);
}

static void
wait_too_large(struct sim_conn *c, uint64_t rv)
{
	uint64_t *kept = xmalloc(sizeof(*kept));

	*kept = rv;
	sim_conn_own(c, too_large_gone, kept);
	sim_conn_defer(c, sim_conn_sim(c)->modes.too_large_ms, too_large_due,
	    kept);
}

void
sim_watch_start(struct sim_conn *c, const struct sim_path *p)
{
	struct sim *sim = sim_conn_sim(c);
	bool given, initial = flag_set(c, "sendInitialEvents") &&
	    sim->modes.watchlist != SIM_WATCHLIST_IGNORED;
	const char *why = wrong_parameters(c);
	struct sim_selector *selector = NULL;
	struct sim_query q;
	uint64_t rv;

	if (sim_api_version(c, &rv, &given) != 0)
		return;
	if (why != NULL) {
		sim_conn_status(c, 422, "Invalid", -1, "ListOptions."
		    "meta.k8s.io \"\" is invalid: %s", why);
		return;
	}
	if (sim_list_query(c, p, &q, &selector) != 0)
		return;
	if (initial && rv > sim_api_seen(c)) {
		wait_too_large(c, rv);
	} else if (!refused(c, p, rv, initial)) {
		begin(c, p, &q, selector, rv, given, initial);
		return;
	}
	sim_selector_free(selector);
}

/* ---- time ---- */

static void
watch_tick(struct watch *w, struct mono now)
{
	int64_t left = mono_diff_ms(w->deadline, now);

	if (left <= 0) {
		watch_end(w);
		return;
	}
	if (!w->bookmarks || !w->live)
		return;
	if (left <= w->all->sim->modes.before_end_ms && !w->warned) {
		w->warned = true;
		send_bookmark(w, false);
	} else if (w->all->sim->modes.bookmark_ms > 0 &&
	    !mono_before(now, w->next_bookmark)) {
		w->next_bookmark = mono_add_ms(now,
		    w->all->sim->modes.bookmark_ms);
		send_bookmark(w, false);
	}
}

static void
watches_tick_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct sim_watches *all = arg;
	struct mono now = mono_now();
	struct watch *w, *next;

	for (int k = 0; k < SIM_KIND_MAX; k++) {
		for (w = TAILQ_FIRST(&all->list[k]); w != NULL; w = next) {
			next = TAILQ_NEXT(w, entry);
			watch_tick(w, now);
		}
	}
}

struct sim_watches *
sim_watch_new(struct sim *sim)
{
	struct sim_watches *all = xcalloc(1, sizeof(*all));
	struct timeval tv = mono_timeval_ms(TICK_MS);

	all->sim = sim;
	for (int k = 0; k < SIM_KIND_MAX; k++)
		TAILQ_INIT(&all->list[k]);
	all->tick = event_new(sim->base, -1, EV_PERSIST, watches_tick_cb, all);
	if (all->tick == NULL)
		abort();
	(void)evtimer_add(all->tick, &tv);
	sim->store->on_event = watch_event_cb;
	sim->store->ctx = all;
	return all;
}

void
sim_watch_free(struct sim_watches *all)
{
	if (all == NULL)
		return;
	sim_watch_drop_all(all, false);
	all->sim->store->on_event = NULL;
	event_free(all->tick);
	free(all);
}

void
sim_watch_drop_all(struct sim_watches *all, bool reset)
{
	struct watch *w, *next;

	for (int k = 0; k < SIM_KIND_MAX; k++) {
		for (w = TAILQ_FIRST(&all->list[k]); w != NULL; w = next) {
			next = TAILQ_NEXT(w, entry);
			if (reset)
				sim_conn_reset(w->conn);
			else
				watch_end(w);
		}
	}
}

void
sim_watch_bookmark_interval(struct sim_watches *all, int64_t ms)
{
	struct mono next = mono_add_ms(mono_now(), ms);
	struct watch *w;

	all->sim->modes.bookmark_ms = ms;
	for (int k = 0; k < SIM_KIND_MAX; k++)
		for (w = TAILQ_FIRST(&all->list[k]); w != NULL;
		    w = TAILQ_NEXT(w, entry))
			w->next_bookmark = next;
}

void
sim_watch_catch_up(struct sim_watches *all)
{
	struct watch *w, *next;

	for (int k = 0; k < SIM_KIND_MAX; k++) {
		for (w = TAILQ_FIRST(&all->list[k]); w != NULL; w = next) {
			next = TAILQ_NEXT(w, entry);
			watch_room(w->conn, w);
		}
	}
}

size_t
sim_watch_count(const struct sim_watches *all)
{
	return all->n;
}

uint64_t
sim_watch_dropped(const struct sim_watches *all)
{
	return all->dropped;
}

size_t
sim_watch_backlog(const struct sim_watches *all)
{
	struct watch *w;
	size_t most = 0;

	for (int k = 0; k < SIM_KIND_MAX; k++)
		for (w = TAILQ_FIRST(&all->list[k]); w != NULL;
		    w = TAILQ_NEXT(w, entry))
			most = MAX(most, sim_conn_backlog(w->conn));
	return most;
}
