#include "tests/kubesim/sim_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_status.h"
#include "tests/kubesim/sim_watch_open.h"

#define TICK_MS 20

/* ---- a watch's life ---- */

static void
watch_free(struct watch *w)
{
	assert(w->magic == SIM_WATCH_MAGIC);
	TAILQ_REMOVE(&w->all->list[w->kind], w, entry);
	w->all->n--;
	sim_snapshot_unref(w->initial);
	sim_selector_free(w->selector);
	w->magic = 0;
	free(w);
}

void
sim_watch_gone(UNUSED struct sim_conn *c, void *ctx)
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

/* The one that ends the initial state stands where that was taken: what came
 * since is still to be told. */
static void
send_bookmark(struct watch *w, bool initial_end)
{
	if (w->all->sim->modes.watchlist == SIM_WATCHLIST_ENDLESS)
		return;
	send_line(w, sim_line_bookmark(w->kind, w->form,
	    initial_end ? w->above : MAX(w->above, sim_api_seen(w->conn)),
	    initial_end));
}

/* ---- events ---- */

/* Of a watch's tables the first alone has columns. */
static enum sim_form
next_form(struct watch *w)
{
	enum sim_form form = w->form;

	if (form == SIM_TABLE_HEAD)
		w->form = SIM_TABLE;
	return form;
}

static void
send_event(struct watch *w, const struct sim_event *ev)
{
	enum sim_form form = w->form;
	struct sim_text **shared = &w->all->line[form], *t;

	if (w->ns[0] != '\0' && strcmp(w->ns, ev->object->ns) != 0)
		return;
	if (w->selector != NULL) {
		t = sim_line_selected(ev, w->selector, form);
		if (t != NULL) {
			(void)next_form(w);
			send_line(w, t);
		}
		return;
	}
	(void)next_form(w);
	if (*shared == NULL)
		*shared = sim_line_event(ev->change, ev->object, &ev->st,
		    form);
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
		    &item->st, next_form(w)));
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

void
sim_watch_room(struct sim_conn *c, void *ctx)
{
	struct watch *w = ctx;

	assert(w->magic == SIM_WATCH_MAGIC);
	/* What is sent may leave at once, and that makes room. */
	if (w->live || w->filling)
		return;
	w->filling = true;
	if (w->initial != NULL) {
		send_initial(w);
		if (sim_conn_dead(c))        /* then w is gone */
			return;
		if (w->initial != NULL) {
			w->filling = false;
			return;
		}
	}
	if (w->above < w->all->sim->store->floor_rv) {
		send_line(w, sim_line_error(sim_status_make(410, "Expired",
		    "The resourceVersion for the provided watch is too old.",
		    NULL)));
		watch_end(w);
		return;
	}
	send_history(w);
	if (!sim_conn_dead(c))
		w->filling = false;
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
	/* Seen on 1.36: one at a version to come gets nothing at all. */
	if (!w->bookmarks || !w->live || w->above > sim_api_seen(w->conn))
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
			sim_watch_room(w->conn, w);
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
