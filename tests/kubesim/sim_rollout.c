#include "tests/kubesim/sim_rollout.h"

#include "common/macros.h"
#include "common/mono.h"
#include "tests/kubesim/sim_seed.h"
#include "tests/kubesim/sim_workload.h"

#define KEEP_SETS 2u      /* revisions kept, the present one included */

/* ---- pods ---- */

int64_t
sim_rollout_around(struct sim_store *s, int64_t ms)
{
	return ms / 2 + (int64_t)sim_store_below(s, (uint64_t)ms);
}

void
sim_rollout_stop_pod(struct sim_store *s, struct sim_object *pod)
{
	int64_t now = sim_store_now(s);

	pod->due_ms = now + sim_rollout_around(s, 700);
	if (pod->st.deleting_ms != 0)
		return;
	pod->st.deleting_ms = now;
	sim_store_update(s, pod);
}

/* Where a pod goes from a step, and how long it will stay there. */
static void
advance_pod(struct sim_store *s, struct sim_object *pod, bool broken,
    int64_t now)
{
	enum sim_pod_step next = SIM_POD_READY;
	int64_t stay = 0;

	switch (pod->st.step) {
	case SIM_POD_PENDING:
		next = SIM_POD_CREATING;
		stay = sim_rollout_around(s, 600);
		break;
	case SIM_POD_CREATING:
		next = broken ? SIM_POD_IMAGEPULL : SIM_POD_STARTED;
		stay = sim_rollout_around(s, 900);
		break;
	case SIM_POD_IMAGEPULL:
		next = broken ? SIM_POD_IMAGEPULL : SIM_POD_STARTED;
		stay = sim_rollout_around(s, 900);
		break;
	case SIM_POD_CRASHLOOP:
		next = SIM_POD_STARTED;
		stay = sim_rollout_around(s, 900);
		break;
	case SIM_POD_OOMKILLED:
		next = SIM_POD_CRASHLOOP;
		pod->st.restarts++;
		stay = sim_rollout_around(s, 3000);
		break;
	case SIM_POD_STARTED:
	case SIM_POD_READY:
	case SIM_POD_SUCCEEDED:
	case SIM_POD_FAILED:
	case SIM_POD_STEP_MAX:
		break;
	}
	pod->due_ms = now + stay;
	if (next == pod->st.step)
		return;
	if (next == SIM_POD_STARTED)
		pod->st.started_ms = now;
	pod->st.step = next;
	sim_store_update(s, pod);
}

/* True: it is ready and stays so. */
bool
sim_rollout_pod_step(struct sim_store *s, struct sim_object *pod, bool broken,
    int64_t now)
{
	if (pod->st.deleting_ms != 0) {
		if (now >= pod->due_ms)
			sim_store_delete(s, pod);
		return false;
	}
	if (pod->st.step == SIM_POD_READY ||
	    pod->st.step == SIM_POD_SUCCEEDED ||
	    pod->st.step == SIM_POD_FAILED)
		return true;
	if (now >= pod->due_ms)
		advance_pod(s, pod, broken, now);
	return false;
}

/* ---- ReplicaSets ---- */

uint32_t
sim_rollout_living(const struct sim_object *set)
{
	uint32_t n = 0;

	for (size_t i = 0; i < set->n_children; i++)
		n += set->children[i]->st.deleting_ms == 0;
	return n;
}

uint32_t
sim_rollout_ready(const struct sim_object *set)
{
	uint32_t n = 0;

	for (size_t i = 0; i < set->n_children; i++)
		n += set->children[i]->st.deleting_ms == 0 &&
		    set->children[i]->st.step == SIM_POD_READY;
	return n;
}

/* The one to stop: one that is not ready, else the youngest. */
static struct sim_object *
victim(const struct sim_object *set)
{
	struct sim_object *found = NULL, *pod;

	for (size_t i = 0; i < set->n_children; i++) {
		pod = set->children[i];
		if (pod->st.deleting_ms != 0)
			continue;
		if (pod->st.step != SIM_POD_READY)
			return pod;
		found = pod;
	}
	return found;
}

/* True when it has the pods it should, all ready, and its status says so. */
static bool
set_step(struct sim_store *s, struct sim_object *set, bool broken, int64_t now)
{
	uint32_t want = set->alive ? set->st.replicas : 0;
	uint32_t have = sim_rollout_living(set);
	struct sim_object *pod;
	bool settled = true;

	if (have < want) {
		pod = sim_seed_pod(s, set);
		pod->due_ms = now + sim_rollout_around(s, 300);
		sim_store_add(s, pod);
	} else if (have > want) {
		sim_rollout_stop_pod(s, victim(set));
	}
	for (size_t i = set->n_children; i-- > 0; )
		settled &= sim_rollout_pod_step(s, set->children[i], broken,
		    now);
	have = sim_rollout_living(set);
	if (set->alive && (set->st.have != have ||
	    set->st.ready != sim_rollout_ready(set) ||
	    set->st.observed != set->st.generation)) {
		set->st.have = have;
		set->st.ready = sim_rollout_ready(set);
		set->st.observed = set->st.generation;
		sim_store_update(s, set);
	}
	return settled && have == want && set->n_children == want;
}

static void
set_scale(struct sim_store *s, struct sim_object *set, uint32_t replicas)
{
	if (set->st.replicas == replicas)
		return;
	set->st.replicas = replicas;
	set->st.generation++;
	sim_store_update(s, set);
}

/* ---- Deployments ---- */

static struct sim_object *
existing_set(const struct sim_object *o)
{
	for (size_t i = 0; i < o->n_children; i++)
		if (o->children[i]->st.image == o->st.image)
			return o->children[i];
	return NULL;
}

static struct sim_object *
present_set(struct sim_store *s, struct sim_object *o)
{
	struct sim_object *set = existing_set(o);

	if (set != NULL)
		return set;
	set = sim_seed_set(s, o);
	if (sim_store_find(s, SIM_REPLICASET, set->ns, set->name) != NULL) {
		/* A test made a set of that name: the next version then. */
		sim_object_unref(set);
		o->st.image++;
		return NULL;
	}
	sim_store_add(s, set);
	return set;
}

/* Rolling update: one more than asked for while old ones go, and an old one
 * goes only when enough are ready; those not ready go first. */
static void
balance(struct sim_store *s, struct sim_object *o, struct sim_object *set)
{
	uint32_t want = o->st.replicas, surge = MAX(1u, want / 4);
	uint32_t old = 0, all_ready = sim_rollout_ready(set), spare;
	struct sim_object *other;

	for (size_t i = 0; i < o->n_children; i++) {
		other = o->children[i];
		if (other == set)
			continue;
		set_scale(s, other, MIN(other->st.replicas,
		    sim_rollout_living(other)));
		old += other->st.replicas;
		all_ready += sim_rollout_ready(other);
	}
	if (o->st.paused && old != 0)
		return;
	set_scale(s, set, want + surge > old ? MIN(want, want + surge - old) :
	    MIN(want, set->st.replicas));
	for (size_t i = 0; i < o->n_children; i++) {
		other = o->children[i];
		if (other == set || other->st.replicas == 0)
			continue;
		spare = other->st.replicas - MIN(other->st.replicas,
		    sim_rollout_ready(other));
		if (all_ready > want) {
			spare += all_ready - want;
			all_ready -= MIN(all_ready - want,
			    sim_rollout_ready(other));
		}
		set_scale(s, other, other->st.replicas -
		    MIN(other->st.replicas, spare));
	}
}

static void
forget_old_sets(struct sim_store *s, struct sim_object *o,
    const struct sim_object *set)
{
	for (size_t i = 0; i < o->n_children && o->n_children > KEEP_SETS;
	    i++) {
		if (o->children[i] == set || o->children[i]->n_children != 0)
			continue;
		sim_store_delete(s, o->children[i]);
		return;
	}
}

/* The set may be NULL: of the version asked for nothing is there yet. */
static void
write_status(struct sim_store *s, struct sim_object *o,
    const struct sim_object *set, bool settled)
{
	uint32_t updated = set != NULL ? sim_rollout_living(set) : 0;
	uint32_t have = 0, up = 0;
	/* Once complete it stays so until the next generation: a pod that
	 * fails later makes the Deployment unavailable, not unfinished. */
	bool done = o->st.observed == o->st.generation &&
	    (o->st.rolled_out || (settled && updated == o->st.replicas));

	for (size_t i = 0; i < o->n_children; i++) {
		have += sim_rollout_living(o->children[i]);
		up += sim_rollout_ready(o->children[i]);
	}
	if (o->st.have == have && o->st.ready == up &&
	    o->st.updated == updated && o->st.rolled_out == done &&
	    o->st.observed == o->st.generation)
		return;
	o->st.have = have;
	o->st.ready = up;
	o->st.updated = updated;
	o->st.rolled_out = done;
	o->st.observed = o->st.generation;
	sim_store_update(s, o);
}

static bool
deployment_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	struct sim_object *set;
	bool settled = true;

	if (o->st.observed != o->st.generation) {
		/* First the controller notices, in a step of its own. */
		write_status(s, o, existing_set(o), false);
		return false;
	}
	if (o->fix_ms != 0 && now >= o->fix_ms) {
		o->fix_ms = 0;
		o->broken_image = false;
		o->st.image++;
		o->st.generation++;
		sim_store_update(s, o);
		return false;
	}
	set = present_set(s, o);
	if (set == NULL)
		return false;
	balance(s, o, set);
	for (size_t i = o->n_children; i-- > 0; )
		settled &= set_step(s, o->children[i], o->broken_image &&
		    o->children[i] == set, now);
	settled &= set->st.replicas == o->st.replicas;
	write_status(s, o, set, settled);
	forget_old_sets(s, o, set);
	return settled && o->fix_ms == 0 &&
	    (o->st.paused || o->n_children <= KEEP_SETS);
}

/* What a deleted owner left: its pods stop, then its sets go. */
static bool
sweep(struct sim_store *s, struct sim_object *o, int64_t now)
{
	struct sim_object *child;

	if (o->kind == SIM_REPLICASET)
		return set_step(s, o, false, now);
	for (size_t i = o->n_children; i-- > 0; ) {
		child = o->children[i];
		set_scale(s, child, 0);
		(void)set_step(s, child, false, now);
		if (child->n_children == 0)
			sim_store_delete(s, child);
	}
	return o->n_children == 0;
}

bool
sim_rollout_step(struct sim_store *s, struct sim_object *o, int64_t now_ms)
{
	if (o->kind == SIM_DEPLOYMENT || o->kind == SIM_REPLICASET) {
		if (!o->alive)
			return sweep(s, o, now_ms);
		if (o->kind == SIM_DEPLOYMENT)
			return deployment_step(s, o, now_ms);
		return set_step(s, o, false, now_ms);
	}
	if (o->kind == SIM_POD)
		return !o->alive || sim_rollout_pod_step(s, o, false, now_ms);
	return sim_workload_step(s, o, now_ms);
}
