#include "tests/kubesim/sim_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"

#define OBJECT_MAGIC 0x510b7ec7u

/* ---- counted things ---- */

struct sim_blob *
sim_blob_ref(struct sim_blob *b)
{
	b->refs++;
	return b;
}

void
sim_blob_unref(struct sim_blob *b)
{
	if (b != NULL && --b->refs == 0)
		free(b);
}

struct sim_text *
sim_text_ref(struct sim_text *t)
{
	t->refs++;
	return t;
}

void
sim_text_unref(struct sim_text *t)
{
	if (t != NULL && --t->refs == 0)
		free(t);
}

struct sim_state
sim_state_copy(const struct sim_state *st)
{
	json_incref(st->overlay);
	return *st;
}

void
sim_state_clear(struct sim_state *st)
{
	json_decref(st->overlay);
	memset(st, 0, sizeof(*st));
}

struct sim_object *
sim_object_ref(struct sim_object *o)
{
	assert(o->magic == OBJECT_MAGIC);
	o->refs++;
	return o;
}

void
sim_object_unref(struct sim_object *o)
{
	if (o == NULL)
		return;
	assert(o->magic == OBJECT_MAGIC);
	if (--o->refs != 0)
		return;
	sim_object_unref(o->owner);
	sim_state_clear(&o->st);
	sim_state_clear(&o->shown);
	free(o->children);
	free(o->ns);
	free(o->name);
	free(o->app);
	o->magic = 0;
	free(o);
}

int64_t
sim_store_now(const struct sim_store *s)
{
	return s->clock_ms != 0 ? s->clock_ms : wall_unix_ms();
}

/* ---- random numbers: splitmix64, so that a seed gives one story ---- */

uint64_t
sim_store_random(struct sim_store *s)
{
	uint64_t z = (s->rng += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t
sim_store_below(struct sim_store *s, uint64_t limit)
{
	return limit == 0 ? 0 : sim_store_random(s) % limit;
}

/* ---- life of the store ---- */

struct sim_store *
sim_store_new(uint64_t seed, size_t window, size_t truth)
{
	struct sim_store *s = xcalloc(1, sizeof(*s));

	s->rv = s->floor_rv = SIM_FIRST_RV;
	s->seed = s->rng = seed;
	s->window_size = window;
	s->window = xcalloc(window, sizeof(*s->window));
	s->truth_size = truth;
	s->truth = xcalloc(truth, sizeof(*s->truth));
	return s;
}

static void
event_clear(struct sim_event *ev)
{
	sim_state_clear(&ev->st);
	sim_state_clear(&ev->prev);
	sim_object_unref(ev->object);
	memset(ev, 0, sizeof(*ev));
}

static void
truth_clear(struct sim_truth *t)
{
	sim_state_clear(&t->st);
	sim_object_unref(t->object);
	memset(t, 0, sizeof(*t));
}

void
sim_store_free(struct sim_store *s)
{
	if (s == NULL)
		return;
	sim_store_compact(s);
	for (size_t i = 0; i < s->truth_n; i++)
		truth_clear(sim_store_truth(s, i));
	for (int k = 0; k < SIM_KIND_MAX; k++) {
		for (size_t i = 0; i < s->n[k]; i++)
			sim_object_unref(s->sorted[k][i]);
		free(s->sorted[k]);
	}
	free(s->window);
	free(s->truth);
	free(s);
}

/* ---- the order of keys: namespace, then name ---- */

static int
key_compare(const struct sim_object *o, const char *ns, const char *name)
{
	int order = strcmp(o->ns, ns);

	return order != 0 ? order : strcmp(o->name, name);
}

static int
object_compare(const void *a, const void *b)
{
	const struct sim_object *const *x = a, *const *y = b;

	return key_compare(*x, (*y)->ns, (*y)->name);
}

size_t
sim_store_lower(struct sim_store *s, enum sim_kind kind, const char *ns,
    const char *name)
{
	size_t low = 0, high = s->n[kind], mid;

	assert(!s->loading);
	while (low < high) {
		mid = low + (high - low) / 2;
		if (key_compare(s->sorted[kind][mid], ns, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct sim_object *
sim_store_find(struct sim_store *s, enum sim_kind kind, const char *ns,
    const char *name)
{
	size_t i = sim_store_lower(s, kind, ns, name);

	if (i < s->n[kind] && key_compare(s->sorted[kind][i], ns, name) == 0)
		return s->sorted[kind][i];
	return NULL;
}

static void
index_insert(struct sim_store *s, struct sim_object *o)
{
	enum sim_kind k = o->kind;
	size_t at = s->loading ? s->n[k] :
	    sim_store_lower(s, k, o->ns, o->name);

	if (s->n[k] == s->cap[k]) {
		s->cap[k] = s->cap[k] * 2 + 64;
		s->sorted[k] = xreallocarray(s->sorted[k], s->cap[k],
		    sizeof(struct sim_object *));
	}
	memmove(&s->sorted[k][at + 1], &s->sorted[k][at],
	    (s->n[k] - at) * sizeof(struct sim_object *));
	s->sorted[k][at] = o;
	s->n[k]++;
}

static void
index_remove(struct sim_store *s, struct sim_object *o)
{
	enum sim_kind k = o->kind;
	size_t at = sim_store_lower(s, k, o->ns, o->name);

	assert(at < s->n[k] && s->sorted[k][at] == o);
	s->n[k]--;
	memmove(&s->sorted[k][at], &s->sorted[k][at + 1],
	    (s->n[k] - at) * sizeof(struct sim_object *));
}

void
sim_store_load_begin(struct sim_store *s)
{
	s->loading = true;
}

void
sim_store_load_end(struct sim_store *s)
{
	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (s->n[k] > 1)
			qsort(s->sorted[k], s->n[k],
			    sizeof(struct sim_object *), object_compare);
	s->loading = false;
}

/* ---- events and truth ---- */

struct sim_event *
sim_store_event(struct sim_store *s, size_t i)
{
	assert(i < s->window_n);
	return &s->window[(s->window_first + i) % s->window_size];
}

struct sim_truth *
sim_store_truth(struct sim_store *s, size_t i)
{
	assert(i < s->truth_n);
	return &s->truth[(s->truth_first + i) % s->truth_size];
}

size_t
sim_store_after(struct sim_store *s, uint64_t rv)
{
	size_t low = 0, high = s->window_n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (sim_store_event(s, mid)->rv <= rv)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
sim_store_compact(struct sim_store *s)
{
	for (size_t i = 0; i < s->window_n; i++)
		event_clear(sim_store_event(s, i));
	s->window_n = s->window_first = 0;
	s->floor_rv = s->rv;
}

static void
truth_add(struct sim_store *s, struct sim_object *o, enum sim_change change)
{
	struct sim_truth *t;

	if (s->truth_n == s->truth_size) {
		truth_clear(sim_store_truth(s, 0));
		s->truth_first = (s->truth_first + 1) % s->truth_size;
		s->truth_n--;
	}
	t = &s->truth[(s->truth_first + s->truth_n++) % s->truth_size];
	t->change = change;
	t->object = sim_object_ref(o);
	t->st = sim_state_copy(&o->st);
}

/* Twice the room when the oldest event is too young to be forgotten. */
static bool
window_grow(struct sim_store *s)
{
	size_t size = s->window_size * 2;
	struct sim_event *bigger;

	if (s->window_ms == 0 || size > SIM_WINDOW_MAX ||
	    sim_store_now(s) - sim_store_event(s, 0)->at_ms >= s->window_ms)
		return false;
	bigger = xcalloc(size, sizeof(*bigger));
	for (size_t i = 0; i < s->window_n; i++)
		bigger[i] = *sim_store_event(s, i);
	free(s->window);
	s->window = bigger;
	s->window_size = size;
	s->window_first = 0;
	return true;
}

static void
window_add(struct sim_store *s, struct sim_object *o, enum sim_change change)
{
	struct sim_event *ev;

	if (s->window_n == s->window_size && !window_grow(s)) {
		ev = sim_store_event(s, 0);
		s->floor_rv = ev->rv;
		event_clear(ev);
		s->window_first = (s->window_first + 1) % s->window_size;
		s->window_n--;
	}
	ev = &s->window[(s->window_first + s->window_n++) % s->window_size];
	ev->rv = o->st.rv;
	ev->change = change;
	ev->object = sim_object_ref(o);
	ev->st = sim_state_copy(&o->st);
	ev->prev = sim_state_copy(&o->shown);
	ev->at_ms = sim_store_now(s);
	if (s->on_event != NULL)
		s->on_event(ev, s->ctx);
}

/* A new version of the object. Versions have holes now and then, as on a
 * real server where the same counter serves everything else in etcd. */
static void
object_changed(struct sim_store *s, struct sim_object *o,
    enum sim_change change)
{
	s->rv += sim_store_below(s, 8) == 0 ? 2 : 1;
	s->changes++;
	o->st.rv = s->rv;
	o->st.changed_ms = sim_store_now(s);
	truth_add(s, o, change);
	window_add(s, o, change);
	sim_state_clear(&o->shown);
	o->shown = sim_state_copy(&o->st);
}

/* ---- objects ---- */

static void
make_uid(struct sim_store *s, char uid[SIM_UID_SIZE])
{
	uint64_t a = sim_store_random(s), b = sim_store_random(s);

	(void)snprintf(uid, SIM_UID_SIZE, "%08x-%04x-4%03x-%04x-%012llx",
	    (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffffu,
	    (unsigned)a & 0xfffu, ((unsigned)(b >> 48) & 0x3fffu) | 0x8000u,
	    (unsigned long long)b & 0xffffffffffffu);
}

struct sim_object *
sim_store_object(struct sim_store *s, enum sim_kind kind, const char *ns,
    const char *name, const char *app, struct sim_object *owner)
{
	struct sim_object *o = xcalloc(1, sizeof(*o));

	o->magic = OBJECT_MAGIC;
	o->refs = 1;
	o->kind = kind;
	o->ns = xstrdup(ns);
	o->name = xstrdup(name);
	o->app = xstrdup(app);
	make_uid(s, o->uid);
	o->created_ms = sim_store_now(s);
	o->ordinal = (uint32_t)sim_store_below(s, 60000);
	o->owner = owner != NULL ? sim_object_ref(owner) : NULL;
	o->st.generation = 1;
	o->st.image = o->st.current = 1;
	o->st.replicas = 1;
	return o;
}

static void
child_add(struct sim_object *owner, struct sim_object *o)
{
	if (owner->n_children == owner->cap_children) {
		owner->cap_children = owner->cap_children * 2 + 4;
		owner->children = xreallocarray(owner->children,
		    owner->cap_children, sizeof(struct sim_object *));
	}
	owner->children[owner->n_children++] = o;
}

static void
child_remove(struct sim_object *owner, struct sim_object *o)
{
	size_t i = 0;

	while (i < owner->n_children && owner->children[i] != o)
		i++;
	if (i == owner->n_children)
		return;
	owner->n_children--;
	memmove(&owner->children[i], &owner->children[i + 1],
	    (owner->n_children - i) * sizeof(struct sim_object *));
}

void
sim_store_add(struct sim_store *s, struct sim_object *o)
{
	index_insert(s, o);
	o->alive = true;
	if (o->owner != NULL)
		child_add(o->owner, o);
	object_changed(s, o, SIM_ADDED);
}

void
sim_store_update(struct sim_store *s, struct sim_object *o)
{
	assert(o->alive);
	object_changed(s, o, SIM_MODIFIED);
}

void
sim_store_delete(struct sim_store *s, struct sim_object *o)
{
	assert(o->alive);
	index_remove(s, o);
	o->alive = false;
	if (o->owner != NULL)
		child_remove(o->owner, o);
	object_changed(s, o, SIM_DELETED);
	sim_object_unref(o);
}

void
sim_store_rollback(struct sim_store *s, uint64_t n)
{
	struct sim_object *o;

	s->rv = s->rv > n + 1 ? s->rv - n : 1;
	for (int k = 0; k < SIM_KIND_MAX; k++) {
		for (size_t i = 0; i < s->n[k]; i++) {
			o = s->sorted[k][i];
			if (o->st.rv <= s->rv)
				continue;
			o->st.rv = o->shown.rv = s->rv;
		}
	}
	sim_store_compact(s);
}
