/*
 * job_table: the Jobs that have, or may have, a stream, by namespace and name,
 * and by uid: of one name there may be several. A hash table that doubles when
 * it is full; names come from strangers, so that the hash has a key of the
 * table's own. Pure but for that key, which is random. It owns the entries.
 */
#ifndef SLUICE_JOB_TABLE_H
#define SLUICE_JOB_TABLE_H

#include "common/event.h"
#include "common/sip.h"
#include "watcher/job_facts.h"
#include "watcher/job_name.h"

/* One Job and its stream: job_streams says what is what; payload reads it. */
struct job_stream {
	struct job_stream	*next;        /* of the bucket */
	struct job_stream	*next_dirty;
	struct job_stream	**link_dirty; /* what points to it */
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
	uint8_t			 uid[JOB_UID_SIZE];
	uint8_t			 losses;      /* of guards, one by one */
	bool			 present : 1; /* in the cluster */
	bool			 suffixed : 1;  /* its key */
	bool			 settled : 1; /* never to be told of again */
	bool			 dirty : 1;
	bool			 silent : 1;  /* dirty, gone, never shown */
	bool			 counted : 1; /* the cluster named it */
	bool			 in_flight : 1;
	uint16_t		 namespace_len;
	char			 path[];      /* "namespace/name" */
};

struct job_table {
	struct job_stream	**buckets;   /* by path */
	size_t			  n_buckets; /* a power of two */
	size_t			  n;
	struct sip_key		  key;
};

void	job_table_init(struct job_table *t);
void	job_table_clear(struct job_table *t);

/* NULL: it is not there. */
struct job_stream *job_table_find(const struct job_table *t,
	    const char *path, const uint8_t uid[JOB_UID_SIZE]);
/* Finds the Job, or makes it, empty; its key has the suffix if another of its
 * name is there. */
struct job_stream *job_table_entry(struct job_table *t, const char *path,
	    size_t namespace_len, const uint8_t uid[JOB_UID_SIZE]);
/* Frees it. */
void	job_table_remove(struct job_table *t, struct job_stream *s);

/* All of one name; the one that was given last must be there still. */
struct job_stream *job_table_named(const struct job_table *t,
	    const char *path);
struct job_stream *job_table_named_next(const struct job_stream *s);

/* A walk, from { 0 } until NULL. The one it gave last may be removed; nothing
 * may be added meanwhile. */
struct job_table_cursor {
	size_t			 bucket;
	struct job_stream	*next;
};

struct job_stream *job_table_next(const struct job_table *t,
	    struct job_table_cursor *c);

#endif
