/*
 * checked_cluster: one cluster as health knows it: where its credentials are,
 * what its checks found, and what of that was published.
 *
 * Process: health, loop only. What could not be handed to the publisher (its
 * queue is full: the broker is away) is not queued again but marked; the next
 * try publishes the state of that moment, and every move of the status that
 * was published names the one published before it.
 */
#ifndef SLUICE_CHECKED_CLUSTER_H
#define SLUICE_CHECKED_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/mono.h"
#include "common/publisher.h"
#include "health/check_job.h"
#include "health/schedule.h"
#include "health/verdict.h"

#define CLUSTER_MAGIC 0x54534c43u            /* "CLST" */
#define CLUSTER_METADATA_RETRY_MS 120000     /* after a failed fetch */

struct checked_cluster {
	uint32_t		 magic;
	char			*id;
	char			*context;      /* or NULL */
	char			*kubeconfig;
	struct schedule_entry	*entry;
	bool			 gone;         /* removed while a job runs */

	struct kube_source	*source;       /* NULL while a job has it */
	bool			 asking;      /* the supervisor, for a plugin */
	bool			 plugged;      /* it has answered: the next
						* check is judged as it is */

	struct verdict		 verdict;
	bool			 checked;      /* at least once */
	int64_t			 checked_at_unix_ms;
	int64_t			 latency_ms;
	char			 version[PROBE_VERSION_MAX];
	enum cluster_status	 published;
	bool			 unsent;

	struct cluster_facts	 facts;
	struct mono		 metadata_due;
	bool			 facts_unsent;
};

/* A cluster without a kubeconfig of its own has the configuration's. */
struct checked_cluster *checked_cluster_new(const struct conf_cluster *cluster,
    const struct conf *conf, struct mono now);
void	checked_cluster_free(struct checked_cluster *c);
/* Is it what is configured there? (Else it is replaced.) */
bool	checked_cluster_is(const struct checked_cluster *c,
	    const struct conf_cluster *cluster, const struct conf *conf);

/* The job that runs next; it takes the credentials with it. */
struct check_job *checked_cluster_job(struct checked_cluster *c,
    enum schedule_job kind, const atomic_bool *cancelled);
/* Takes over what an ended job found; the schedule's outcome of a check. With
 * job->wants_plugin nothing was found: the caller asks the plugin. */
enum schedule_outcome checked_cluster_take(struct checked_cluster *c,
    struct check_job *job, int64_t metadata_max_age_ms, struct mono now);

enum checked_plug {
	CHECKED_PLUG_CHECK,     /* to be checked at once */
	CHECKED_PLUG_FINDING,   /* the plugin failed: to be published */
	CHECKED_PLUG_WAIT,      /* of no use: asked again when it is due */
};

/* The plugin's answer, while no job has the source: what it gave is used for
 * the next check. Consumes *c. */
enum checked_plug checked_cluster_plug(struct checked_cluster *cluster,
	    struct exec_credential *c, uint64_t id, struct mono now);

/* Publishes what is marked unsent. True when nothing is left. */
bool	checked_cluster_publish(struct checked_cluster *c,
	    struct publisher *publisher, struct mono now);

#endif
