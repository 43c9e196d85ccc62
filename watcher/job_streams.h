/*
 * job_streams: the Jobs of a cluster as job streams
 * (`watch.jobs_as_streams`): of each what it shows, what its stream shows, and
 * which of them have something to say. Pure; the outbox drives it.
 *
 * One stream for each Job, that is for each uid (job_name). So a watcher that
 * was restarted knows whose the streams are that the store tells of, and who
 * loses a guard, whose that is which stands there.
 *
 * A group is guarded by the position of the stream's last event: who loses
 * goes on from what the broker says, after JOB_STREAMS_LOSSES_MAX in a row when
 * the Job changes again: two that publish there do not go on for ever.
 *
 * A Job that had ended when it was first seen is told of, unless that is longer
 * ago than both of:
 *
 *	JOB_STREAMS_OLD_MS
 *	what is kept of a stream is served: until then the broker knows
 *	whether it was told; later it may have forgotten
 *
 * Who creates and deletes Jobs while nothing can be published fills no memory:
 * of those that are gone and that no stream ever showed
 * JOB_STREAMS_SILENT_MAX are kept, in case the store tells that an earlier
 * watcher showed them, and of all others that the cluster named `max`.
 */
#ifndef SLUICE_JOB_STREAMS_H
#define SLUICE_JOB_STREAMS_H

#include "common/publisher.h"
#include "watcher/job_table.h"

#define JOB_STREAMS_OLD_MS     (INT64_C(10) * 60 * 1000)
#define JOB_STREAMS_LOSSES_MAX 4   /* one after the other */
#define JOB_STREAMS_SILENT_MAX 256u

struct job_streams;

/* `retention_ms`: how long the kept events of a job stream that has ended are
 * served. `max`: Jobs to be known of, 0: any number. */
struct job_streams *job_streams_new(const char *cluster,
	    int64_t retention_ms, size_t max);
void	job_streams_free(struct job_streams *j);

/* Jobs it has something of in memory. */
size_t	job_streams_known(const struct job_streams *j);

/* --- what the cluster says: as inventory has it --------------------------- */
/* False: it is new, and there is no room for it. */
bool	job_streams_seen(struct job_streams *j,
	    const struct kube_object *object, int64_t now_unix_ms);
/* One that has not ended is canceled. */
void	job_streams_deleted(struct job_streams *j,
	    const struct kube_object *object, int64_t now_unix_ms);
/* `mark` grows with every list. */
void	job_streams_list_begin(struct job_streams *j, struct slice namespace,
	    uint32_t mark);
void	job_streams_list_end(struct job_streams *j, struct slice namespace,
	    uint32_t mark);

/* --- what the store says -------------------------------------------------- */
/* The last event of a stream that may be one of these. */
void	job_streams_stored(struct job_streams *j, const struct item *item);

/* --- publishing ----------------------------------------------------------- */
/* The first with something to say, NULL when there is none; it stays first
 * until job_streams_sent. */
struct job_stream *job_streams_first(struct job_streams *j);
/* What it has to say, in order; how much. */
size_t	job_streams_steps(const struct job_stream *s,
	    struct job_step ret[JOB_STEPS_MAX]);
/* These were handed to the publisher. */
void	job_streams_sent(struct job_streams *j, struct job_stream *s,
	    const struct job_step *steps, size_t n);
/* The broker has answered. False: it did not take them, and they are tried
 * again when the Job changes. */
bool	job_streams_answered(struct job_streams *j, struct job_stream *s,
	    const struct publish_result *result);

#endif
