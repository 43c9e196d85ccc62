#include "watcher/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "watcher/inv_object.h"
#include "watcher/inv_set.h"

struct inventory {
	struct inv_set	 set;
	uint32_t	 max;          /* 0: none */
	uint32_t	 mark[KINDS_MAX];
	int64_t		 due;          /* of the first future */
};

struct inventory *
inventory_new(uint32_t max)
{
	struct inventory *inv = xcalloc(1, sizeof(*inv));

	inv->max = max;
	inv_set_init(&inv->set);
	return inv;
}

void
inventory_free(struct inventory *inv)
{
	if (inv == NULL)
		return;
	inv_set_clear(&inv->set);
	free(inv);
}

/* --- what is to be published ---------------------------------------------- */

struct inv_object *
inventory_first(struct inventory *inv)
{
	return inv_set_first(&inv->set);
}

void
inventory_sent(struct inventory *inv, struct inv_object *o)
{
	struct inv_binding *b;

	inv_set_unqueue(&inv->set);
	o->in_flight = true;
	inv->set.counts.waiting[o->kind]++;
	o->leaving = o->gone;
	o->shown = o->stored;
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
		b->published = inv_object_node_hash(inv_object_node_status(o),
		    inv_object_shown_uid(o));
}

/* Nothing of the group was appended: streams show what they did before it. */
static void
take_back(struct inv_object *o)
{
	struct inv_binding *b;

	o->published = 0;
	o->published_state = NULL;   /* what it was before is not kept */
	for (b = o->bindings; b != NULL; b = b->next)
		b->published = 0;
	o->stored = o->shown;
	if (o->leaving) {
		o->gone = true;
	} else if (!o->shown && o->gone) {
		/* It vanished meanwhile, and no stream ever showed it. */
		o->gone = false;
		free(o->gone_status);
		o->gone_status = NULL;
	}
}

void
inventory_answered(struct inventory *inv, struct inv_object *o,
    bool accepted)
{
	bool changed = o->gone || inv_object_differs(o) ||
	    inv_object_nodes_differ(o);

	o->in_flight = false;
	inv->set.counts.waiting[o->kind]--;
	if (!accepted)
		take_back(o);
	/* The same again would be refused again, and again. */
	if (accepted || changed)
		inv_set_touch(&inv->set, o);
	inv_set_release(&inv->set, o);
}

/* --- what the cluster says ------------------------------------------------ */

static void
judge_all(struct inventory *inv, struct inv_object *o,
    const struct kube_object *object, int64_t now)
{
	inv_set_futures_clear(&inv->set, o);
	inv_object_judge(o, object, now);
	if (o->futures == NULL)
		return;
	inv->set.futures++;
	if (inv->due == 0 || o->futures->at_unix_ms < inv->due)
		inv->due = o->futures->at_unix_ms;
}

/* The object is gone; what it last looked like goes with the deletion. */
static void
vanish(struct inventory *inv, struct inv_object *o, bool unknown)
{
	if (o->present)
		inv->set.counts.objects[o->kind]--;
	inv_set_futures_clear(&inv->set, o);
	/* One that no stream ever showed leaves without a word. */
	if (o->stored && !o->gone) {
		o->gone = true;
		o->gone_unknown = unknown;
		o->gone_status = o->status == NULL ? NULL :
		    xstrdup(o->status);
	}
	o->present = false;
	o->sync = false;
	inv_set_touch(&inv->set, o);
	inv_set_release(&inv->set, o);
}

struct inv_object *
inventory_find(const struct inventory *inv, unsigned kind,
    struct slice namespace, struct slice name)
{
	return inv_table_find(&inv->set.table, kind, namespace, name);
}

struct inv_object *
inventory_next(const struct inventory *inv, struct inv_table_cursor *cursor)
{
	return inv_set_next(&inv->set, cursor);
}

/* What is known already has its room. */
static bool
has_room(const struct inventory *inv, unsigned kind,
    const struct kube_object *object)
{
	return inv->max == 0 || inv->set.counts.entries < inv->max ||
	    inv_table_find(&inv->set.table, kind, object->namespace,
	    object->name) != NULL;
}

bool
inventory_seen(struct inventory *inv, unsigned kind,
    const struct kube_object *object, int64_t now_unix_ms)
{
	struct inv_object *o;
	uint8_t uid[16] = { 0 };
	bool real = inv_object_uid(object->uid, uid);

	inv->set.now_unix_ms = now_unix_ms;
	if (!has_room(inv, kind, object))
		return false;
	o = inv_set_entry(&inv->set, kind, object->namespace, object->name);
	if (o->present && memcmp(o->uid, uid, sizeof(uid)) != 0) {
		/* Same name, another object: the old one was deleted. */
		vanish(inv, o, true);
		o = inv_set_entry(&inv->set, kind, object->namespace,
		    object->name);
	}
	if (!o->present)
		inv->set.counts.objects[kind]++;
	o->present = true;
	o->uid_real = real;
	o->compared = true;
	o->behind = false;
	memcpy(o->uid, uid, sizeof(uid));
	o->mark = inv->mark[kind];
	o->version = inv_object_version(object->resource_version);
	judge_all(inv, o, object, now_unix_ms);
	inv_set_touch(&inv->set, o);
	return true;
}

void
inventory_deleted(struct inventory *inv, unsigned kind,
    const struct kube_object *object, int64_t now_unix_ms)
{
	struct inv_object *o = inv_set_entry(&inv->set, kind, object->namespace,
	    object->name);
	uint8_t uid[16] = { 0 };

	inv->set.now_unix_ms = now_unix_ms;
	(void)inv_object_uid(object->uid, uid);
	if (o->present && memcmp(o->uid, uid, sizeof(uid)) == 0) {
		o->version = inv_object_version(object->resource_version);
		judge_all(inv, o, object, now_unix_ms);
		vanish(inv, o, false);
		return;
	}
	/* Not the one we know: nothing to say. */
	inv_set_release(&inv->set, o);
}

uint32_t
inventory_list_begin(struct inventory *inv, unsigned kind,
    struct slice namespace)
{
	inv_listed_begin(&inv->set.listed, kind, namespace);
	return ++inv->mark[kind];
}

/* An object named since `mark` carries it, or one of a list begun later. */
static bool
named_since(const struct inv_object *o, uint32_t mark)
{
	return o->mark - mark <= UINT32_MAX / 2;
}

void
inventory_list_end(struct inventory *inv, unsigned kind,
    struct slice namespace, uint32_t mark)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;

	inv_listed_end(&inv->set.listed, kind, namespace);
	while ((o = inv_set_next(&inv->set, &c)) != NULL) {
		if (o->kind != kind || (namespace.p != NULL &&
		    !slice_eq(inv_object_namespace(o), namespace)))
			continue;
		if (o->present ? !named_since(o, mark) :
		    o->stored && !o->gone)
			vanish(inv, o, true);
		else
			inv_set_touch(&inv->set, o);
	}
}

/* Applies those that have come; returns the first that has not, or NULL. */
static const struct inv_future *
advance(struct inventory *inv, struct inv_object *o, int64_t now)
{
	const struct inv_future *f;

	while ((f = o->futures) != NULL && f->at_unix_ms <= now) {
		inv_object_advance(o);
		if (o->futures == NULL)
			inv->set.futures--;
		inv_set_touch(&inv->set, o);
	}
	return f;
}

void
inventory_tick(struct inventory *inv, int64_t now_unix_ms)
{
	struct inv_table_cursor c = { 0 };
	const struct inv_future *f;
	struct inv_object *o;

	inv->due = 0;
	inv->set.now_unix_ms = now_unix_ms;
	while (inv->set.futures > 0 &&
	    (o = inv_set_next(&inv->set, &c)) != NULL) {
		f = advance(inv, o, now_unix_ms);
		if (f != NULL && (inv->due == 0 || f->at_unix_ms < inv->due))
			inv->due = f->at_unix_ms;
	}
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
	struct inv_object *o = inv_set_entry(&inv->set, kind, namespace, name);
	char *text;

	if (o->stored || o->gone || (o->in_flight && o->leaving) ||
	    status.n > INVENTORY_STATUS_MAX) {
		inv_set_release(&inv->set, o);
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
	if (inv_listed_at_rest(&inv->set.listed, kind, namespace))
		vanish(inv, o, true);
}

bool
inventory_stored_node(struct inventory *inv, unsigned kind,
    struct slice namespace, struct slice name,
    const struct inv_node *node, struct slice status)
{
	struct inv_object *o = inv_table_find(&inv->set.table, kind,
	    namespace, name);
	struct inv_binding *b = o == NULL ? NULL :
	    inv_object_binding(o, node->tenant, node->workflow, node->node);
	uint8_t uid[16] = { 0 };
	bool real = inv_object_uid(node->uid, uid);

	if (b == NULL)
		return false;
	if (b->published == 0)
		b->published = inv_object_node_hash(status, real ? uid : NULL);
	return true;
}

void
inventory_sync_all(struct inventory *inv)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;

	while ((o = inv_set_next(&inv->set, &c)) != NULL) {
		/* A node whose object is gone has a status too. */
		o->sync = o->present || o->bindings != NULL;
		inv_set_touch(&inv->set, o);
	}
}

/* --- bindings ------------------------------------------------------------- */

void
inventory_bind_begin(struct inventory *inv)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;
	struct inv_binding *b;

	while ((o = inv_set_next(&inv->set, &c)) != NULL)
		for (b = o->bindings; b != NULL; b = b->next)
			b->keep = false;
}

bool
inventory_bind(struct inventory *inv, unsigned kind, struct slice namespace,
    struct slice name, struct slice tenant, struct slice workflow,
    struct slice node)
{
	struct inv_object *o = inv_set_entry(&inv->set, kind, namespace, name);
	struct inv_binding *b = inv_object_binding(o, tenant, workflow, node);

	if (b != NULL) {
		b->keep = true;
		return true;
	}
	if (!inv_object_bind(o, tenant, workflow, node))
		return false;
	inv->set.counts.bindings++;
	return true;
}

static void
unbind_unkept(struct inventory *inv, struct inv_object *o)
{
	struct inv_binding **link = &o->bindings, *b;

	while ((b = *link) != NULL) {
		if (b->keep) {
			link = &b->next;
			continue;
		}
		*link = b->next;
		inv_object_unbind(b);
		inv->set.counts.bindings--;
	}
}

void
inventory_bind_end(struct inventory *inv)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;

	while ((o = inv_set_next(&inv->set, &c)) != NULL) {
		unbind_unkept(inv, o);
		inv_set_touch(&inv->set, o);
		inv_set_release(&inv->set, o);
	}
}

void
inventory_workflows(struct inventory *inv, inventory_workflow_cb cb,
    void *arg)
{
	struct inv_table_cursor c = { 0 };
	const struct inv_binding *b;
	struct inv_object *o;

	while ((o = inv_set_next(&inv->set, &c)) != NULL)
		for (b = o->bindings; b != NULL; b = b->next)
			cb(b, arg);
}

const struct inventory_counts *
inventory_counts(const struct inventory *inv)
{
	return &inv->set.counts;
}
