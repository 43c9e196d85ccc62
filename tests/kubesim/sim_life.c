#include "tests/kubesim/sim_life.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_rollout.h"
#include "tests/kubesim/sim_story.h"
#include "tests/kubesim/sim_workload.h"

#define LIFE_MAGIC   0x11fe5111u
#define TICK_MS      50
#define STORIES_MIN  2u

struct sim_life {
	unsigned		 magic;
	struct sim		*sim;
	struct event		*tick;
	struct sim_object      **active;         /* counted */
	size_t			 n;
	size_t			 cap;
	double			 allowance;      /* changes that may be made */
	struct mono		 last;
	uint64_t		 stories;
};

/* ---- who needs looking at ---- */

static struct sim_object *
top_owner(struct sim_object *o)
{
	while (o->owner != NULL && o->owner->alive)
		o = o->owner;
	return o;
}

static void
activate(struct sim_life *l, struct sim_object *o)
{
	if (o->active)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 16;
		l->active = xreallocarray(l->active, l->cap,
		    sizeof(struct sim_object *));
	}
	o->active = true;
	l->active[l->n++] = sim_object_ref(o);
}

static void
deactivate(struct sim_life *l, size_t i)
{
	struct sim_object *o = l->active[i];

	o->active = false;
	l->active[i] = l->active[--l->n];
	sim_object_unref(o);
}

void
sim_life_wake(struct sim_life *l, struct sim_object *o)
{
	if (!l->sim->opt.frozen)
		activate(l, top_owner(o));
}

bool
sim_life_delete(struct sim_life *l, struct sim_object *o)
{
	if (l->sim->opt.frozen)
		return false;
	if (o->kind == SIM_POD) {
		sim_rollout_stop_pod(l->sim->store, o);
		activate(l, top_owner(o));
		return true;
	}
	if (o->kind == SIM_PVC) {
		activate(l, o);
		return true;
	}
	if (!sim_workload_owns(o->kind))
		return false;
	/* Background propagation: the owner goes first, the rest follows. */
	activate(l, o);
	sim_store_delete(l->sim->store, o);
	return true;
}

/* ---- time ---- */

static void
refill(struct sim_life *l, int64_t ms)
{
	double rate = (double)l->sim->opt.rate;

	l->allowance += rate * (double)ms / 1000.0;
	if (l->allowance > rate)
		l->allowance = rate;     /* at most a second's worth saved */
}

void
sim_life_step(struct sim_life *l, int64_t ms)
{
	struct sim_store *s = l->sim->store;
	bool bounded = l->sim->opt.rate != 0;
	struct sim_object *o;
	uint64_t before;
	size_t room;

	if (l->sim->opt.frozen)
		return;
	refill(l, ms);
	for (size_t i = l->n; i-- > 0; ) {
		if (bounded && l->allowance <= 0)
			return;
		before = s->changes;
		if (sim_rollout_step(s, l->active[i], sim_store_now(s)))
			deactivate(l, i);
		l->allowance -= (double)(s->changes - before);
	}
	room = MAX(STORIES_MIN, l->sim->opt.rate / 2);
	while (bounded && l->allowance > 0 && l->n < room) {
		l->allowance -= 1;
		o = sim_story_begin(s, l->stories);
		if (o == NULL)
			continue;
		l->stories++;
		activate(l, o);
	}
}

static void
life_tick_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct sim_life *l = arg;
	struct mono now = mono_now();
	int64_t ms = mono_diff_ms(now, l->last);

	assert(l->magic == LIFE_MAGIC);
	l->last = now;
	sim_life_step(l, ms);
}

struct sim_life *
sim_life_new(struct sim *sim)
{
	struct sim_life *l = xcalloc(1, sizeof(*l));
	struct timeval tv = mono_timeval_ms(TICK_MS);

	l->magic = LIFE_MAGIC;
	l->sim = sim;
	l->last = mono_now();
	l->allowance = (double)sim->opt.rate;   /* begins at once */
	if (sim->opt.frozen || sim->opt.clock_ms != 0)
		return l;
	l->tick = event_new(sim->base, -1, EV_PERSIST, life_tick_cb, l);
	if (l->tick == NULL)
		abort();
	(void)evtimer_add(l->tick, &tv);
	return l;
}

void
sim_life_free(struct sim_life *l)
{
	if (l == NULL)
		return;
	if (l->tick != NULL)
		event_free(l->tick);
	while (l->n != 0)
		deactivate(l, l->n - 1);
	free(l->active);
	l->magic = 0;
	free(l);
}
