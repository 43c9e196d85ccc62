/*
 * job_streams: the Jobs of a cluster as job streams
 * (`watch.jobs_as_streams`): of each what it shows, what its stream shows, and
 * which of them have something to say. Pure; the outbox drives it.
 *
 * One stream for each Job, that is for each uid. Its key is
 * job:<cluster>/<namespace>/<name>; since the end of a stream is final, a Job
 * that has the name of an earlier one whose stream is still known gets
 * job:<cluster>/<namespace>/<name>:<first 8 digits of its uid>. Every event has
 * the uid as correlation_id: so a watcher that was restarted knows whose the
 * streams are that the store tells of.
 *
 * A group is guarded by the position of the stream's last event: who loses
 * goes on from what the broker says, once. A Job that had ended for longer
 * than JOB_STREAMS_OLD_MS when it was first seen is not told of: what was kept
 * of its stream may be gone (snapshot_retention), and with it that it was.
 */
#ifndef SLUICE_JOB_STREAMS_H
#define SLUICE_JOB_STREAMS_H

#include "common/publisher.h"
#include "watcher/job_facts.h"

#define JOB_STREAMS_OLD_MS (10 * 60 * 1000)
#define JOB_UID_TEXT       37u   /* 8-4-4-4-12, and a NUL */

struct job_streams;

/* One Job and its stream; payload reads it. */
struct job_stream {
	struct job_stream	*next;        /* of the bucket */
	struct job_stream	*next_dirty;
	char			*reason;      /* NULL: none */
	char			*message;
	struct position		 guard;       /* of its last event, or none */
	struct job_step		 at;          /* what the stream shows */
	struct job_step		 was;         /* before what is under way */
	enum lifecycle_state	 state;       /* what the job shows */
	uint32_t		 failed;
	uint32_t		 unsaid;      /* of these, never told */
	uint32_t		 max_attempts;
	uint32_t		 mark;        /* list that last named it */
	int64_t			 created_unix_ms;
	int64_t			 started_unix_ms;
	int64_t			 finished_unix_ms;
	uint8_t			 uid[16];
	bool			 present : 1; /* in the cluster */
	bool			 suffixed : 1;  /* its key */
	bool			 settled : 1; /* never to be told of again */
	bool			 dirty : 1;
	bool			 in_flight : 1;
	uint16_t		 namespace_len;
	char			 path[];      /* "namespace/name" */
};

struct job_streams *job_streams_new(const char *cluster);
void	job_streams_free(struct job_streams *j);

/* --- what the cluster says: as inventory has it --------------------------- */
void	job_streams_seen(struct job_streams *j,
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

/* <cluster>/<namespace>/<name>, perhaps with the suffix. */
void	job_streams_name(struct buf *b, const char *cluster,
	    const struct job_stream *s);
void	job_streams_uid(const struct job_stream *s, char ret[JOB_UID_TEXT]);

#endif
