/*
 * check_job: what a worker of health does for one cluster: read its
 * credentials where that is due, then check it or fetch its metadata. Where a
 * plugin must be asked first the job ends and says so: the loop asks.
 *
 * Process: health. Made and freed in the loop, run in a worker; between
 * pool_submit and pool_collect the loop keeps its hands off. The kubeconfig
 * is read in the worker, since a file may lie on a disk that hangs.
 */
#ifndef SLUICE_CHECK_JOB_H
#define SLUICE_CHECK_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/kube_source.h"
#include "health/cluster_facts.h"
#include "health/pool.h"
#include "health/probe.h"
#include "health/schedule.h"

struct check_job {
	struct pool_job		 base;
	void			*owner;        /* not touched by the worker */
	enum schedule_job	 kind;
	const atomic_bool	*cancelled;
	struct kube_source	*source;       /* handed back with the job */
	bool			 plugged;      /* in: the plugin was asked for
						* this check: judge as it is */
	bool			 wants_plugin; /* out: nothing was judged */
	bool			 outdated;     /* out: files could not be ... */
	struct err		 stale;        /* ... read again, for this */
	struct probe_result	 probe;        /* SCHEDULE_CHECK */
	bool			 have_facts;   /* SCHEDULE_METADATA */
	struct cluster_facts	 facts;
	struct err		 err;          /* !have_facts: why */
};

/* Takes `source`, which may not be loaded yet. */
struct check_job *check_job_new(enum schedule_job kind,
    struct kube_source *source, const atomic_bool *cancelled, void *owner);
void	check_job_free(struct check_job *job);
void	check_job_drop(struct pool_job *base);  /* the same, for pool_free */

/* Frees one on the heap; NULL is fine. */
void	check_job_free_source(struct kube_source *source);

#endif
