#include "watcher/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "watcher/inv_object.h"
#include "watcher/inv_table.h"

struct inventory {
	struct inv_table	  table;
	struct inv_object	 *first;        /* dirty, oldest first */
	struct inv_object	**last;
	uint32_t		  mark[KINDS_MAX];
	bool			  listed[KINDS_MAX];
	bool			  listing[KINDS_MAX];
	size_t			  futures;      /* objects that have some */
	int64_t			  due;          /* of the first of them */
	struct inventory_counts	  counts;
};

/* --- the objects ---------------------------------------------------------- */

struct inventory *
inventory_new(void)
{
	struct inventory *inv = xcalloc(1, sizeof(*inv));

	inv_table_init(&inv->table);
	inv->last = &inv->first;
	return inv;
}

/* Keeps count of the objects that have some. */
static void
futures_clear(struct inventory *inv, struct inv_object *o)
{
	if (o->futures != NULL)
		inv->futures--;
	inv_object_futures_clear(o);
}

static void
object_free(struct inventory *inv, struct inv_object *o)
{
	futures_clear(inv, o);
	inv->counts.bindings -= inv_object_free(o);
}

void
inventory_free(struct inventory *inv)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;

	if (inv == NULL)
		return;
	while ((o = inv_table_next(&inv->table, &c)) != NULL)
		object_free(inv, o);
	inv_table_clear(&inv->table);
	free(inv);
}

static struct inv_object *
entry(struct inventory *inv, unsigned kind, struct slice namespace,
    struct slice name)
{
	struct inv_object *o = inv_table_entry(&inv->table, kind, namespace,
	    name);

	inv->counts.entries = inv->table.n;
	return o;
}

/* Removes an entry nobody needs any more. */
static void
release(struct inventory *inv, struct inv_object *o)
{
	if (o->present || o->stored || o->gone || o->dirty || o->in_flight ||
	    o->bindings != NULL)
		return;
	inv_table_remove(&inv->table, o);
	inv->counts.entries = inv->table.n;
	object_free(inv, o);
}

typedef void (*each_fn)(struct inventory *inv, struct inv_object *o,
    void *arg);

/* `fn` may release the object it is given. */
static void
each(struct inventory *inv, each_fn fn, void *arg)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;

	while ((o = inv_table_next(&inv->table, &c)) != NULL)
		fn(inv, o, arg);
}

/* --- what is to be published ---------------------------------------------- */

static bool
needs(const struct inventory *inv, const struct inv_object *o)
{
	if (o->gone || inv_object_differs(o))
		return true;
	/* Missing is said only when a whole list did not name it. */
	return (o->present || inv->listed[o->kind]) &&
	    inv_object_nodes_differ(o);
}

static void
touch(struct inventory *inv, struct inv_object *o)
{
	if (o->dirty || o->in_flight || !needs(inv, o))
		return;
	o->dirty = true;
	o->next_dirty = NULL;
	*inv->last = o;
	inv->last = &o->next_dirty;
}

static void
unqueue_first(struct inventory *inv)
{
	struct inv_object *o = inv->first;

	inv->first = o->next_dirty;
	if (inv->first == NULL)
		inv->last = &inv->first;
	o->next_dirty = NULL;
	o->dirty = false;
}

struct inv_object *
inventory_first(struct inventory *inv)
{
	struct inv_object *o;

	/* What changed back meanwhile needs nothing. */
	while ((o = inv->first) != NULL && !needs(inv, o)) {
		unqueue_first(inv);
		release(inv, o);
	}
	return o;
}

void
inventory_sent(struct inventory *inv, struct inv_object *o)
{
	struct inv_binding *b;

	unqueue_first(inv);
	o->in_flight = true;
	o->leaving = o->gone;
	o->gone = false;
	o->sync = false;
	free(o->gone_status);
	o->gone_status = NULL;
	o->published = 0;
	o->published_state = NULL;
	o->stored = o->present;
	if (o->present) {
		o->published = inv_object_hash(slice_str(o->status));
		o->published_state = inv_object_state(o->status);
	} else {
		free(o->status);
		o->status = NULL;
	}
	for (b = o->bindings; b != NULL; b = b->next)
		b->published = inv_object_hash(inv_object_node_status(o));
}

void
inventory_answered(struct inventory *inv, struct inv_object *o,
    bool accepted)
{
	struct inv_binding *b;

	o->in_flight = false;
	if (!accepted) {
		o->published = 0;
		for (b = o->bindings; b != NULL; b = b->next)
			b->published = 0;
	} else {
		touch(inv, o);
	}
	release(inv, o);
}

/* --- what the cluster says ------------------------------------------------ */

static void
judge_all(struct inventory *inv, struct inv_object *o,
    const struct kube_object *object, int64_t now)
{
	futures_clear(inv, o);
	inv_object_judge(o, object, now);
	if (o->futures == NULL)
		return;
	inv->futures++;
	if (inv->due == 0 || o->futures->at_unix_ms < inv->due)
		inv->due = o->futures->at_unix_ms;
}

/* The object is gone; what it last looked like goes with the deletion. */
static void
vanish(struct inventory *inv, struct inv_object *o, bool unknown)
{
	if (o->present)
		inv->counts.objects[o->kind]--;
	futures_clear(inv, o);
	/* One that no stream ever showed leaves without a word. */
	if (o->stored && !o->gone) {
		o->gone = true;
		o->gone_unknown = unknown;
		o->gone_status = o->status == NULL ? NULL :
		    xstrdup(o->status);
	}
	o->present = false;
	o->sync = false;
	touch(inv, o);
	release(inv, o);
}

void
inventory_seen(struct inventory *inv, unsigned kind,
    const struct kube_object *object, int64_t now_unix_ms)
{
	struct inv_object *o = entry(inv, kind, object->namespace,
	    object->name);
	uint8_t uid[16] = { 0 };
	bool real = inv_object_uid(object->uid, uid);

	if (o->present && memcmp(o->uid, uid, sizeof(uid)) != 0) {
		/* Same name, another object: the old one was deleted. */
		vanish(inv, o, true);
		o = entry(inv, kind, object->namespace, object->name);
	}
	if (!o->present)
		inv->counts.objects[kind]++;
	o->present = true;
	o->uid_real = real;
	memcpy(o->uid, uid, sizeof(uid));
	o->mark = inv->mark[kind];
	o->version = inv_object_version(object->resource_version);
	judge_all(inv, o, object, now_unix_ms);
	touch(inv, o);
}

void
inventory_deleted(struct inventory *inv, unsigned kind,
    const struct kube_object *object, int64_t now_unix_ms)
{
	struct inv_object *o = entry(inv, kind, object->namespace,
	    object->name);
	uint8_t uid[16] = { 0 };

	(void)inv_object_uid(object->uid, uid);
	if (o->present && memcmp(o->uid, uid, sizeof(uid)) == 0) {
		o->version = inv_object_version(object->resource_version);
		judge_all(inv, o, object, now_unix_ms);
		vanish(inv, o, false);
		return;
	}
	/* Not the one we know: nothing to say. */
	release(inv, o);
}

void
inventory_list_begin(struct inventory *inv, unsigned kind)
{
	inv->mark[kind]++;
	inv->listing[kind] = true;
}

static void
sweep(struct inventory *inv, struct inv_object *o, void *arg)
{
	const unsigned *kind = arg;

	if (o->kind != *kind)
		return;
	if (o->present ? o->mark != inv->mark[*kind] : o->stored && !o->gone)
		vanish(inv, o, true);
	else
		touch(inv, o);
}

void
inventory_list_end(struct inventory *inv, unsigned kind)
{
	inv->listed[kind] = true;
	inv->listing[kind] = false;
	each(inv, sweep, &kind);
}

struct tick {
	int64_t	now;
	int64_t	next;
};

static void
tick_one(struct inventory *inv, struct inv_object *o, void *arg)
{
	struct tick *t = arg;
	const struct inv_future *f;

	while ((f = o->futures) != NULL && f->at_unix_ms <= t->now) {
		inv_object_advance(o);
		if (o->futures == NULL)
			inv->futures--;
		touch(inv, o);
	}
	if (f != NULL && (t->next == 0 || f->at_unix_ms < t->next))
		t->next = f->at_unix_ms;
}

void
inventory_tick(struct inventory *inv, int64_t now_unix_ms)
{
	struct tick t = { .now = now_unix_ms };

	if (inv->futures > 0)
		each(inv, tick_one, &t);
	inv->due = t.next;
}

int64_t
inventory_due(const struct inventory *inv)
{
	return inv->due;
}

/* --- what the store says -------------------------------------------------- */

void
inventory_stored(struct inventory *inv, unsigned kind,
    struct slice namespace, struct slice name, struct slice status)
{
	struct inv_object *o = entry(inv, kind, namespace, name);
	char *text;

	if (o->stored || o->gone || (o->in_flight && o->leaving) ||
	    status.n > INVENTORY_STATUS_MAX) {
		release(inv, o);
		return;
	}
	text = slice_dup(status);
	o->stored = true;
	o->published = inv_object_hash(status);
	o->published_state = inv_object_state(text);
	if (o->present) {
		free(text);
		return;
	}
	free(o->status);
	o->status = text;
	if (inv->listed[kind] && !inv->listing[kind])
		vanish(inv, o, true);
}

bool
inventory_stored_node(struct inventory *inv, unsigned kind,
    struct slice namespace, struct slice name,
    const struct inv_node *node, struct slice status)
{
	struct inv_object *o = inv_table_find(&inv->table, kind,
	    namespace, name);
	struct inv_binding *b = o == NULL ? NULL :
	    inv_object_binding(o, node->tenant, node->workflow, node->node);

	if (b == NULL)
		return false;
	if (b->published == 0)
		b->published = inv_object_hash(status);
	return true;
}

static void
sync_one(struct inventory *inv, struct inv_object *o, void *arg)
{
	(void)arg;
	/* A node whose object is gone has a status too. */
	o->sync = o->present || o->bindings != NULL;
	touch(inv, o);
}

void
inventory_sync_all(struct inventory *inv)
{
	each(inv, sync_one, NULL);
}

static void
compare_one(struct inventory *inv, struct inv_object *o, void *arg)
{
	(void)arg;
	touch(inv, o);
}

void
inventory_compare_all(struct inventory *inv)
{
	each(inv, compare_one, NULL);
}

/* --- bindings ------------------------------------------------------------- */

static void
unkeep(struct inventory *inv, struct inv_object *o, void *arg)
{
	struct inv_binding *b;

	(void)inv;
	(void)arg;
	for (b = o->bindings; b != NULL; b = b->next)
		b->keep = false;
}

void
inventory_bind_begin(struct inventory *inv)
{
	each(inv, unkeep, NULL);
}

bool
inventory_bind(struct inventory *inv, unsigned kind, struct slice namespace,
    struct slice name, struct slice tenant, struct slice workflow,
    struct slice node)
{
	struct inv_object *o = entry(inv, kind, namespace, name);
	struct inv_binding *b = inv_object_binding(o, tenant, workflow, node);

	if (b != NULL) {
		b->keep = true;
		return true;
	}
	if (!inv_object_bind(o, tenant, workflow, node))
		return false;
	inv->counts.bindings++;
	return true;
}

static void
sweep_bindings(struct inventory *inv, struct inv_object *o, void *arg)
{
	struct inv_binding **link = &o->bindings, *b;

	(void)arg;
	while ((b = *link) != NULL) {
		if (b->keep) {
			link = &b->next;
			continue;
		}
		*link = b->next;
		inv_object_unbind(b);
		inv->counts.bindings--;
	}
	touch(inv, o);
	release(inv, o);
}

void
inventory_bind_end(struct inventory *inv)
{
	each(inv, sweep_bindings, NULL);
}

struct walk {
	inventory_workflow_cb	 cb;
	void			*arg;
};

static void
walk_bindings(struct inventory *inv, struct inv_object *o, void *arg)
{
	const struct walk *w = arg;
	const struct inv_binding *b;

	(void)inv;
	for (b = o->bindings; b != NULL; b = b->next)
		w->cb(b, w->arg);
}

void
inventory_workflows(struct inventory *inv, inventory_workflow_cb cb,
    void *arg)
{
	struct walk w = { cb, arg };

	each(inv, walk_bindings, &w);
}

const struct inventory_counts *
inventory_counts(const struct inventory *inv)
{
	return &inv->counts;
}
