#include "health/check_job.h"

#include <stdlib.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "health/classify.h"
#include "health/metadata.h"

void
check_job_free_source(struct kube_source *source)
{
	if (source == NULL)
		return;
	kube_source_free(source);
	free(source);
}

/* 0 ready, 1 the plugin must be asked first, -1 with job->err. */
static int
prepare(struct check_job *job)
{
	struct kube_source *source = job->source;
	enum kube_source_change change;

	if (!source->loaded) {
		if (kube_source_load(source, mono_now(), &job->err) < 0)
			return -1;
	} else if (kube_source_refresh(source, mono_now(), &change,
	    &job->stale) < 0) {
		job->outdated = true;   /* what was read before is used */
	}
	job->wants_plugin = kube_source_wants_plugin(source,
	    wall_unix_ms());
	return job->wants_plugin ? 1 : 0;
}

static void
check(struct check_job *job, struct mono deadline)
{
	int rc = prepare(job);

	if (rc == 0)
		probe_run(&job->source->cred, deadline, job->cancelled,
		    &job->probe);
	else if (rc < 0)
		classify_own(PROBE_AUTH, job->err.text, &job->probe.finding);
}

/* Credentials that were refused may have been replaced since they were read:
 * then it is asked again with those, within the one budget. What was read
 * within this job is not. */
static void
check_twice(struct check_job *job)
{
	struct mono began = mono_now();
	struct mono deadline = mono_add_ms(began, PROBE_BUDGET_MS);
	bool known = job->source->loaded;
	enum probe_code code;

	check(job, deadline);
	code = job->probe.finding.code;
	if (job->wants_plugin || !job->source->loaded ||
	    (code != PROBE_AUTH && code != PROBE_TLS))
		return;
	kube_source_refused(job->source, began, code == PROBE_AUTH);
	if (known && (job->source->suspect || job->source->refused) &&
	    !job->plugged)
		check(job, deadline);
}

static void
run(struct pool_job *base)
{
	struct check_job *job = CONTAINER_OF(base, struct check_job, base);

	switch (job->kind) {
	case SCHEDULE_CHECK:
		check_twice(job);
		break;
	case SCHEDULE_METADATA:
		job->have_facts = prepare(job) == 0 && metadata_fetch(
		    &job->source->cred, job->cancelled, &job->facts,
		    &job->err) == 0;
		break;
	}
}

struct check_job *
check_job_new(enum schedule_job kind, struct kube_source *source,
    const atomic_bool *cancelled, void *owner)
{
	struct check_job *job = xcalloc(1, sizeof(*job));

	job->base.run = run;
	job->owner = owner;
	job->kind = kind;
	job->cancelled = cancelled;
	job->source = source;
	return job;
}

void
check_job_free(struct check_job *job)
{
	if (job == NULL)
		return;
	check_job_free_source(job->source);
	cluster_facts_free(&job->facts);
	free(job);
}

void
check_job_drop(struct pool_job *base)
{
	check_job_free(CONTAINER_OF(base, struct check_job, base));
}
