#include "tests/kubesim/sim_snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

struct sim_shelf {
	struct sim_snapshot	*at[SIM_SNAPSHOTS_MAX];
	size_t			 n;
};

/* ---- making one ---- */

static char *
key_of(const struct sim_query *q)
{
	return xasprintf("%s\n%s\n%s", q->ns, q->labels, q->fields);
}

static struct sim_snapshot *
snapshot_new(const struct sim_query *q, uint64_t rv, size_t room)
{
	struct sim_snapshot *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->kind = q->kind;
	p->key = key_of(q);
	p->selected = q->selector != NULL;
	p->rv = rv;
	p->item = xreallocarray(NULL, room + 1, sizeof(*p->item));
	return p;
}

static void
add_item(struct sim_snapshot *p, const struct sim_query *q,
    struct sim_object *o, const struct sim_state *st)
{
	if ((q->ns[0] != '\0' && strcmp(o->ns, q->ns) != 0) ||
	    !sim_selector_matches(q->selector, o, st))
		return;
	p->item[p->n].object = sim_object_ref(o);
	p->item[p->n++].st = sim_state_copy(st);
}

struct sim_snapshot *
sim_snapshot_now(struct sim_store *s, const struct sim_query *q,
    const char *from_ns, const char *from_name)
{
	size_t i = sim_store_lower(s, q->kind, from_ns, from_name);
	struct sim_snapshot *p = snapshot_new(q, s->rv, s->n[q->kind] - i);
	struct sim_object *o;

	for (; i < s->n[q->kind]; i++) {
		o = s->sorted[q->kind][i];
		if (q->ns[0] != '\0' && strcmp(o->ns, q->ns) != 0)
			break;
		add_item(p, q, o, &o->st);
	}
	return p;
}

/* ---- one of the past ---- */

static int
item_compare(const void *a, const void *b)
{
	const struct sim_item *x = a, *y = b;
	int order = strcmp(x->object->ns, y->object->ns);

	return order != 0 ? order : strcmp(x->object->name, y->object->name);
}

/* Marks what changed after rv; returns how many objects, and in *ret_at the
 * index of the first entry of the truth above rv. */
static size_t
mark_later(struct sim_store *s, enum sim_kind kind, uint64_t rv,
    size_t *ret_at)
{
	struct sim_truth *t;
	size_t i = s->truth_n, marked = 0;

	for (; i > 0; i--) {
		t = sim_store_truth(s, i - 1);
		if (t->st.rv <= rv)
			break;
		if (t->object->kind != kind || t->object->marked)
			continue;
		t->object->marked = true;
		marked++;
	}
	*ret_at = i;
	return marked;
}

/* Gives every marked object the state it had before entry `at`, and takes
 * the marks away. Those without an earlier entry did not exist. */
static void
add_earlier(struct sim_store *s, const struct sim_query *q, size_t at,
    struct sim_snapshot *p)
{
	struct sim_truth *t;

	for (size_t i = at; i > 0; i--) {
		t = sim_store_truth(s, i - 1);
		if (!t->object->marked)
			continue;
		t->object->marked = false;
		if (t->change != SIM_DELETED)
			add_item(p, q, t->object, &t->st);
	}
	for (size_t i = at; i < s->truth_n; i++)
		sim_store_truth(s, i)->object->marked = false;
}

struct sim_snapshot *
sim_snapshot_at(struct sim_store *s, const struct sim_query *q, uint64_t rv)
{
	struct sim_snapshot *p;
	struct sim_object *o;
	size_t at, changed;

	if (rv < s->floor_rv)
		return NULL;
	if (rv >= s->rv)
		return sim_snapshot_now(s, q, q->ns, "");
	changed = mark_later(s, q->kind, rv, &at);
	p = snapshot_new(q, rv, s->n[q->kind] + changed);
	for (size_t i = 0; i < s->n[q->kind]; i++) {
		o = s->sorted[q->kind][i];
		if (!o->marked)
			add_item(p, q, o, &o->st);
	}
	add_earlier(s, q, at, p);
	qsort(p->item, p->n, sizeof(*p->item), item_compare);
	return p;
}

struct sim_snapshot *
sim_snapshot_ref(struct sim_snapshot *p)
{
	p->refs++;
	return p;
}

void
sim_snapshot_unref(struct sim_snapshot *p)
{
	if (p == NULL || --p->refs != 0)
		return;
	for (size_t i = 0; i < p->n; i++) {
		sim_object_unref(p->item[i].object);
		sim_state_clear(&p->item[i].st);
	}
	free(p->item);
	free(p->key);
	free(p);
}

size_t
sim_snapshot_index(const struct sim_snapshot *p, const char *ns,
    const char *name)
{
	size_t low = 0, high = p->n, mid;
	int order;

	while (low < high) {
		mid = low + (high - low) / 2;
		order = strcmp(p->item[mid].object->ns, ns);
		if (order == 0)
			order = strcmp(p->item[mid].object->name, name);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* ---- the shelf ---- */

struct sim_shelf *
sim_shelf_new(void)
{
	return xcalloc(1, sizeof(struct sim_shelf));
}

static void
shelf_drop(struct sim_shelf *f, size_t i)
{
	sim_snapshot_unref(f->at[i]);
	f->n--;
	memmove(&f->at[i], &f->at[i + 1],
	    (f->n - i) * sizeof(struct sim_snapshot *));
}

void
sim_shelf_clear(struct sim_shelf *f)
{
	while (f->n != 0)
		shelf_drop(f, f->n - 1);
}

void
sim_shelf_free(struct sim_shelf *f)
{
	if (f == NULL)
		return;
	sim_shelf_clear(f);
	free(f);
}

void
sim_shelf_put(struct sim_shelf *f, struct sim_snapshot *p, int64_t ms)
{
	if (f->n == SIM_SNAPSHOTS_MAX)
		shelf_drop(f, 0);
	p->expires = mono_add_ms(mono_now(), ms);
	f->at[f->n++] = sim_snapshot_ref(p);
}

struct sim_snapshot *
sim_shelf_find(struct sim_shelf *f, const struct sim_query *q, uint64_t rv)
{
	struct mono now = mono_now();
	struct sim_snapshot *found = NULL;
	char *key;

	while (f->n != 0 && mono_before(f->at[0]->expires, now))
		shelf_drop(f, 0);
	key = key_of(q);
	/* The longest: an inconsistent continuation begins in the middle. */
	for (size_t i = 0; i < f->n; i++)
		if (f->at[i]->kind == q->kind && f->at[i]->rv == rv &&
		    strcmp(f->at[i]->key, key) == 0 &&
		    (found == NULL || f->at[i]->n > found->n))
			found = f->at[i];
	free(key);
	return found;
}
