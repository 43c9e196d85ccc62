#include "tests/kubesim/sim_watch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_status.h"

#define WATCH_MAGIC       0x3a7c45eeu
#define BOOKMARK_MS       60000    /* cacher.go: about every minute */
#define BEFORE_END_MS     2000     /* ... and 2 s before the deadline */
#define TIMEOUT_MIN_S     1800     /* the server's own choice: 30-60 min */
#define TICK_MS           20

struct watch {
	unsigned		 magic;
	TAILQ_ENTRY(watch)	 entry;
	struct sim_watches	*all;
	struct sim_conn		*conn;
	enum sim_kind		 kind;
	char			 ns[SIM_NAME_MAX + 1];
	enum sim_form		 form;
	uint64_t		 above;          /* only what is newer is sent */
	bool			 bookmarks;
	bool			 warned;         /* bookmark before the end */
	struct mono		 deadline;
	struct mono		 next_bookmark;
};

struct sim_watches {
	struct sim		*sim;
	TAILQ_HEAD(watch_list, watch) list[SIM_KIND_MAX];
	struct event		*tick;
	int64_t			 bookmark_ms;
	size_t			 n;
	uint64_t		 dropped;
};

/* ---- lines ---- */

static struct sim_text *
line_of_buffer(struct evbuffer *line)
{
	size_t n = evbuffer_get_length(line);
	struct sim_text *t = sim_http_chunk(evbuffer_pullup(line, -1), n);

	evbuffer_free(line);
	return t;
}

static struct sim_text *
line_of_object(enum sim_change change, struct sim_blob *blob,
    enum sim_form form)
{
	static const char *const heads[SIM_CHANGE_MAX] = {
		[SIM_ADDED] = "{\"type\":\"ADDED\",\"object\":",
		[SIM_MODIFIED] = "{\"type\":\"MODIFIED\",\"object\":",
		[SIM_DELETED] = "{\"type\":\"DELETED\",\"object\":",
	};
	struct evbuffer *line = evbuffer_new();

	if (line == NULL)
		abort();
	sim_api_add_object(line, blob, form, false, heads[change]);
	(void)evbuffer_add(line, "}\n", 2);
	return line_of_buffer(line);
}

static void
send_and_forget(struct watch *w, struct sim_text *t)
{
	sim_conn_stream_text(w->conn, t);
	sim_text_unref(t);
}

static void
send_bookmark(struct watch *w, bool initial_end)
{
	const struct sim_kind_row *row = sim_kinds_row(w->kind);
	struct evbuffer *line = evbuffer_new();
	bool partial = w->form >= SIM_PARTIAL;

	if (line == NULL)
		abort();
	(void)evbuffer_add_printf(line, "{\"type\":\"BOOKMARK\",\"object\":{"
	    "\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{"
	    "\"resourceVersion\":\"%" PRIu64 "\"%s}%s}}\n",
	    partial ? "PartialObjectMetadata" : row->kind,
	    partial ? "meta.k8s.io/v1" : sim_kinds_api_version(w->kind),
	    w->all->sim->store->rv, initial_end ? ",\"annotations\":{"
	    "\"k8s.io/initial-events-end\":\"true\"}" : "",
	    partial ? "" : row->bookmark_tail);
	send_and_forget(w, line_of_buffer(line));
}

static void
send_error(struct sim_conn *c, json_t *status)
{
	json_t *event = json_pack("{s:s, s:o}", "type", "ERROR", "object",
	    status);
	char *text = json_dumps(event, JSON_COMPACT);
	struct evbuffer *line = evbuffer_new();
	struct sim_text *t;

	if (text == NULL || line == NULL)
		abort();
	(void)evbuffer_add_printf(line, "%s\n", text);
	t = line_of_buffer(line);
	sim_conn_stream(c);
	sim_conn_stream_text(c, t);
	sim_conn_stream_end(c);
	sim_text_unref(t);
	free(text);
	json_decref(event);
}

/* ---- a watch's life ---- */

static void
watch_free(struct watch *w)
{
	assert(w->magic == WATCH_MAGIC);
	TAILQ_REMOVE(&w->all->list[w->kind], w, entry);
	w->all->n--;
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
	watch_free(w);
	sim_conn_stream_end(c);
}

static void
send_event(struct watch *w, struct sim_event *ev)
{
	if (ev->rv <= w->above ||
	    (w->ns[0] != '\0' && strcmp(w->ns, ev->object->ns) != 0))
		return;
	if (ev->line[w->form] == NULL)
		ev->line[w->form] = line_of_object(ev->change, ev->blob,
		    w->form);
	sim_conn_stream_text(w->conn, ev->line[w->form]);
	if (sim_conn_backlog(w->conn) <= w->all->sim->opt.watch_buffer)
		return;
	w->all->dropped++;
	sim_conn_reset(w->conn);
}

static void
watch_event_cb(struct sim_event *ev, void *ctx)
{
	struct sim_watches *all = ctx;
	struct watch *w, *next;

	for (w = TAILQ_FIRST(&all->list[ev->object->kind]); w != NULL;
	    w = next) {
		next = TAILQ_NEXT(w, entry);
		send_event(w, ev);
	}
}

/* Synthetic ADDEDs: in the order of keys, not of versions. */
static void
send_initial(struct watch *w)
{
	struct sim_store *s = w->all->sim->store;
	struct sim_object *o;
	size_t i = sim_store_lower(s, w->kind, w->ns, "");

	for (; i < s->n[w->kind]; i++) {
		o = s->sorted[w->kind][i];
		if (w->ns[0] != '\0' && strcmp(o->ns, w->ns) != 0)
			break;
		send_and_forget(w, line_of_object(SIM_ADDED, o->blob,
		    w->form));
	}
}

static void
send_history(struct watch *w, uint64_t rv)
{
	struct sim_store *s = w->all->sim->store;
	struct sim_conn *c = w->conn;
	enum sim_kind kind = w->kind;
	struct sim_event *ev;

	for (size_t i = sim_store_after(s, rv); i < s->window_n; i++) {
		ev = sim_store_event(s, i);
		if (ev->object->kind == kind)
			send_event(w, ev);
		if (sim_conn_dead(c))        /* then w is gone */
			return;
	}
}

/* ---- the start ---- */

static int64_t
timeout_ms(struct sim_conn *c)
{
	struct sim_store *s = sim_conn_sim(c)->store;
	const char *text = sim_conn_param(c, "timeoutSeconds");
	uint64_t n;

	if (text != NULL && sim_http_number(text, &n) && n > 0 &&
	    n < INT32_MAX)
		return (int64_t)n * 1000;
	return (TIMEOUT_MIN_S + (int64_t)sim_store_below(s, TIMEOUT_MIN_S)) *
	    1000;
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
	struct sim_watches *all = sim_conn_sim(c)->watches;
	struct watch *w = xcalloc(1, sizeof(*w));

	w->magic = WATCH_MAGIC;
	w->all = all;
	w->conn = c;
	w->kind = p->kind;
	memcpy(w->ns, p->ns, sizeof(w->ns));
	w->form = sim_api_form(c, SIM_STREAM);
	w->bookmarks = flag_set(c, "allowWatchBookmarks");
	w->deadline = mono_add_ms(mono_now(), timeout_ms(c));
	w->next_bookmark = mono_add_ms(mono_now(), all->bookmark_ms);
	TAILQ_INSERT_TAIL(&all->list[w->kind], w, entry);
	all->n++;
	sim_conn_own(c, watch_gone, w);
	return w;
}

/* What the server says before it answers 200; false after having done so. */
static bool
parameters_fit(struct sim_conn *c, bool initial)
{
	const char *match = sim_conn_param(c, "resourceVersionMatch");
	const char *label = sim_conn_param(c, "labelSelector");
	const char *field = sim_conn_param(c, "fieldSelector");

	if (initial != (match != NULL) ||
	    (match != NULL && strcmp(match, "NotOlderThan") != 0)) {
		sim_conn_status(c, 422, "Invalid", -1, "resourceVersionMatch: "
		    "Forbidden: resourceVersionMatch is forbidden for watch "
		    "unless sendInitialEvents is provided, and required then");
		return false;
	}
	if ((label != NULL && label[0] != '\0') ||
	    (field != NULL && field[0] != '\0')) {
		sim_conn_status(c, 400, "BadRequest", -1,
		    "selectors are not served by the simulator");
		return false;
	}
	return true;
}

void
sim_watch_start(struct sim_conn *c, const struct sim_path *p)
{
	struct sim *sim = sim_conn_sim(c);
	bool given, initial = flag_set(c, "sendInitialEvents");
	int error = sim_faults_watch_error(sim->faults, c);
	struct watch *w;
	uint64_t rv;

	if (sim_api_version(c, &rv, &given) != 0 || !parameters_fit(c, initial))
		return;
	if (error != 0) {
		send_error(c, sim_status_make(error, error == 410 ?
		    "Expired" : "InternalError", "injected by the test",
		    NULL));
		return;
	}
	if (rv != 0 && !initial && rv < sim->store->floor_rv) {
		send_error(c, sim_status_make(410, "Expired",
		    "The resourceVersion for the provided watch is too old.",
		    NULL));
		return;
	}
	w = watch_new(c, p);
	sim_conn_stream(c);
	if (rv != 0 && !initial) {
		w->above = rv;      /* a future one: silent until it passed */
		send_history(w, rv);
		return;
	}
	send_initial(w);
	/* Seen on 1.36: at an empty version also when not asked for. */
	if (w->bookmarks && (!given || initial))
		send_bookmark(w, true);
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
	if (!w->bookmarks)
		return;
	if (left <= BEFORE_END_MS && !w->warned) {
		w->warned = true;
		send_bookmark(w, false);
	} else if (w->all->bookmark_ms > 0 &&
	    !mono_before(now, w->next_bookmark)) {
		w->next_bookmark = mono_add_ms(now, w->all->bookmark_ms);
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
	all->bookmark_ms = BOOKMARK_MS;
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

	all->bookmark_ms = ms;
	for (int k = 0; k < SIM_KIND_MAX; k++)
		for (w = TAILQ_FIRST(&all->list[k]); w != NULL;
		    w = TAILQ_NEXT(w, entry))
			w->next_bookmark = next;
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
