/* Templates of what runs pods: StatefulSet, DaemonSet, Job, CronJob. */
#include <stdio.h>

#include "common/macros.h"
#include "tests/kubesim/sim_template.h"

#define BACKOFF_LIMIT 2

static void
add_pod_template(struct buf *b, const struct sim_object *o, uint32_t image,
    const char *restart_policy)
{
	buf_addf(b, "\"template\":{\"metadata\":{\"labels\":{\"app\":\"%s\"}},"
	    "\"spec\":{", o->app);
	sim_template_pod_spec(b, o, image, restart_policy);
	buf_adds(b, "}}");
}

void
sim_template_statefulset(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char now[SIM_HASH_SIZE], next[SIM_HASH_SIZE];

	sim_template_hash(o->app, st->current, now);
	sim_template_hash(o->app, st->image, next);
	buf_addf(b, ",\"spec\":{\"replicas\":%u,\"selector\":{\"matchLabels\":"
	    "{\"app\":\"%s\"}},", st->replicas, o->app);
	add_pod_template(b, o, st->image, "Always");
	buf_addf(b, ",\"serviceName\":\"%s\",\"podManagementPolicy\":"
	    "\"OrderedReady\",\"updateStrategy\":{\"type\":\"RollingUpdate\","
	    "\"rollingUpdate\":{\"partition\":0}},"
	    "\"revisionHistoryLimit\":10,"
	    "\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":"
	    "\"Retain\",\"whenScaled\":\"Retain\"}},\"status\":{", o->app);
	if (st->observed != 0)
		buf_addf(b, "\"observedGeneration\":%u,", st->observed);
	buf_addf(b, "\"replicas\":%u", st->have);
	sim_template_count(b, "readyReplicas", st->ready);
	sim_template_count(b, "currentReplicas", st->current == st->image ?
	    st->have : st->have - MIN(st->have, st->updated));
	sim_template_count(b, "updatedReplicas", st->updated);
	if (st->observed != 0)
		buf_addf(b, ",\"currentRevision\":\"%s-%s\","
		    "\"updateRevision\":\"%s-%s\",\"collisionCount\":0",
		    o->name, now, o->name, next);
	buf_addf(b, ",\"availableReplicas\":%u}", st->ready);
}

void
sim_template_daemonset(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_addf(b, ",\"spec\":{\"selector\":{\"matchLabels\":{\"app\":"
	    "\"%s\"}},", o->app);
	add_pod_template(b, o, st->image, "Always");
	buf_addf(b, ",\"updateStrategy\":{\"type\":\"RollingUpdate\","
	    "\"rollingUpdate\":{\"maxUnavailable\":1,\"maxSurge\":0}},"
	    "\"revisionHistoryLimit\":10},\"status\":{"
	    "\"currentNumberScheduled\":%u,\"numberMisscheduled\":0,"
	    "\"desiredNumberScheduled\":%u,\"numberReady\":%u", st->have,
	    st->observed == 0 ? 0 : st->replicas, st->ready);
	sim_template_count(b, "observedGeneration", st->observed);
	sim_template_count(b, "updatedNumberScheduled", st->updated);
	sim_template_count(b, "numberAvailable", st->ready);
	sim_template_count(b, "numberUnavailable", st->observed != 0 &&
	    st->replicas > st->ready ? st->replicas - st->ready : 0);
	buf_addc(b, '}');
}

/* ---- Jobs: have = active pods, ready = succeeded, restarts = failed ---- */

static void
add_job_condition(struct buf *b, const char *type, const char *reason,
    const char *message, const char *time)
{
	buf_addf(b, "{\"type\":\"%s\",\"status\":\"True\",\"lastProbeTime\":"
	    "\"%s\",\"lastTransitionTime\":\"%s\",\"reason\":\"%s\","
	    "\"message\":\"%s\"}", type, time, time, reason, message);
}

static void
job_conditions(struct buf *b, const struct sim_state *st, const char *changed)
{
	static const char done[] = "Reached expected number of succeeded pods";
	static const char failed[] = "Job has reached the specified backoff "
	    "limit";

	buf_adds(b, ",\"conditions\":[");
	if (st->phase == SIM_WELL) {
		add_job_condition(b, "SuccessCriteriaMet",
		    "CompletionsReached", done, changed);
		buf_addc(b, ',');
		add_job_condition(b, "Complete", "CompletionsReached", done,
		    changed);
		buf_addf(b, "],\"completionTime\":\"%s\"", changed);
		return;
	}
	add_job_condition(b, "FailureTarget", "BackoffLimitExceeded", failed,
	    changed);
	buf_addc(b, ',');
	add_job_condition(b, "Failed", "BackoffLimitExceeded", failed,
	    changed);
	buf_addc(b, ']');
}

static void
job_spec(struct buf *b, const struct sim_object *o, const struct sim_state *st)
{
	buf_addf(b, "\"parallelism\":1,\"completions\":%u,"
	    "\"backoffLimit\":%d,", st->replicas, BACKOFF_LIMIT);
	add_pod_template(b, o, st->image, "Never");
	buf_addf(b, ",\"completionMode\":\"NonIndexed\",\"suspend\":%s,"
	    "\"podReplacementPolicy\":\"TerminatingOrFailed\"",
	    st->paused ? "true" : "false");
}

void
sim_template_job(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char started[MONO_RFC3339_SIZE], changed[MONO_RFC3339_SIZE];

	sim_template_time(st->started_ms, started);
	sim_template_time(st->changed_ms, changed);
	buf_addf(b, ",\"spec\":{\"selector\":{\"matchLabels\":{"
	    "\"batch.kubernetes.io/controller-uid\":\"%s\"}},", o->uid);
	job_spec(b, o, st);
	buf_adds(b, "},\"status\":{");
	if (st->observed == 0) {
		buf_addc(b, '}');
		return;
	}
	buf_addf(b, "\"startTime\":\"%s\"", started);
	if (st->phase != SIM_WAITING)
		job_conditions(b, st, changed);
	sim_template_count(b, "active", st->have);
	sim_template_count(b, "succeeded", st->ready);
	sim_template_count(b, "failed", st->restarts);
	buf_addf(b, ",\"terminating\":0,\"uncountedTerminatedPods\":{},"
	    "\"ready\":%u}", st->updated);
}

void
sim_template_touch_job(struct sim_state *st)
{
	st->touches++;
	st->observed = st->generation;
	st->phase = SIM_WAITING;
	st->have = 1;
	st->updated = st->updated != 0 ? 0 : 1;
}

void
sim_template_job_name(const struct sim_object *cronjob, uint32_t n,
    char name[SIM_NAME_MAX + 1])
{
	(void)snprintf(name, SIM_NAME_MAX + 1, "%.230s-%08u", cronjob->name,
	    29000000u + n);
}

void
sim_template_cronjob(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char last[MONO_RFC3339_SIZE], good[MONO_RFC3339_SIZE];
	char name[SIM_NAME_MAX + 1];
	bool comma = false;

	sim_template_time(st->started_ms, last);
	sim_template_time(st->started_ms + 9000, good);
	buf_addf(b, ",\"spec\":{\"schedule\":\"*/5 * * * *\","
	    "\"concurrencyPolicy\":\"Forbid\",\"suspend\":%s,"
	    "\"jobTemplate\":{\"metadata\":{},\"spec\":{",
	    st->paused ? "true" : "false");
	add_pod_template(b, o, st->image, "Never");
	buf_adds(b, "}},\"successfulJobsHistoryLimit\":3,"
	    "\"failedJobsHistoryLimit\":1},\"status\":{");
	if (st->have != 0) {
		sim_template_job_name(o, st->touches, name);
		buf_addf(b, "\"active\":[{\"kind\":\"Job\",\"namespace\":"
		    "\"%s\",\"name\":\"%s\",\"apiVersion\":"
		    "\"batch/v1\"}]", o->ns, name);
		comma = true;
	}
	if (st->started_ms != 0)
		buf_addf(b, "%s\"lastScheduleTime\":\"%s\"", comma ? "," : "",
		    last);
	if (st->started_ms != 0 && st->phase == SIM_WELL)
		buf_addf(b, ",\"lastSuccessfulTime\":\"%s\"", good);
	buf_addc(b, '}');
}
