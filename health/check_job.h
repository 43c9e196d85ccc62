/*
 * check_job: what a worker of health does for one cluster: load its
 * credentials where that is due, then check it or fetch its metadata.
 *
 * Process: health. Made and freed in the loop, run in a worker; between
 * pool_submit and pool_collect the loop keeps its hands off. The kubeconfig
 * is read in the worker, since a file may lie on a disk that hangs.
 */
#ifndef SLUICE_CHECK_JOB_H
#define SLUICE_CHECK_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/kubeconfig.h"
#include "health/cluster_facts.h"
#include "health/pool.h"
#include "health/probe.h"
#include "health/schedule.h"

struct check_job {
	struct pool_job		 base;
	void			*owner;        /* not touched by the worker */
	enum schedule_job	 kind;
	const atomic_bool	*cancelled;
	char			*kubeconfig;
	char			*context;      /* NULL: the current one */
	struct kube_credentials	*cred;         /* in: may be NULL; out */
	bool			 loaded;       /* out: cred is a new one */
	struct probe_result	 probe;        /* SCHEDULE_CHECK */
	bool			 have_facts;   /* SCHEDULE_METADATA */
	struct cluster_facts	 facts;
	struct err		 err;          /* !have_facts: why */
};

/* Takes `cred` (or NULL: load them); copies the strings. */
struct check_job *check_job_new(enum schedule_job kind,
    const char *kubeconfig, const char *context,
    struct kube_credentials *cred, const atomic_bool *cancelled, void *owner);
void	check_job_free(struct check_job *job);
void	check_job_drop(struct pool_job *base);  /* the same, for pool_free */

/* Frees credentials on the heap; NULL is fine. */
void	check_job_free_credentials(struct kube_credentials *cred);

#endif
