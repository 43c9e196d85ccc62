#include "watcher/outbox.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/macros.h"
#include "common/mono.h"
#include "common/query.h"
#include "common/xmalloc.h"
#include "watcher/inv_object.h"
#include "watcher/json_scan.h"
#include "watcher/payload.h"

#define OUTBOX_MAGIC 0x4f555442u   /* "OUTB" */
#define STATES_MAX   256u          /* watcher states waiting */

enum phase {
	PHASE_REGISTERING,   /* the broker has not answered yet */
	PHASE_ASKING,        /* the store has not */
	PHASE_OPEN,
};

/* An object's group that is with the broker. */
struct sent {
	struct sent		*next, **link;
	struct outbox		*outbox;
	struct inv_object	*object;
	bool			 deletion;   /* one is among its events */
};

struct state_event {
	struct state_event	*next;
	struct payload		 payload;
};

struct outbox {
	uint32_t		 magic;
	struct role		*role;
	struct inventory	*inv;
	struct publisher	*publisher;
	struct query_client	*query;
	outbox_registered_cb	 registered;
	void			*arg;
	enum phase		 phase;
	bool			 behind;     /* the store has yet to answer */
	bool			 compare;    /* RESYNC: and say what it holds */
	bool			 hold;       /* states wait for that answer */
	bool			 again;      /* ask once more after this */
	struct position		 tip;        /* the store must know it */
	struct position		 removed;    /* the last deletion appended */
	struct event		*flush;
	struct event		*retry;
	struct sent		*sent;
	struct state_event	*states, **last_state;
	unsigned		 n_states;
	const char		*said[KINDS_MAX];   /* last state per kind */
	uint64_t		*tickets;    /* questions under way */
	size_t			 n_tickets;
	size_t			 answers;    /* of them */
	struct outbox_counts	 counts;
};

static void	ask(struct outbox *o);

void
outbox_kick(struct outbox *o)
{
	event_active(o->flush, EV_TIMEOUT, 0);
}

/* --- to the broker -------------------------------------------------------- */

static void
sent_free(struct sent *s)
{
	if (s->next != NULL)
		s->next->link = s->link;
	*s->link = s->next;
	free(s);
}

static void
count_result(struct outbox *o, const struct publish_result *result)
{
	if (result->code == RECORD_APPENDED) {
		o->counts.published += result->count;
		o->tip = result->position;
		return;
	}
	if (o->counts.refused++ == 0)
		log_error("the broker refused an event (%s); raise "
		    "journal.max_streams if there are more objects than that",
		    result->code == RECORD_LIMIT ? "too many streams" :
		    "unexpected answer");
}

static void
outbox_object_result_cb(const struct publish_result *result, void *arg)
{
	struct sent *s = arg;
	struct outbox *o = s->outbox;
	struct inv_object *object = s->object;

	assert(o->magic == OUTBOX_MAGIC);
	if (s->deletion && result->code == RECORD_APPENDED)
		o->removed = result->position;
	sent_free(s);
	count_result(o, result);
	inventory_answered(o->inv, object, result->code == RECORD_APPENDED);
	outbox_kick(o);
}

static void
outbox_state_result_cb(const struct publish_result *result, void *arg)
{
	struct outbox *o = arg;

	assert(o->magic == OUTBOX_MAGIC);
	count_result(o, result);
	outbox_kick(o);
}

/* The object's events as one atomic group; returns how many. */
static size_t
make_group(const struct outbox *o, const struct inv_object *object,
    struct payload *p)
{
	const char *cluster = o->role->instance;
	const struct inv_binding *b;
	int64_t now = wall_unix_ms();
	size_t n = 0;

	if (object->gone)
		payload_deleted(&p[n++], cluster, object, now);
	if (inv_object_differs(object))
		payload_status_update(&p[n++], cluster, object, now);
	for (b = object->bindings; b != NULL; b = b->next)
		if (inv_object_node_differs(object, b))
			payload_node_update(&p[n++], cluster, object, b, now);
	return n;
}

/* False: the publisher takes nothing more now. */
static bool
send_object(struct outbox *o, struct inv_object *object)
{
	struct payload p[INV_OBJECT_BINDINGS_MAX + 2];
	struct item items[INV_OBJECT_BINDINGS_MAX + 2];
	struct sent *s;
	size_t n, i;
	int rc;

	/* The store could not say what its stream shows. */
	if (o->behind && object->present && !object->stored)
		object->sync = true;
	n = make_group(o, object, p);
	for (i = 0; i < n; i++)
		items[i] = p[i].item;
	s = xcalloc(1, sizeof(*s));
	s->outbox = o;
	s->object = object;
	s->deletion = object->gone;
	rc = publisher_submit(o->publisher, items, n,
	    outbox_object_result_cb, s);
	for (i = 0; i < n; i++)
		payload_clear(&p[i]);
	if (rc < 0) {
		free(s);
		return false;
	}
	s->link = &o->sent;
	s->next = o->sent;
	if (s->next != NULL)
		s->next->link = &s->next;
	o->sent = s;
	inventory_sent(o->inv, object);
	return true;
}

static bool
send_states(struct outbox *o)
{
	struct state_event *ev;

	while ((ev = o->states) != NULL) {
		if (publisher_submit(o->publisher, &ev->payload.item, 1,
		    outbox_state_result_cb, o) < 0)
			return false;
		o->states = ev->next;
		if (o->states == NULL)
			o->last_state = &o->states;
		o->n_states--;
		payload_clear(&ev->payload);
		free(ev);
	}
	return true;
}

/* Objects first: who reads "watching" may rely on their being there. */
static void
outbox_flush_cb(evutil_socket_t fd, short what, void *arg)
{
	struct outbox *o = arg;
	struct inv_object *object;

	(void)fd;
	(void)what;
	assert(o->magic == OUTBOX_MAGIC);
	if (o->phase != PHASE_OPEN)
		return;
	while ((object = inventory_first(o->inv)) != NULL)
		if (!send_object(o, object))
			return;
	/* Nor may the store take them for the end of what it asked for. */
	if (!o->hold)
		(void)send_states(o);
}

/* --- from the store ------------------------------------------------------- */

static void
forget_questions(struct outbox *o)
{
	size_t i;

	for (i = 0; i < o->n_tickets; i++)
		query_cancel(o->query, o->tickets[i]);
	free(o->tickets);
	o->tickets = NULL;
	o->n_tickets = 0;
	o->answers = 0;
}

static void
store_away(struct outbox *o, const char *why)
{
	struct timeval tv = mono_timeval_ms(OUTBOX_STORE_MS);

	forget_questions(o);
	o->hold = false;
	if (o->phase == PHASE_ASKING) {
		log_warn("the store did not say what it knows (%s): "
		    "publishing everything as `sync`", why);
		o->phase = PHASE_OPEN;
		o->behind = true;
		inventory_sync_all(o->inv);
	} else {
		log_debug("store: %s", why);
		o->again = true;
	}
	(void)evtimer_add(o->retry, &tv);
	outbox_kick(o);
}

static void
store_answered(struct outbox *o)
{
	forget_questions(o);
	o->phase = PHASE_OPEN;
	if (o->again) {
		ask(o);
	} else {
		o->behind = o->compare = o->hold = false;
	}
	outbox_kick(o);
}

/* "<name>" of a key is "<cluster>/<kind>/<namespace>/<name>". */
static bool
split_key(struct slice key, const char *cluster, struct slice ret[3])
{
	size_t prefix = strlen("resource:") + strlen(cluster) + 1, i;
	const char *p, *end = key.p + key.n, *slash;

	if (key.n <= prefix)
		return false;
	p = key.p + prefix;
	for (i = 0; i < 2; i++) {
		slash = memchr(p, '/', (size_t)(end - p));
		if (slash == NULL)
			return false;
		ret[i] = (struct slice){ p, (size_t)(slash - p) };
		p = slash + 1;
	}
	ret[2] = (struct slice){ p, (size_t)(end - p) };
	return ret[2].n > 0 && ret[1].n <= KUBE_NAME_MAX &&
	    ret[2].n <= KUBE_NAME_MAX;
}

static void
apply_node(struct outbox *o, const struct item *item)
{
	enum { N_TYPE, N_STATUS, N_CLUSTER, N_NAMESPACE, N_NAME, N_MAX };
	static const struct json_want want_resource[] = {
		{ "cluster_id", N_CLUSTER, NULL, 0 },
		{ "namespace", N_NAMESPACE, NULL, 0 },
		{ "name", N_NAME, NULL, 0 },
	};
	static const struct json_want want[] = {
		{ "type", N_TYPE, NULL, 0 },
		{ "status", N_STATUS, NULL, 0 },
		{ "resource", -1, want_resource, NELEM(want_resource) },
	};
	size_t prefix = strlen("workflow:");
	struct inv_node node = { item->tenant, { item->key.p + prefix,
		item->key.n - prefix }, item->subject };
	struct slice v[N_MAX];
	int kind;

	if (!json_scan(item_data(item), want, NELEM(want), v, N_MAX) ||
	    v[N_STATUS].p == NULL ||
	    !json_scan_is(v[N_CLUSTER], o->role->instance))
		return;
	kind = kinds_find(json_scan_text(v[N_TYPE]));
	if (kind >= 0)
		(void)inventory_stored_node(o->inv, (unsigned)kind,
		    json_scan_text(v[N_NAMESPACE]), json_scan_text(v[N_NAME]),
		    &node, v[N_STATUS]);
}

static void
apply_item(struct outbox *o, const struct item *item)
{
	static const struct json_want want[] = { { "status", 0, NULL, 0 } };
	struct slice status, part[3];
	int kind;

	if (slice_is(item->event_type, "node_update")) {
		apply_node(o, item);
		return;
	}
	if (!json_scan(item_data(item), want, 1, &status, 1) ||
	    status.p == NULL)
		return;
	if (!slice_is(item->event_type, "status_update") ||
	    !split_key(item->key, o->role->instance, part))
		return;
	kind = kinds_find(part[0]);
	if (kind >= 0)
		inventory_stored(o->inv, (unsigned)kind, part[1], part[2],
		    status);
}

static void
outbox_snapshot_cb(const struct query_snapshot *snapshot,
    const struct err *err, void *arg)
{
	struct outbox *o = arg;
	struct rd rd;
	struct item item;
	uint32_t i;

	assert(o->magic == OUTBOX_MAGIC);
	if (snapshot == NULL) {
		store_away(o, err->text);
		return;
	}
	/* A deletion newer than the answer: an object that stands in it may be
	 * one that this inventory has let go. */
	if (o->removed.epoch == snapshot->as_of.epoch &&
	    o->removed.number > snapshot->as_of.number) {
		forget_questions(o);
		ask(o);
		return;
	}
	rd = snapshot->items;
	for (i = 0; i < snapshot->count; i++) {
		if (item_decode(&rd, &item, true) < 0) {
			store_away(o, "an unreadable answer");
			return;
		}
		apply_item(o, &item);
	}
	if (++o->answers == o->n_tickets)
		store_answered(o);
}

static void
add_ticket(struct outbox *o, uint64_t ticket)
{
	o->tickets = xreallocarray(o->tickets, o->n_tickets + 1,
	    sizeof(*o->tickets));
	o->tickets[o->n_tickets++] = ticket;
}

static bool
ask_snapshot(struct outbox *o, struct slice tenant,
    const struct slice *selectors, size_t n)
{
	uint64_t ticket = query_snapshot(o->query, tenant, selectors, n,
	    o->tip, OUTBOX_STORE_MS, outbox_snapshot_cb, o);

	if (ticket == 0)
		return false;
	add_ticket(o, ticket);
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
ask_workflows(struct outbox *o, struct workflows *w)
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
		ok = ask_snapshot(o, slice_str(tenant), selectors, n);
		for (k = 0; k < n; k++)
			free(texts[k]);
	}
	return ok;
}

static void
ask_snapshots(struct outbox *o)
{
	char *all = xasprintf("resource:%s/*", o->role->instance);
	struct slice selector = slice_str(all);
	struct workflows w = { NULL, 0 };
	bool ok;

	inventory_workflows(o->inv, collect_workflow, &w);
	ok = ask_snapshot(o, slice_str(EVENT_TENANT_DEFAULT), &selector, 1) &&
	    ask_workflows(o, &w);
	free(w.refs);
	free(all);
	if (!ok)
		store_away(o, "too many questions are waiting");
}

/* --- bindings ------------------------------------------------------------- */

static struct slice
member(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	if (!json_is_string(v))
		return SLICE_NONE;
	return (struct slice){ json_string_value(v), json_string_length(v) };
}

static bool
fits(struct slice s, size_t max)
{
	return s.p != NULL && s.n <= max && memchr(s.p, '\0', s.n) == NULL;
}

static void
bind_one(struct outbox *o, const json_t *row)
{
	struct slice name = member(row, "name"), node = member(row, "node");
	struct slice namespace = member(row, "namespace");
	struct slice workflow = member(row, "workflow");
	struct slice tenant = member(row, "tenant");
	int kind = kinds_find(member(row, "kind"));

	/* Of a kind this watcher does not follow: nothing to say. */
	if (kind < 0)
		return;
	if (!fits(name, KUBE_NAME_MAX) || !fits(namespace, KUBE_NAME_MAX) ||
	    !fits(workflow, EVENT_NAME_MAX) ||
	    !fits(node, EVENT_SUBJECT_MAX) ||
	    !fits(tenant, EVENT_TENANT_MAX) || name.n == 0) {
		log_warn("the store named an unusable binding");
		return;
	}
	if (!inventory_bind(o->inv, (unsigned)kind, namespace, name, tenant,
	    workflow, node))
		log_warn("%s %.*s/%.*s has more than %u workflow nodes",
		    kinds[kind].name, (int)namespace.n, namespace.p,
		    (int)name.n, name.p, INV_OBJECT_BINDINGS_MAX);
}

static void
outbox_bindings_cb(int status, struct slice json, void *arg)
{
	struct outbox *o = arg;
	json_t *root, *list, *row;
	size_t i;

	assert(o->magic == OUTBOX_MAGIC);
	forget_questions(o);
	root = status == 0 ? json_loadb(json.p, json.n, 0, NULL) : NULL;
	list = json_object_get(root, "bindings");
	if (!json_is_array(list)) {
		json_decref(root);
		store_away(o, "the bindings could not be had");
		return;
	}
	inventory_bind_begin(o->inv);
	json_array_foreach(list, i, row)
		bind_one(o, row);
	inventory_bind_end(o->inv);
	json_decref(root);
	if (o->phase == PHASE_ASKING || o->behind || o->compare)
		ask_snapshots(o);
	else
		store_answered(o);
}

/* Bindings first, then (at the start, after an absence, on RESYNC) what the
 * streams show. One round at a time. */
static void
ask(struct outbox *o)
{
	char *question = xasprintf("{\"op\":\"bindings\",\"cluster\":\"%s\"}",
	    o->role->instance);
	uint64_t ticket;

	o->again = false;
	(void)evtimer_del(o->retry);
	ticket = query_json(o->query, slice_str(question), OUTBOX_STORE_MS,
	    outbox_bindings_cb, o);
	free(question);
	if (ticket == 0)
		store_away(o, "too many questions are waiting");
	else
		add_ticket(o, ticket);
}

static void
outbox_retry_cb(evutil_socket_t fd, short what, void *arg)
{
	struct outbox *o = arg;

	(void)fd;
	(void)what;
	assert(o->magic == OUTBOX_MAGIC);
	if (o->n_tickets == 0)
		ask(o);
}

void
outbox_bindings_changed(struct outbox *o)
{
	if (o->phase == PHASE_REGISTERING)
		return;
	if (o->n_tickets > 0)
		o->again = true;
	else
		ask(o);
}

/* --- life ----------------------------------------------------------------- */

static void
outbox_ready_cb(struct position tip, void *arg)
{
	struct outbox *o = arg;

	assert(o->magic == OUTBOX_MAGIC);
	if (o->phase != PHASE_REGISTERING)
		return;
	o->tip = tip;
	o->phase = PHASE_ASKING;
	ask(o);
	o->registered(o->arg);
}

static void
outbox_fenced_cb(void *arg)
{
	struct outbox *o = arg;

	assert(o->magic == OUTBOX_MAGIC);
	log_warn("a newer watcher of this cluster is at work: leaving");
	role_exit(o->role);
}

struct outbox *
outbox_new(struct role *role, struct inventory *inv,
    outbox_registered_cb registered, void *arg, struct err *err)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	char *bus = conf_bus_directory(&role->conf);

	o->magic = OUTBOX_MAGIC;
	o->role = role;
	o->inv = inv;
	o->registered = registered;
	o->arg = arg;
	o->last_state = &o->states;
	o->flush = evtimer_new(role->base, outbox_flush_cb, o);
	o->retry = evtimer_new(role->base, outbox_retry_cb, o);
	if (o->flush == NULL || o->retry == NULL)
		abort();
	o->query = query_client_new(role->base, bus, err);
	if (o->query != NULL)
		o->publisher = publisher_new(role->base, bus, role->title,
		    role->incarnation, OUTBOX_BYTES_MAX, outbox_ready_cb,
		    outbox_fenced_cb, o, err);
	free(bus);
	if (o->publisher == NULL) {
		outbox_free(o);
		return NULL;
	}
	return o;
}

void
outbox_free(struct outbox *o)
{
	struct state_event *ev;

	if (o == NULL)
		return;
	if (o->query != NULL) {
		forget_questions(o);
		query_client_free(o->query);
	}
	if (o->publisher != NULL)
		publisher_free(o->publisher);
	for (struct sent *s = o->sent, *next; s != NULL; s = next) {
		next = s->next;
		sent_free(s);
	}
	while ((ev = o->states) != NULL) {
		o->states = ev->next;
		payload_clear(&ev->payload);
		free(ev);
	}
	event_free(o->flush);
	event_free(o->retry);
	o->magic = 0;
	free(o);
}

void
outbox_watcher_state(struct outbox *o, const struct kind_watch_view *view)
{
	const char *word = watch_fsm_word(view->state);
	struct state_event *ev;

	/* A server that comes and goes while the broker is away: the oldest
	 * states are of no use to anybody. */
	if (o->n_states >= STATES_MAX) {
		ev = o->states;
		o->states = ev->next;
		payload_clear(&ev->payload);
		free(ev);
		o->n_states--;
	}
	ev = xcalloc(1, sizeof(*ev));
	payload_watcher_state(&ev->payload, o->role->instance, view,
	    o->said[view->kind],
	    inventory_counts(o->inv)->objects[view->kind], wall_unix_ms());
	o->said[view->kind] = word;
	*o->last_state = ev;
	o->last_state = &ev->next;
	o->n_states++;
	outbox_kick(o);
}

/* What the store holds of objects that are gone becomes deletions: it may have
 * missed those this inventory has long let go. */
void
outbox_resync(struct outbox *o)
{
	inventory_sync_all(o->inv);
	o->compare = o->hold = true;
	outbox_bindings_changed(o);
	outbox_kick(o);
}

bool
outbox_idle(const struct outbox *o)
{
	return publisher_pending(o->publisher) == 0 && o->states == NULL &&
	    inventory_first(o->inv) == NULL;
}

const struct outbox_counts *
outbox_counts(const struct outbox *o)
{
	return &o->counts;
}
