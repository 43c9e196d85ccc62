/*
 * job_facts: what a Kubernetes Job says of itself in the words of a job stream
 * (contract 3), and the legal way from what its stream shows to there. Pure.
 *
 *	created, not started      pending
 *	started, no pod active    queued
 *	a pod is active           running
 *	suspended                 throttled
 *	Complete                  succeeded
 *	Failed                    failed; timed_out for DeadlineExceeded
 *
 * FailureTarget and SuccessCriteriaMet are not the end yet: pods still run, or
 * are on their way out. A pod that failed and is tried again is an attempt;
 * max_attempts is backoffLimit + 1. Of a running job between two pods nothing
 * is said unless one has failed: it may as well have succeeded, and Complete
 * be on its way.
 */
#ifndef SLUICE_JOB_FACTS_H
#define SLUICE_JOB_FACTS_H

#include "common/lifecycle.h"
#include "watcher/kube_object.h"
#include "watcher/kube_status.h"

/* Attempts that are told one by one; of more between two looks at a job (pods
 * that run side by side) the rest is never told. */
#define JOB_ATTEMPTS_MAX 8u
#define JOB_STEPS_MAX    (4u + 3u * JOB_ATTEMPTS_MAX)

struct job_facts {
	enum lifecycle_state state;
	uint32_t	 failed;              /* pods; before the end those
					       * that are tried again */
	uint32_t	 max_attempts;        /* 0: not said */
	int64_t		 created_unix_ms;     /* 0: not given; so for all */
	int64_t		 started_unix_ms;
	int64_t		 finished_unix_ms;
	struct kube_status text;              /* reason, message; or empty */
};

/* Where a stream stands; all zero: nothing was said yet. */
struct job_step {
	enum lifecycle_state state;
	uint32_t	 attempt;
};

void	job_facts_read(const struct kube_object *object,
	    struct job_facts *ret);

/* The steps from where the stream stands to `state` with so many pods failed:
 * each is a legal transition; a stream without any begins where the job is.
 * Returns how many; 0: there is nothing to say. */
size_t	job_facts_path(struct job_step from, enum lifecycle_state state,
	    uint32_t failed, struct job_step ret[JOB_STEPS_MAX]);

#endif
