#include "watcher/job_facts.h"

#include <assert.h>

#include "common/macros.h"
#include "watcher/json_scan.h"

enum slot { J_CONDITIONS, J_ACTIVE, J_FAILED, J_START, J_COMPLETION, J_MAX };
enum spec_slot { J_SUSPEND, J_BACKOFF, J_SPEC_MAX };

static const struct json_want want_status[] = {
	{ "conditions", J_CONDITIONS, NULL, 0 },
	{ "active", J_ACTIVE, NULL, 0 },
	{ "failed", J_FAILED, NULL, 0 },
	{ "startTime", J_START, NULL, 0 },
	{ "completionTime", J_COMPLETION, NULL, 0 },
};

static const struct json_want want_spec[] = {
	{ "suspend", J_SUSPEND, NULL, 0 },
	{ "backoffLimit", J_BACKOFF, NULL, 0 },
};

/* --- what the object says ------------------------------------------------- */

static void
set_text(struct job_facts *f, const struct kube_condition *c)
{
	kube_status_set_raw(&f->text, HEALTH_UNKNOWN, c->reason, "",
	    c->message, "");
}

static bool
read_end(const struct slice v[J_MAX], struct job_facts *f)
{
	struct kube_condition c;
	int64_t completed = kube_object_time(v[J_COMPLETION]);

	if (kube_status_is_true(v[J_CONDITIONS], "Complete", &c))
		f->state = LIFECYCLE_SUCCEEDED;
	else if (!kube_status_is_true(v[J_CONDITIONS], "Failed", &c))
		return false;
	else
		f->state = json_scan_is(c.reason, "DeadlineExceeded") ?
		    LIFECYCLE_TIMED_OUT : LIFECYCLE_FAILED;
	f->finished_unix_ms = completed != 0 ? completed :
	    kube_status_changed(&c);
	/* Pods that ran side by side fail in one attempt; and what succeeded
	 * did so in one that was left. */
	if (f->max_attempts > 0)
		f->failed = MIN(f->failed, f->max_attempts -
		    (f->state == LIFECYCLE_SUCCEEDED));
	set_text(f, &c);
	return true;
}

/* A pod that failed and is not tried again is no attempt more. Pods of a job
 * that is about to end are active no more, and it is not queued for that. */
static void
read_tries(struct slice conditions, struct job_facts *f)
{
	struct kube_condition c;

	if (kube_status_is_true(conditions, "FailureTarget", &c)) {
		if (f->failed > 0 || f->started_unix_ms != 0)
			f->state = LIFECYCLE_RUNNING;
		f->failed -= f->failed > 0;
	} else if (kube_status_is_true(conditions, "SuccessCriteriaMet",
	    &c)) {
		f->state = LIFECYCLE_RUNNING;
	}
	if (f->max_attempts > 0)
		f->failed = MIN(f->failed, f->max_attempts - 1);
}

void
job_facts_read(const struct kube_object *object, struct job_facts *ret)
{
	struct slice v[J_MAX], spec[J_SPEC_MAX];
	struct kube_condition c;
	int64_t limit;

	json_scan_again(object->spec, want_spec, NELEM(want_spec), spec,
	    J_SPEC_MAX);
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    J_MAX);
	limit = kube_status_counter(spec[J_BACKOFF], -1);
	*ret = (struct job_facts){
		.failed = (uint32_t)MIN(kube_status_counter(v[J_FAILED], 0),
		    INT32_MAX - 1),
		/* 2^31 - 1 is a job's way to say: without end. */
		.max_attempts = limit < 0 || limit >= INT32_MAX ? 0 :
		    (uint32_t)limit + 1,
		.created_unix_ms = object->created_unix_ms,
		.started_unix_ms = kube_object_time(v[J_START]),
	};
	if (read_end(v, ret))
		return;
	read_tries(v[J_CONDITIONS], ret);
	if (json_scan_true(spec[J_SUSPEND]) &&
	    kube_status_is_true(v[J_CONDITIONS], "Suspended", &c)) {
		ret->state = LIFECYCLE_THROTTLED;
		set_text(ret, &c);
	} else if (kube_status_counter(v[J_ACTIVE], 0) > 0 ||
	    ret->state == LIFECYCLE_RUNNING) {
		ret->state = LIFECYCLE_RUNNING;
	} else {
		ret->state = kube_status_has_text(v[J_START]) ?
		    LIFECYCLE_QUEUED : LIFECYCLE_PENDING;
	}
}

/* --- the way there -------------------------------------------------------- */

static bool
is_end(enum lifecycle_state state)
{
	return lifecycle_final(LIFECYCLE_OF_JOB, state);
}

/* The pod that failed last is no try again where the job ended with it. */
static uint32_t
attempt_of(enum lifecycle_state state, uint32_t failed)
{
	if (state == LIFECYCLE_FAILED || state == LIFECYCLE_TIMED_OUT)
		return MAX(failed, 1u);
	return failed + 1;
}

/* Where the stream is to go. It cannot always go where the job is: what is
 * running leaves that state by a new attempt only. */
static struct job_step
goal_of(struct job_step from, enum lifecycle_state state, uint32_t failed)
{
	struct job_step goal = { state,
		MAX(from.attempt, attempt_of(state, failed)) };
	bool idle = state == LIFECYCLE_PENDING || state == LIFECYCLE_QUEUED;

	if (state == LIFECYCLE_CANCELED && from.state != LIFECYCLE_NONE)
		goal.attempt = from.attempt;
	else if (from.state == LIFECYCLE_RUNNING && idle)
		goal.state = goal.attempt > from.attempt ? LIFECYCLE_QUEUED :
		    LIFECYCLE_RUNNING;
	else if (from.state == LIFECYCLE_RUNNING &&
	    state == LIFECYCLE_THROTTLED)
		goal.attempt = MAX(goal.attempt, from.attempt + 1);
	else if (idle && from.state != LIFECYCLE_NONE &&
	    (from.state != LIFECYCLE_PENDING || goal.attempt > from.attempt))
		goal.state = LIFECYCLE_QUEUED;
	if (from.state != LIFECYCLE_NONE)
		goal.attempt = MIN(goal.attempt,
		    from.attempt + JOB_ATTEMPTS_MAX);
	return goal;
}

/* One transition of the job machine towards the goal, which is elsewhere. */
static struct job_step
next_step(struct job_step at, struct job_step goal, bool ran)
{
	bool again = at.attempt < goal.attempt;
	bool back = goal.state == LIFECYCLE_QUEUED ||
	    goal.state == LIFECYCLE_THROTTLED;

	if (goal.state == LIFECYCLE_CANCELED)
		return (struct job_step){ goal.state, at.attempt };
	if (at.state == LIFECYCLE_PENDING || at.state == LIFECYCLE_THROTTLED)
		return (struct job_step){ LIFECYCLE_QUEUED, at.attempt };
	if (at.state == LIFECYCLE_RUNNING)
		return again ? (struct job_step){ LIFECYCLE_QUEUED,
		    at.attempt + 1 } : goal;
	if (!again && (goal.state == LIFECYCLE_TIMED_OUT ||
	    (at.state == LIFECYCLE_QUEUED && back) ||
	    (at.state == LIFECYCLE_LEASED && !ran &&
	    goal.state == LIFECYCLE_FAILED)))
		return goal;
	if (at.state == LIFECYCLE_QUEUED)
		return (struct job_step){ LIFECYCLE_LEASED, at.attempt };
	return (struct job_step){ back && !again ? LIFECYCLE_QUEUED :
	    LIFECYCLE_RUNNING, at.attempt };
}

size_t
job_facts_path(struct job_step from, enum lifecycle_state state,
    uint32_t failed, struct job_step ret[JOB_STEPS_MAX])
{
	struct job_step goal = goal_of(from, state, failed);
	size_t n = 0;

	if (from.state == LIFECYCLE_NONE) {
		ret[0] = goal;
		return 1;
	}
	while (!is_end(from.state) && (from.state != goal.state ||
	    from.attempt != goal.attempt)) {
		assert(n < JOB_STEPS_MAX);
		from = next_step(from, goal, failed > 0);
		ret[n++] = from;
	}
	return n;
}
