#include "watcher/store_ask.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/query.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/departed.h"
#include "watcher/inv_object.h"
#include "watcher/store_answer.h"

#define STORE_ASK_MAGIC 0x41534b53u   /* "ASKS" */

enum phase {
	PHASE_REGISTERING,   /* the broker has not answered yet */
	PHASE_ASKING,        /* the store has not */
	PHASE_OPEN,
};

struct store_ask {
	uint32_t		 magic;
	struct role		*role;
	struct inventory	*inv;
	struct job_streams	*jobs;       /* or NULL */
	store_ask_moved_cb	 moved;
	void			*arg;
	struct query_client	*query;
	enum phase		 phase;
	bool			 behind;     /* the store has yet to answer */
	bool			 compare;    /* RESYNC: and say what it holds */
	bool			 comparing;  /* this round answers one */
	bool			 hold;       /* states wait for that answer */
	bool			 again;      /* ask once more after this */
	struct position		 tip;        /* the store must know it */
	struct departed		 departed;  /* since the last page's question */
	char			*after;      /* what that page is behind */
	bool			 job_pages;  /* it is one of job streams */
	struct event		*retry;
	uint64_t		*tickets;    /* questions under way */
	size_t			 n_tickets;
	size_t			 answers;    /* of them */
	char			 trouble[512];   /* with the bindings; "" */
};

static void	ask(struct store_ask *a);
static bool	ask_page(struct store_ask *a, struct slice after);
static void	ask_page_again(struct store_ask *a);

/* --- how a round ends ----------------------------------------------------- */

static void
forget_questions(struct store_ask *a)
{
	size_t i;

	for (i = 0; i < a->n_tickets; i++)
		query_cancel(a->query, a->tickets[i]);
	free(a->tickets);
	a->tickets = NULL;
	a->n_tickets = 0;
	a->answers = 0;
	departed_clear(&a->departed);
}

static void
store_away(struct store_ask *a, const char *why)
{
	forget_questions(a);
	a->compare = a->compare || a->comparing;
	a->hold = a->comparing = false;
	if (a->phase == PHASE_ASKING) {
		log_warn("the store did not say what it knows (%s): "
		    "publishing everything as `sync`", why);
		a->phase = PHASE_OPEN;
		a->behind = true;
		inventory_sync_all(a->inv);
	} else {
		log_debug("store: %s", why);
		a->again = true;
	}
	timer_arm(a->retry, STORE_ASK_MS);
	a->moved(a->arg);
}

static void
store_answered(struct store_ask *a)
{
	forget_questions(a);
	a->phase = PHASE_OPEN;
	/* What the round was for is done, whatever came meanwhile: one after
	 * it is for that alone, or under a steady stream none would end. */
	a->behind = a->comparing = false;
	a->hold = a->compare;
	if (a->again)
		ask(a);
	a->moved(a->arg);
}

/* --- what the streams show ------------------------------------------------ */

/* The object was deleted by this watcher since the question was asked: the
 * answer may be from before, the inventory has let it go. */
static bool
has_departed(struct store_ask *a, struct slice key)
{
	size_t cluster = strlen("resource:") + strlen(a->role->instance) + 1;

	return key.n > cluster && departed_has(&a->departed,
	    (struct slice){ key.p + cluster, key.n - cluster });
}

/* Of a page there is one more behind it, the last one is empty; behind the
 * last one of objects come those of job streams. */
static bool
ask_behind(struct store_ask *a, struct slice last)
{
	if (last.p != NULL)
		return ask_page(a, last);
	if (a->jobs == NULL || a->job_pages)
		return true;
	a->job_pages = true;
	return ask_page(a, slice_str(""));
}

static void
take_snapshot(struct store_ask *a, const struct query_snapshot *snapshot,
    const struct err *err, bool page)
{
	struct rd rd;
	struct item item;
	uint32_t i;

	assert(a->magic == STORE_ASK_MAGIC);
	if (snapshot == NULL) {
		store_away(a, err->text);
		return;
	}
	a->answers++;
	if (page && a->departed.full) {
		ask_page_again(a);
		return;
	}
	rd = snapshot->items;
	for (i = 0; i < snapshot->count; i++) {
		if (item_decode(&rd, &item, true) < 0) {
			store_away(a, "an unreadable answer");
			return;
		}
		if (page && a->job_pages)
			job_streams_stored(a->jobs, &item);
		else if (!page || !has_departed(a, item.key))
			store_answer_item(a->inv, a->role->instance, &item);
	}
	if (page && !ask_behind(a, snapshot->count > 0 ? item.key :
	    SLICE_NONE))
		store_away(a, "too many questions are waiting");
	else if (a->answers == a->n_tickets)
		store_answered(a);
}

static void
store_ask_snapshot_cb(const struct query_snapshot *snapshot,
    const struct err *err, void *arg)
{
	take_snapshot(arg, snapshot, err, false);
}

static void
store_ask_page_cb(const struct query_snapshot *snapshot,
    const struct err *err, void *arg)
{
	take_snapshot(arg, snapshot, err, true);
}

static void
add_ticket(struct store_ask *a, uint64_t ticket)
{
	a->tickets = xreallocarray(a->tickets, a->n_tickets + 1,
	    sizeof(*a->tickets));
	a->tickets[a->n_tickets++] = ticket;
}

static bool
ask_snapshot(struct store_ask *a, struct slice tenant,
    const struct slice *selectors, size_t n)
{
	uint64_t ticket = query_snapshot(a->query, tenant, selectors, n,
	    a->tip, STORE_ASK_MS, store_ask_snapshot_cb, a);

	if (ticket == 0)
		return false;
	add_ticket(a, ticket);
	return true;
}

struct workflows {
	struct binding_ref {
		const char	*tenant, *workflow;
	}	*refs;
	size_t	 n;
};

static void
collect_workflow(const struct inv_binding *b, void *arg)
{
	struct workflows *w = arg;

	if ((w->n & (w->n - 1)) == 0)
		w->refs = xreallocarray(w->refs, w->n == 0 ? 1 : w->n * 2,
		    sizeof(*w->refs));
	w->refs[w->n++] = (struct binding_ref){ b->tenant, b->workflow };
}

static int
compare_refs(const void *a, const void *b)
{
	const struct binding_ref *x = a, *y = b;
	int c = strcmp(x->tenant, y->tenant);

	return c != 0 ? c : strcmp(x->workflow, y->workflow);
}

/* One question per tenant and QUERY_SELECTORS_MAX workflows. */
static bool
ask_workflows(struct store_ask *a, struct workflows *w)
{
	struct slice selectors[QUERY_SELECTORS_MAX];
	char *texts[QUERY_SELECTORS_MAX];
	const char *tenant;
	size_t i = 0, n, k;
	bool ok = true;

	if (w->n > 1)
		qsort(w->refs, w->n, sizeof(*w->refs), compare_refs);
	while (i < w->n && ok) {
		tenant = w->refs[i].tenant;
		for (n = 0; i < w->n && n < QUERY_SELECTORS_MAX &&
		    strcmp(w->refs[i].tenant, tenant) == 0; i++) {
			if (n > 0 && strcmp(texts[n - 1] +
			    strlen("workflow:"), w->refs[i].workflow) == 0)
				continue;
			texts[n] = xasprintf("workflow:%s",
			    w->refs[i].workflow);
			selectors[n] = slice_str(texts[n]);
			n++;
		}
		ok = ask_snapshot(a, slice_str(tenant), selectors, n);
		for (k = 0; k < n; k++)
			free(texts[k]);
	}
	return ok;
}

/* What the streams of the cluster's objects, or jobs, show, which may be more
 * than one answer holds. The answer knows what was announced until now. */
static bool
ask_page(struct store_ask *a, struct slice after)
{
	char *all = xasprintf("%s:%s/*", a->job_pages ? "job" : "resource",
	    a->role->instance);
	char *behind = slice_dup(after);
	uint64_t ticket = query_page(a->query, slice_str(EVENT_TENANT_DEFAULT),
	    slice_str(all), after, a->tip, STORE_ASK_MS, store_ask_page_cb,
	    a);

	free(all);
	free(a->after);
	a->after = behind;
	departed_clear(&a->departed);
	if (ticket == 0)
		return false;
	add_ticket(a, ticket);
	return true;
}

/* More was deleted meanwhile than is kept. */
static void
ask_page_again(struct store_ask *a)
{
	char *after = a->after;

	a->after = NULL;
	if (!ask_page(a, slice_str(after)))
		store_away(a, "too many questions are waiting");
	free(after);
}

static void
ask_snapshots(struct store_ask *a)
{
	struct workflows w = { NULL, 0 };
	bool ok;

	a->job_pages = false;
	inventory_workflows(a->inv, collect_workflow, &w);
	ok = ask_page(a, slice_str("")) && ask_workflows(a, &w);
	free(w.refs);
	if (!ok)
		store_away(a, "too many questions are waiting");
}

/* --- the bindings, and a round -------------------------------------------- */

/* Told once, until it is something else: bindings come again and again. */
static void
say_refused(struct store_ask *a, const struct store_answer_refused *refused)
{
	char *text = a->trouble;
	size_t size = sizeof(a->trouble);
	char before[sizeof(a->trouble)];
	int n = 0;

	(void)snprintf(before, sizeof(before), "%s", text);
	text[0] = '\0';
	if (refused->unusable > 0)
		n = snprintf(text, size, "left out %u bindings that name no "
		    "stream or object, the first: %s; put or delete that "
		    "workflow", refused->unusable, refused->which);
	if (refused->crowded > 0)
		(void)snprintf(text + n, size - (size_t)n, "%sleft out %u "
		    "bindings of objects with more than %u workflow nodes, "
		    "the first: %s", n > 0 ? "; " : "", refused->crowded,
		    INV_OBJECT_BINDINGS_MAX, refused->example);
	if (text[0] != '\0' && strcmp(text, before) != 0)
		log_warn("%s", text);
}

static void
store_ask_bindings_cb(int status, struct slice json, void *arg)
{
	struct store_ask *a = arg;
	struct store_answer_refused refused;

	assert(a->magic == STORE_ASK_MAGIC);
	forget_questions(a);
	if (status != 0 ||
	    !store_answer_bindings(a->inv, json, &refused)) {
		store_away(a, "the bindings could not be had");
		return;
	}
	say_refused(a, &refused);
	if (a->phase == PHASE_ASKING || a->behind || a->comparing)
		ask_snapshots(a);
	else
		store_answered(a);
}

/* Bindings first, then (at the start, after an absence, on RESYNC) what the
 * streams show. One round at a time. */
static void
ask(struct store_ask *a)
{
	char *question = xasprintf("{\"op\":\"bindings\",\"cluster\":\"%s\"}",
	    a->role->instance);
	uint64_t ticket;

	a->again = false;
	a->comparing = a->comparing || a->compare;
	a->compare = false;
	(void)evtimer_del(a->retry);
	ticket = query_json(a->query, slice_str(question), STORE_ASK_MS,
	    store_ask_bindings_cb, a);
	free(question);
	if (ticket == 0)
		store_away(a, "too many questions are waiting");
	else
		add_ticket(a, ticket);
}

static void
store_ask_retry_cb(evutil_socket_t fd, short what, void *arg)
{
	struct store_ask *a = arg;

	(void)fd;
	(void)what;
	assert(a->magic == STORE_ASK_MAGIC);
	if (a->n_tickets == 0)
		ask(a);
}

/* --- what the outbox says and asks ---------------------------------------- */

bool
store_ask_start(struct store_ask *a, struct position tip)
{
	if (a->phase != PHASE_REGISTERING)
		return false;
	a->tip = tip;
	a->phase = PHASE_ASKING;
	ask(a);
	return true;
}

void
store_ask_bindings(struct store_ask *a)
{
	if (a->phase == PHASE_REGISTERING)
		return;
	if (a->n_tickets > 0)
		a->again = true;
	else
		ask(a);
}

void
store_ask_compare(struct store_ask *a)
{
	a->compare = a->hold = true;
	store_ask_bindings(a);
}

void
store_ask_appended(struct store_ask *a, struct position at,
    const struct inv_object *deleted)
{
	a->tip = at;
	if (deleted != NULL && a->n_tickets > 0)
		departed_add(&a->departed, kinds[deleted->kind].name,
		    deleted->path);
}

bool
store_ask_open(const struct store_ask *a)
{
	return a->phase == PHASE_OPEN;
}

bool
store_ask_behind(const struct store_ask *a)
{
	return a->behind;
}

const char *
store_ask_trouble(const struct store_ask *a)
{
	return a->trouble;
}

bool
store_ask_holding(const struct store_ask *a)
{
	return a->hold;
}

/* --- life ----------------------------------------------------------------- */

struct store_ask *
store_ask_new(struct role *role, struct inventory *inv,
    struct job_streams *jobs, store_ask_moved_cb moved, void *arg,
    struct err *err)
{
	struct store_ask *a = xcalloc(1, sizeof(*a));
	char *bus = conf_bus_directory(&role->conf);

	a->magic = STORE_ASK_MAGIC;
	a->role = role;
	a->inv = inv;
	a->jobs = jobs;
	a->moved = moved;
	a->arg = arg;
	a->retry = timer_new(role->base, store_ask_retry_cb, a);
	a->query = query_client_new(role->base, bus, err);
	free(bus);
	if (a->query == NULL) {
		store_ask_free(a);
		return NULL;
	}
	return a;
}

void
store_ask_free(struct store_ask *a)
{
	if (a == NULL)
		return;
	if (a->query != NULL) {
		forget_questions(a);
		query_client_free(a->query);
	}
	departed_clear(&a->departed);
	free(a->after);
	event_free(a->retry);
	a->magic = 0;
	free(a);
}
