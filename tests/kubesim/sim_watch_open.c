#include "tests/kubesim/sim_watch_open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_check.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_list.h"
#include "tests/kubesim/sim_status.h"

#define MEMBER_HEAD "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"

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
	int64_t timeout = timeout_ms(c);

	w->magic = SIM_WATCH_MAGIC;
	w->all = sim->watches;
	w->conn = c;
	w->kind = p->kind;
	memcpy(w->ns, p->ns, sizeof(w->ns));
	w->form = sim_api_form(c, SIM_STREAM);
	w->bookmarks = flag_set(c, "allowWatchBookmarks") &&
	    !(sim->modes.uncached & SIM_BIT(p->kind));
	w->deadline = mono_add_ms(mono_now(), timeout);
	/* Seen on 1.36: one that is shorter than that gets none. */
	w->warned = timeout <= sim->modes.before_end_ms;
	w->next_bookmark = mono_add_ms(mono_now(), sim->modes.bookmark_ms);
	TAILQ_INSERT_TAIL(&w->all->list[w->kind], w, entry);
	w->all->n++;
	sim_conn_own(c, sim_watch_gone, w);
	return w;
}

/* The combinations a real server refuses; false after having answered. */
static bool
parameters_fit(struct sim_conn *c)
{
	const char *match = sim_conn_param(c, "resourceVersionMatch");
	const char *more = sim_conn_param(c, "continue");
	int mode = sim_conn_sim(c)->modes.watchlist;
	bool initial = sim_conn_param(c, "sendInitialEvents") != NULL;
	json_t *refusal;

	if (initial && mode == SIM_WATCHLIST_IGNORED)
		return true;
	refusal = sim_check_watch(&(struct sim_check){ .initial = initial,
	    .match = match != NULL ? match : "",
	    .more = more != NULL ? more : "",
	    .watchlist_off = mode == SIM_WATCHLIST_OFF });
	if (refusal != NULL)
		sim_conn_reply_json(c, 422, refusal);
	return refusal == NULL;
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
	if (sim_conn_dead(c))                /* then w is gone */
		return;
	if (rv != 0 && !initial) {
		w->above = rv;       /* a future one: silent until it passed */
	} else {
		w->initial = sim_snapshot_at(sim->store, q, given ?
		    sim_api_seen(c) : sim->store->rv);
		if (w->initial == NULL)
			w->initial = sim_snapshot_now(sim->store, q, q->ns,
			    "");
		/* Seen on 1.36: also when not asked for; a server that
		 * ignores the parameter is too old. */
		w->mark_end = w->bookmarks && mode != SIM_WATCHLIST_IGNORED;
	}
	/* Not before: by HTTP/2 the head alone already asks for more. */
	sim_conn_on_room(c, sim_watch_room, w);
	sim_watch_room(c, w);
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
	struct sim_selector *selector = NULL;
	struct sim_query q;
	uint64_t rv, ignored;

	if (sim_list_number(c, "limit", &ignored) != 0 ||
	    sim_list_number(c, "timeoutSeconds", &ignored) != 0 ||
	    !parameters_fit(c) ||
	    sim_list_query(c, p, &q, &selector) != 0)
		return;
	if (sim_api_version(c, true, &rv, &given) != 0) {
		sim_selector_free(selector);
		return;
	}
	if (initial && rv > sim_api_seen(c)) {
		wait_too_large(c, rv);
	} else if (!refused(c, p, rv, initial)) {
		begin(c, p, &q, selector, rv, given, initial);
		return;
	}
	sim_selector_free(selector);
}
