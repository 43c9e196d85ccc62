/*
 * mongo_source: what is to be written to MongoDB, read from the store's own
 * SQLite files on connections of its own (MongoDB thread only).
 *
 * MongoDB is always written from the projection, never from the queue of
 * events: rows changed since a checkpoint, each as it stands now. So a status
 * that changed a hundred times while MongoDB was away is written once, nothing
 * has to be kept for it, and a checkpoint that is too old, or of another
 * projection, simply means "every row".
 */
#ifndef SLUICE_MONGO_SOURCE_H
#define SLUICE_MONGO_SOURCE_H

#include <jansson.h>

#include "common/event.h"

#define MONGO_BATCH           500   /* rows of one read */
#define MONGO_WORKFLOWS_BATCH 20

/* How far MongoDB has what the two files have. */
struct mongo_checkpoint {
	char		projection[33];   /* generation of projection.db */
	uint64_t	change;
	char		registry[33];     /* ... and of sluice.db */
	uint64_t	workflow_change;
	struct position	position;         /* for people */
};

/* One row; JSON is owned. node NULL: a cluster's row. */
struct mongo_row {
	char		*workflow;     /* or the cluster's name */
	char		*node;
	json_t		*status;       /* or the cluster's columns */
	struct position	 position;
};

struct mongo_workflow {
	char		*tenant;
	char		*id;
	char		*cluster;
	json_t		*nodes;
	bool		 deleted;
};

struct mongo_batch {
	struct mongo_row	*rows;
	size_t			 n_rows;
	struct mongo_workflow	*workflows;
	size_t			 n_workflows;
	struct mongo_checkpoint	 next;    /* once all of it is written */
	bool			 more;    /* further rows wait */
	uint64_t		 behind;  /* changes not covered by `next` */
};

struct mongo_source;

struct mongo_source *mongo_source_open(const char *projection_path,
    const char *registry_path, struct err *err) MUST_CHECK;
void	mongo_source_close(struct mongo_source *s);
/* What changed since the checkpoint; one of other files, or of a later state of
 * these, counts as none. With a workflow come the rows of all its nodes: its
 * document may be made only now. */
int	mongo_source_read(struct mongo_source *s,
	    const struct mongo_checkpoint *since, struct mongo_batch *ret,
	    struct err *err) MUST_CHECK;
void	mongo_batch_clear(struct mongo_batch *b);

#endif
