#include "tests/kubesim/sim_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_check.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_page.h"
#include "tests/kubesim/sim_status.h"
#include "tests/kubesim/sim_token.h"

#define LOOK_AGAIN_MS 50      /* while a list waits for its version */

/* A list that was taken apart; `path` is a copy. */
struct wish {
	struct sim_path	path;
	uint64_t	rv;
	bool		given;           /* resourceVersion was not empty */
	bool		exact;
	size_t		limit;
	struct mono	give_up;
};

/* ---- selectors ---- */

static const char *
text_param(struct sim_conn *c, const char *name)
{
	const char *text = sim_conn_param(c, name);

	return text != NULL ? text : "";
}

int
sim_list_query(struct sim_conn *c, const struct sim_path *p,
    struct sim_query *ret, struct sim_selector **ret_selector)
{
	struct err err = { 0 };

	*ret = (struct sim_query){ .kind = p->kind, .ns = p->ns,
	    .labels = text_param(c, "labelSelector"),
	    .fields = text_param(c, "fieldSelector") };
	if (sim_selector_parse(p->kind, ret->labels, ret->fields,
	    ret_selector, &err) != 0) {
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
		return -1;
	}
	ret->selector = *ret_selector;
	return 0;
}

/* ---- answers when there is no such state ---- */

/* 410 with a token for the rest as it is now, inconsistent with before. */
static void
reply_expired(struct sim_conn *c, const struct sim_token *t)
{
	char *rest = sim_token_make(-1, t->ns, t->name);
	json_t *status = sim_status_make(410, "Expired", "The provided "
	    "continue parameter is too old to display a consistent list "
	    "result. You can start a new list without the continue parameter, "
	    "or use the continue token in this response to retrieve the "
	    "remainder of the results. Continuing with the provided token "
	    "results in an inconsistent list - objects that were created, "
	    "modified, or deleted between the time the first chunk was "
	    "returned and now may show up in the list.", NULL);

	(void)json_object_set_new(json_object_get(status, "metadata"),
	    "continue", json_string(rest));
	sim_conn_reply_json(c, 410, status);
	free(rest);
}

static void
reply_too_large(struct sim_conn *c, uint64_t rv)
{
	sim_conn_reply_json(c, 504,
	    sim_status_too_large(rv, sim_api_seen(c)));
}

/* ---- the state that is asked for ---- */

/* Sends the page and keeps the snapshot if there is more of it. */
static void
reply_snapshot(struct sim_conn *c, struct sim_snapshot *p, size_t limit)
{
	struct sim *sim = sim_conn_sim(c);

	if (limit != 0 && limit < p->n)
		sim_shelf_put(sim->shelf, p, sim->opt.continue_ms);
	sim_page_reply(c, p, 0, limit);
	sim_snapshot_unref(p);
}

static void
list_continue(struct sim_conn *c, const struct sim_query *q, const char *text,
    size_t limit)
{
	struct sim *sim = sim_conn_sim(c);
	struct sim_snapshot *p;
	struct sim_token t = { 0 };

	if (!sim_token_parse(text, &t)) {
		sim_conn_status(c, 400, "BadRequest", -1, "invalid continue "
		    "token: continue key is not valid: %.32s", text);
		return;
	}
	if (t.rv < 0) {
		reply_snapshot(c, sim_snapshot_now(sim->store, q, t.ns,
		    t.name), limit);
		return;
	}
	p = sim_shelf_find(sim->shelf, q, (uint64_t)t.rv);
	if (p == NULL)
		reply_expired(c, &t);
	else
		sim_page_reply(c, p, sim_snapshot_index(p, t.ns, t.name),
		    limit);
}

/* rv is not above what this listener has seen. */
static void
list_at(struct sim_conn *c, const struct wish *w, const struct sim_query *q)
{
	struct sim *sim = sim_conn_sim(c);
	uint64_t rv = sim_api_seen(c);
	struct sim_snapshot *p;

	if (w->exact)
		rv = w->rv;
	else if (!w->given)          /* a quorum read does not lag */
		rv = sim->store->rv;
	p = sim_snapshot_at(sim->store, q, rv);
	if (p == NULL)
		sim_conn_status(c, 410, "Expired", -1, "The resourceVersion "
		    "for the provided list is too old.");
	else
		reply_snapshot(c, p, w->limit);
}

static void
wish_gone(UNUSED struct sim_conn *c, void *ctx)
{
	free(ctx);
}

/* Waits until the version has been seen, as the watch cache does. */
static void
wish_look(struct sim_conn *c, void *ctx)
{
	struct wish *w = ctx;
	struct sim_selector *selector = NULL;
	struct sim_query q;
	bool seen = w->rv <= (w->exact ? sim_conn_sim(c)->store->rv :
	    sim_api_seen(c));

	if (!seen && mono_before(mono_now(), w->give_up)) {
		sim_conn_defer(c, LOOK_AGAIN_MS, wish_look, w);
		return;
	}
	sim_conn_own(c, NULL, NULL);
	if (!seen) {
		reply_too_large(c, w->rv);
	} else if (sim_list_query(c, &w->path, &q, &selector) == 0) {
		list_at(c, w, &q);
		sim_selector_free(selector);
	}
	free(w);
}

/* ---- parameters ---- */

/* The combinations a real server refuses; false after having answered. */
static bool
parameters_fit(struct sim_conn *c)
{
	json_t *refusal = sim_check_list(&(struct sim_check){
	    .match = text_param(c, "resourceVersionMatch"),
	    .version = text_param(c, "resourceVersion"),
	    .more = text_param(c, "continue"),
	    .initial = sim_conn_param(c, "sendInitialEvents") != NULL });

	if (refusal != NULL)
		sim_conn_reply_json(c, 422, refusal);
	return refusal == NULL;
}

int
sim_list_number(struct sim_conn *c, const char *name, uint64_t *ret)
{
	const char *text = text_param(c, name);
	bool negative = text[0] == '-';

	*ret = 0;
	if (text[0] == '\0' || sim_http_number(text + negative, ret)) {
		/* A limit below zero is none. */
		if (negative)
			*ret = 0;
		return 0;
	}
	sim_conn_status(c, 400, "BadRequest", -1, "strconv.ParseInt: parsing "
	    "\"%.32s\": invalid syntax", text);
	return -1;
}

static void
list_or_wait(struct sim_conn *c, const struct wish *w,
    const struct sim_query *q)
{
	uint64_t seen = w->exact || !w->given ? sim_conn_sim(c)->store->rv :
	    sim_api_seen(c);
	struct wish *waiting;

	if (w->rv <= seen) {
		list_at(c, w, q);
		return;
	}
	waiting = xmalloc(sizeof(*waiting));
	*waiting = *w;
	waiting->give_up = mono_add_ms(mono_now(),
	    sim_conn_sim(c)->modes.too_large_ms);
	sim_conn_own(c, wish_gone, waiting);
	sim_conn_defer(c, LOOK_AGAIN_MS, wish_look, waiting);
}

/* A server may bring less than what was asked for. */
static size_t
page_size(struct sim_conn *c, uint64_t limit)
{
	uint64_t max = (uint64_t)sim_conn_sim(c)->modes.page_max;

	return (size_t)(limit == 0 || max == 0 ? limit : MIN(limit, max));
}

void
sim_list_start(struct sim_conn *c, const struct sim_path *p)
{
	const char *more = text_param(c, "continue");
	const char *match = text_param(c, "resourceVersionMatch");
	struct wish w = { .path = *p };
	struct sim_selector *selector = NULL;
	struct sim_query q;
	uint64_t limit, seconds;

	if (sim_list_number(c, "limit", &limit) != 0 ||
	    sim_list_number(c, "timeoutSeconds", &seconds) != 0 ||
	    !parameters_fit(c) ||
	    sim_api_version(c, false, &w.rv, &w.given) != 0)
		return;
	if (more[0] != '\0' && w.rv != 0) {
		sim_conn_status(c, 400, "BadRequest", -1, "specifying resource "
		    "version is not allowed when using continue");
		return;
	}
	if (sim_list_query(c, p, &q, &selector) != 0)
		return;
	/* A version of zero is served from the cache, which has no pages. */
	w.limit = w.given && w.rv == 0 &&
	    sim_faults_ignores_limit(sim_conn_sim(c)->faults) ? 0 :
	    page_size(c, limit);
	/* A limit with a version means that very version, for old clients. */
	w.exact = strcmp(match, "Exact") == 0 ||
	    (match[0] == '\0' && w.rv != 0 && limit != 0);
	if (more[0] != '\0')
		list_continue(c, &q, more, w.limit);
	else
		list_or_wait(c, &w, &q);
	sim_selector_free(selector);
}
