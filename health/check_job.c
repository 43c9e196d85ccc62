#include "health/check_job.h"

#include <stdlib.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "health/classify.h"
#include "health/metadata.h"

void
check_job_free_credentials(struct kube_credentials *cred)
{
	if (cred == NULL)
		return;
	kube_credentials_free(cred);
	free(cred);
}

static int
load(struct check_job *job)
{
	struct kube_credentials *cred;

	if (job->cred != NULL)
		return 0;
	cred = xcalloc(1, sizeof(*cred));
	if (kubeconfig_load(job->kubeconfig, job->context, cred,
	    &job->err) < 0) {
		free(cred);
		return -1;
	}
	job->cred = cred;
	job->loaded = true;
	return 0;
}

static void
check(struct check_job *job, struct mono deadline)
{
	if (load(job) == 0)
		probe_run(job->cred, deadline, job->cancelled, &job->probe);
	else
		classify_own(PROBE_AUTH, job->err.text, &job->probe.finding);
}

/* Credentials that were refused may have been replaced on disk since they
 * were read: then it is asked again with those, within the one budget. */
static void
check_twice(struct check_job *job)
{
	struct mono deadline = mono_add_ms(mono_now(), PROBE_BUDGET_MS);
	enum probe_code code;

	check(job, deadline);
	code = job->probe.finding.code;
	if (code != PROBE_AUTH && code != PROBE_TLS)
		return;
	if (!job->loaded && job->cred != NULL) {
		check_job_free_credentials(job->cred);
		job->cred = NULL;
		check(job, deadline);
	}
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
		job->have_facts = load(job) == 0 && metadata_fetch(job->cred,
		    job->cancelled, &job->facts, &job->err) == 0;
		break;
	}
}

struct check_job *
check_job_new(enum schedule_job kind, const char *kubeconfig,
    const char *context, struct kube_credentials *cred,
    const atomic_bool *cancelled, void *owner)
{
	struct check_job *job = xcalloc(1, sizeof(*job));

	job->base.run = run;
	job->owner = owner;
	job->kind = kind;
	job->cancelled = cancelled;
	job->kubeconfig = xstrdup(kubeconfig);
	job->context = context != NULL ? xstrdup(context) : NULL;
	job->cred = cred;
	return job;
}

void
check_job_free(struct check_job *job)
{
	if (job == NULL)
		return;
	check_job_free_credentials(job->cred);
	cluster_facts_free(&job->facts);
	free(job->kubeconfig);
	free(job->context);
	free(job);
}

void
check_job_drop(struct pool_job *base)
{
	check_job_free(CONTAINER_OF(base, struct check_job, base));
}
