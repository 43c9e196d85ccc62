#include "tests/kubesim/sim_workload.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "tests/kubesim/sim_rollout.h"
#include "tests/kubesim/sim_seed.h"
#include "tests/kubesim/sim_template.h"

#define JOB_RUN_MS    1500
#define JOB_FAILS_MAX 2u      /* backoffLimit: more is the end */
#define JOB_HISTORY   3u      /* finished Jobs a CronJob keeps */
#define REPAIR_MS     2500    /* how long an address or a volume is awaited */

bool
sim_workload_owns(enum sim_kind kind)
{
	return kind == SIM_DEPLOYMENT || kind == SIM_REPLICASET ||
	    kind == SIM_STATEFULSET || kind == SIM_DAEMONSET ||
	    kind == SIM_JOB || kind == SIM_CRONJOB;
}

/* ---- what StatefulSet and DaemonSet share ---- */

/* True when there was something to write before pods are looked at. */
static bool
begin_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	if (o->fix_ms != 0 && now >= o->fix_ms) {
		o->fix_ms = 0;
		o->broken_image = false;
		o->st.image++;
		o->st.generation++;
	} else if (o->st.observed != o->st.generation) {
		o->st.observed = o->st.generation;
		o->st.updated = 0;
		for (size_t i = 0; i < o->n_children; i++)
			o->st.updated += o->children[i]->st.image ==
			    o->st.image;
	} else {
		return false;
	}
	sim_store_update(s, o);
	return true;
}

/* A Job's bad version starts, and fails later. */
static bool
step_pods(struct sim_store *s, struct sim_object *o, int64_t now)
{
	bool broken = o->broken_image && o->kind != SIM_JOB, settled = true;

	for (size_t i = o->n_children; i-- > 0; )
		settled &= sim_rollout_pod_step(s, o->children[i], broken &&
		    o->children[i]->st.image == o->st.image, now);
	return settled;
}

static void
start_pod(struct sim_store *s, struct sim_object *o, struct sim_object *pod,
    int64_t now)
{
	pod->st.image = o->st.image;
	pod->due_ms = now + sim_rollout_around(s, 300);
	sim_store_add(s, pod);
}

/* The status as the pods say it; true when it was so already. */
static bool
write_counts(struct sim_store *s, struct sim_object *o)
{
	uint32_t have = sim_rollout_living(o), ready = sim_rollout_ready(o);
	uint32_t updated = 0, current = o->st.current;

	for (size_t i = 0; i < o->n_children; i++)
		updated += o->children[i]->st.deleting_ms == 0 &&
		    o->children[i]->st.image == o->st.image;
	if (updated == o->st.replicas && ready == o->st.replicas)
		current = o->st.image;
	if (o->st.have == have && o->st.ready == ready &&
	    o->st.updated == updated && o->st.current == current)
		return true;
	o->st.have = have;
	o->st.ready = ready;
	o->st.updated = updated;
	o->st.current = current;
	sim_store_update(s, o);
	return false;
}

static bool
pod_ready(const struct sim_object *pod)
{
	return pod->st.step == SIM_POD_READY && pod->st.deleting_ms == 0;
}

/* ---- StatefulSet: one after the other ---- */

static unsigned
pod_index(const struct sim_object *pod)
{
	const char *dash = strrchr(pod->name, '-');

	return dash != NULL ? (unsigned)strtoul(dash + 1, NULL, 10) : 0;
}

static struct sim_object *
pod_at(const struct sim_object *o, unsigned index)
{
	for (size_t i = 0; i < o->n_children; i++)
		if (pod_index(o->children[i]) == index)
			return o->children[i];
	return NULL;
}

/* Upwards: each pod when the one before it is ready. A pod of a version that
 * never became ready is replaced at once. True: all are there. */
static bool
fill_up(struct sim_store *s, struct sim_object *o, int64_t now)
{
	struct sim_object *pod;

	for (unsigned i = 0; i < o->st.replicas; i++) {
		pod = pod_at(o, i);
		if (pod == NULL) {
			pod = sim_seed_numbered_pod(s, o, i);
			start_pod(s, o, pod, now);
			return false;
		}
		if (pod_ready(pod))
			continue;
		if (pod->st.image != o->st.image && pod->st.deleting_ms == 0)
			sim_rollout_stop_pod(s, pod);
		return false;
	}
	return true;
}

/* Downwards: what is too much, then what is of the old version. */
static bool
thin_out(struct sim_store *s, struct sim_object *o)
{
	struct sim_object *pod = NULL;

	for (size_t i = 0; i < o->n_children; i++)
		if (pod_index(o->children[i]) >= o->st.replicas &&
		    (pod == NULL || pod_index(o->children[i]) >
		    pod_index(pod)))
			pod = o->children[i];
	for (unsigned i = o->st.replicas; pod == NULL && i-- > 0; )
		if (pod_at(o, i)->st.image != o->st.image)
			pod = pod_at(o, i);
	if (pod == NULL)
		return true;
	if (pod->st.deleting_ms == 0)
		sim_rollout_stop_pod(s, pod);
	return false;
}

static bool
statefulset_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	bool settled;

	if (begin_step(s, o, now))
		return false;
	settled = step_pods(s, o, now);
	settled &= fill_up(s, o, now) && thin_out(s, o);
	return write_counts(s, o) && settled && o->fix_ms == 0;
}

/* ---- DaemonSet: a pod per node ---- */

static bool
daemonset_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	struct sim_object *pod, *old = NULL;
	bool settled;

	if (begin_step(s, o, now))
		return false;
	settled = step_pods(s, o, now);
	for (size_t i = 0; i < o->n_children; i++) {
		pod = o->children[i];
		if (pod->st.deleting_ms == 0 && pod->st.image != o->st.image
		    && (old == NULL || !pod_ready(pod)))
			old = pod;
	}
	if (o->n_children < o->st.replicas) {
		start_pod(s, o, sim_seed_pod(s, o), now);
		settled = false;
	} else if (old != NULL) {
		if (settled || !pod_ready(old))
			sim_rollout_stop_pod(s, old);
		settled = false;
	}
	return write_counts(s, o) && settled && o->fix_ms == 0;
}

/* ---- Job ---- */

/* A running pod comes to its end. */
static void
end_pod(struct sim_store *s, struct sim_object *job, struct sim_object *pod,
    int64_t now)
{
	if (pod->st.step != SIM_POD_READY || pod->st.deleting_ms != 0)
		return;
	if (pod->fix_ms == 0) {
		pod->fix_ms = now + sim_rollout_around(s, JOB_RUN_MS);
	} else if (now >= pod->fix_ms) {
		pod->st.step = job->broken_image ? SIM_POD_FAILED :
		    SIM_POD_SUCCEEDED;
		sim_store_update(s, pod);
	}
}

static void
write_job(struct sim_store *s, struct sim_object *o)
{
	uint32_t active = 0, good = 0, bad = 0, up = 0;
	enum sim_phase phase = SIM_WAITING;
	enum sim_pod_step step;

	for (size_t i = 0; i < o->n_children; i++) {
		step = o->children[i]->st.step;
		good += step == SIM_POD_SUCCEEDED;
		bad += step == SIM_POD_FAILED;
		up += step == SIM_POD_READY;
		active += step != SIM_POD_SUCCEEDED && step != SIM_POD_FAILED;
	}
	if (good >= o->st.replicas)
		phase = SIM_WELL;
	else if (bad > JOB_FAILS_MAX)
		phase = SIM_BROKEN;
	if (o->st.have == active && o->st.ready == good &&
	    o->st.restarts == bad && o->st.updated == up &&
	    o->st.phase == phase)
		return;
	o->st.have = active;
	o->st.ready = good;
	o->st.restarts = bad;
	o->st.updated = up;
	o->st.phase = phase;
	sim_store_update(s, o);
}

static bool
job_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	if (o->st.observed == 0) {
		o->st.observed = o->st.generation;
		o->st.started_ms = now;
		sim_store_update(s, o);
		return false;
	}
	if (o->st.phase != SIM_WAITING || o->st.paused)
		return true;
	(void)step_pods(s, o, now);
	for (size_t i = 0; i < o->n_children; i++)
		end_pod(s, o, o->children[i], now);
	write_job(s, o);
	if (o->st.phase == SIM_WAITING && o->st.have == 0)
		start_pod(s, o, sim_seed_pod(s, o), now);
	return false;
}

/* ---- CronJob ---- */

void
sim_workload_schedule(struct sim_store *s, struct sim_object *o, bool failing)
{
	struct sim_object *job;
	char name[SIM_NAME_MAX + 1];

	if (o->st.have != 0)
		return;
	sim_template_job_name(o, ++o->st.touches, name);
	if (sim_store_find(s, SIM_JOB, o->ns, name) != NULL)
		return;
	job = sim_store_object(s, SIM_JOB, o->ns, name, o->app, o);
	job->st.image = o->st.image;
	job->broken_image = failing;
	sim_store_add(s, job);
	o->st.have = 1;
	o->st.started_ms = sim_store_now(s);
	sim_store_update(s, o);
}

static bool sweep(struct sim_store *s, struct sim_object *o, int64_t now);

/* Jobs beyond the history go, the oldest first, with their pods. */
static bool
forget_jobs(struct sim_store *s, struct sim_object *o, int64_t now)
{
	struct sim_object *job;

	if (o->n_children <= JOB_HISTORY)
		return true;
	job = o->children[0];
	if (job->st.phase != SIM_WAITING && sweep(s, job, now))
		sim_store_delete(s, job);
	return false;
}

static bool
cronjob_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	struct sim_object *job;
	bool settled = true;

	for (size_t i = o->n_children; i-- > 0; )
		settled &= job_step(s, o->children[i], now);
	if (o->st.have != 0 && settled) {
		job = o->n_children != 0 ? o->children[o->n_children - 1] :
		    NULL;
		o->st.have = 0;
		o->st.phase = job != NULL ? job->st.phase : SIM_WELL;
		sim_store_update(s, o);
	}
	return forget_jobs(s, o, now) && settled;
}

/* ---- those that wait for something outside ---- */

/* A lost claim is made anew under its name: another uid. */
static void
replace_claim(struct sim_store *s, struct sim_object *o)
{
	struct sim_object *fresh = sim_store_object(s, SIM_PVC, o->ns, o->name,
	    o->app, NULL);

	fresh->st.replicas = o->st.replicas;
	fresh->st.phase = SIM_WELL;
	sim_store_delete(s, o);
	sim_store_add(s, fresh);
}

static bool
waiting_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	if (!o->alive || (o->st.phase == SIM_WELL && o->st.deleting_ms == 0))
		return true;
	if (o->due_ms == 0) {
		o->due_ms = now + sim_rollout_around(s, REPAIR_MS);
		return false;
	}
	if (now < o->due_ms)
		return false;
	o->due_ms = 0;
	if (o->st.deleting_ms != 0) {
		sim_store_delete(s, o);
	} else if (o->kind == SIM_PVC && o->st.phase == SIM_BROKEN) {
		replace_claim(s, o);
	} else {
		o->st.phase = SIM_WELL;
		o->st.touches++;
		sim_store_update(s, o);
	}
	return true;
}

/* ---- any ---- */

/* What a deleted owner left: its pods stop, its Jobs go after theirs. */
static bool
sweep(struct sim_store *s, struct sim_object *o, int64_t now)
{
	struct sim_object *child;

	for (size_t i = o->n_children; i-- > 0; ) {
		child = o->children[i];
		if (child->kind == SIM_POD) {
			if (child->st.deleting_ms == 0)
				sim_rollout_stop_pod(s, child);
			(void)sim_rollout_pod_step(s, child, false, now);
		} else if (sweep(s, child, now)) {
			sim_store_delete(s, child);
		}
	}
	return o->n_children == 0;
}

bool
sim_workload_step(struct sim_store *s, struct sim_object *o, int64_t now)
{
	if (!o->alive)
		return sweep(s, o, now);
	switch ((int)o->kind) {
	case SIM_STATEFULSET:
		return statefulset_step(s, o, now);
	case SIM_DAEMONSET:
		return daemonset_step(s, o, now);
	case SIM_JOB:
		return job_step(s, o, now);
	case SIM_CRONJOB:
		return cronjob_step(s, o, now);
	case SIM_SERVICE:
	case SIM_INGRESS:
	case SIM_PVC:
	case SIM_HPA:
		return waiting_step(s, o, now);
	default:
		return true;
	}
}
