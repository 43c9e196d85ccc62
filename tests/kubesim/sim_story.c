#include "tests/kubesim/sim_story.h"

#include "common/macros.h"
#include "tests/kubesim/sim_workload.h"

#define BROKEN_MS 6000    /* how long a bad image stays */

/* Whose stories are told. Deployments come first, so that a seed tells the
 * same story of a cluster that has nothing else. */
static const enum sim_kind actors[] = { SIM_DEPLOYMENT, SIM_STATEFULSET,
    SIM_DAEMONSET, SIM_CRONJOB, SIM_SERVICE, SIM_INGRESS, SIM_PVC, SIM_HPA,
    SIM_CONFIGMAP, SIM_SECRET, SIM_NETWORKPOLICY };

/* A ready pod under the object, or NULL. */
static struct sim_object *
ready_pod(struct sim_object *o)
{
	struct sim_object *child, *found;

	for (size_t i = 0; i < o->n_children; i++) {
		child = o->children[i];
		if (child->kind != SIM_POD)
			found = ready_pod(child);
		else
			found = child->st.step == SIM_POD_READY ? child : NULL;
		if (found != NULL)
			return found;
	}
	return NULL;
}

static void
fail_pod(struct sim_store *s, struct sim_object *pod, enum sim_pod_step step,
    int64_t lasts_ms)
{
	if (pod == NULL)
		return;
	pod->st.step = step;
	pod->st.restarts += step == SIM_POD_CRASHLOOP ? 1 : 0;
	pod->due_ms = sim_store_now(s) + lasts_ms;
	sim_store_update(s, pod);
}

static void
new_version(struct sim_store *s, struct sim_object *o, bool broken)
{
	o->st.image++;
	o->st.generation++;
	o->st.rolled_out = false;
	o->broken_image = broken;
	o->fix_ms = broken ? sim_store_now(s) + BROKEN_MS : 0;
	sim_store_update(s, o);
}

static void
scale(struct sim_store *s, struct sim_object *o)
{
	uint32_t want = 1 + (uint32_t)sim_store_below(s, 6);

	if (want == o->st.replicas)
		want++;
	o->st.replicas = want;
	o->st.generation++;
	sim_store_update(s, o);
}

static void
workload_story(struct sim_store *s, struct sim_object *o, uint64_t dice,
    bool first)
{
	if (first || dice < 40)
		new_version(s, o, false);
	else if (dice < 60 && o->kind != SIM_DAEMONSET)
		scale(s, o);
	else if (dice < 78)
		fail_pod(s, ready_pod(o), SIM_POD_CRASHLOOP, 5000);
	else if (dice < 90)
		fail_pod(s, ready_pod(o), SIM_POD_OOMKILLED, 1500);
	else
		new_version(s, o, true);
}

/* Its address, its metrics or its volume is lost; or a claim grows. */
static void
break_object(struct sim_store *s, struct sim_object *o, uint64_t dice)
{
	if (o->kind == SIM_PVC && dice < 50)
		o->st.replicas++;
	else
		o->st.phase = SIM_BROKEN;
	o->due_ms = 0;
	sim_store_update(s, o);
}

static void
new_data(struct sim_store *s, struct sim_object *o)
{
	o->st.image++;
	if (o->kind == SIM_NETWORKPOLICY)
		o->st.generation++;
	sim_store_update(s, o);
}

static struct sim_object *
choose(struct sim_store *s)
{
	size_t all = 0, at;

	for (size_t i = 0; i < NELEM(actors); i++)
		all += s->n[actors[i]];
	if (all == 0)
		return NULL;
	at = (size_t)sim_store_below(s, all);
	for (size_t i = 0; i < NELEM(actors); i++) {
		if (at < s->n[actors[i]])
			return s->sorted[actors[i]][at];
		at -= s->n[actors[i]];
	}
	return NULL;
}

struct sim_object *
sim_story_begin(struct sim_store *s, uint64_t told)
{
	uint64_t dice = sim_store_below(s, 100);
	struct sim_object *o = choose(s);

	/* What a test wrote is the test's: the script leaves it alone. */
	if (o == NULL || o->active || o->st.paused || o->st.overlay != NULL)
		return NULL;
	switch ((int)o->kind) {
	case SIM_DEPLOYMENT:
	case SIM_STATEFULSET:
	case SIM_DAEMONSET:
		workload_story(s, o, dice, told == 0);
		break;
	case SIM_CRONJOB:
		sim_workload_schedule(s, o, dice < 25);
		break;
	case SIM_CONFIGMAP:
	case SIM_SECRET:
	case SIM_NETWORKPOLICY:
		new_data(s, o);
		break;
	default:
		break_object(s, o, dice);
		break;
	}
	return o;
}
