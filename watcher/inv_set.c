#include "watcher/inv_set.h"

#include "watcher/inv_object.h"

/* --- the entries ---------------------------------------------------------- */

void
inv_set_init(struct inv_set *set)
{
	*set = (struct inv_set){ 0 };
	inv_table_init(&set->table);
	set->last = &set->first;
}

void
inv_set_futures_clear(struct inv_set *set, struct inv_object *o)
{
	if (o->futures != NULL)
		set->futures--;
	inv_object_futures_clear(o);
}

static void
object_free(struct inv_set *set, struct inv_object *o)
{
	inv_set_futures_clear(set, o);
	set->counts.bindings -= inv_object_free(o);
}

void
inv_set_clear(struct inv_set *set)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;

	while ((o = inv_set_next(set, &c)) != NULL)
		object_free(set, o);
	inv_table_clear(&set->table);
	inv_listed_clear(&set->listed);
}

struct inv_object *
inv_set_entry(struct inv_set *set, unsigned kind, struct slice namespace,
    struct slice name)
{
	struct inv_object *o = inv_table_entry(&set->table, kind, namespace,
	    name);

	set->counts.entries = set->table.n;
	return o;
}

struct inv_object *
inv_set_next(const struct inv_set *set, struct inv_table_cursor *c)
{
	return inv_table_next(&set->table, c);
}

void
inv_set_release(struct inv_set *set, struct inv_object *o)
{
	if (o->present || o->stored || o->gone || o->dirty || o->in_flight ||
	    o->bindings != NULL)
		return;
	inv_table_remove(&set->table, o);
	set->counts.entries = set->table.n;
	object_free(set, o);
}

/* --- what is to be published ---------------------------------------------- */

static bool
needs(const struct inv_set *set, const struct inv_object *o)
{
	if (o->gone || inv_object_differs(o))
		return true;
	/* Missing is said only when a whole list did not name it. */
	return (o->present || inv_listed_has(&set->listed, o->kind,
	    inv_object_namespace(o))) &&
	    inv_object_nodes_differ(o);
}

void
inv_set_touch(struct inv_set *set, struct inv_object *o)
{
	if (o->dirty || o->in_flight || !needs(set, o))
		return;
	o->dirty = true;
	o->since_unix_ms = set->now_unix_ms;
	set->counts.waiting[o->kind]++;
	o->next_dirty = NULL;
	*set->last = o;
	set->last = &o->next_dirty;
}

void
inv_set_unqueue(struct inv_set *set)
{
	struct inv_object *o = set->first;

	set->first = o->next_dirty;
	if (set->first == NULL)
		set->last = &set->first;
	o->next_dirty = NULL;
	o->dirty = false;
	set->counts.waiting[o->kind]--;
}

struct inv_object *
inv_set_first(struct inv_set *set)
{
	struct inv_object *o;

	/* What changed back meanwhile needs nothing. */
	while ((o = set->first) != NULL && !needs(set, o)) {
		inv_set_unqueue(set);
		inv_set_release(set, o);
	}
	return o;
}
