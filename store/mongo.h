/*
 * mongo: the store's MongoDB thread: writes what changed in the projection and
 * the registry (mongo_source.h) to KubeOrch's collections, and reads from them
 * which workflows are followed. Only this thread ever waits for MongoDB
 * (mongo_server.h).
 *
 * Its checkpoint is the document `_id: "store"` of the collection
 * sluice_checkpoint, beside the data it speaks of: a database that was put back
 * to an older state brings its older checkpoint and is caught up by it. It is
 * read at the start and after every failure, and moved only after everything
 * before it was acknowledged with w: majority, j: true.
 *
 * A document or node that is not there is counted and not tried again; nor is
 * one MongoDB refuses for what it is (nodes: null …). Everything else is tried
 * again after MONGO_RETRY_MS, doubling to MONGO_RETRY_MAX_MS, with jitter.
 */
#ifndef SLUICE_MONGO_H
#define SLUICE_MONGO_H

#include "common/conf.h"

#define MONGO_BATCH_MS       50      /* least time between two batches */
#define MONGO_FOLLOW_MS      5000
#define MONGO_RETRY_MS       250
#define MONGO_RETRY_MAX_MS   5000
#define MONGO_REFUSAL_MAX    200     /* bytes of a text */
/* The longest mongo_stop() takes: half as long again, for a round that was
 * under way when the patience ended. */
#define MONGO_STOP_MS(patience_ms) ((patience_ms) * 3 / 2)

struct db_reader;
struct mongo;

struct mongo_status {
	bool		connected;
	uint64_t	written;     /* statuses */
	uint64_t	missing;     /* ... whose document or node is absent */
	uint64_t	refused;     /* writes MongoDB would not take */
	char		refusal[MONGO_REFUSAL_MAX];   /* why the last was */
	uint64_t	unfollowed;  /* workflows that cannot be followed */
	char		left_out[MONGO_REFUSAL_MAX];  /* which, and why: one */
	uint64_t	behind;      /* changes not written yet, when it was
				      * connected last */
	uint64_t	failures;    /* of attempts, since the start */
	char		trouble[ERR_TEXT_MAX];   /* "" when all is well */
};

/* err->code EX_CONFIG when the URI is not one. Starts the thread; what is
 * followed goes to the reader as DB_READER_FOLLOW. */
struct mongo	*mongo_new(const struct conf *conf,
		    const char *projection_path, const char *registry_path,
		    struct db_reader *reader, struct err *err) MUST_CHECK;
/* Something was committed. */
void		 mongo_wake(struct mongo *m);
/* What is followed did not reach the registry: it is handed on once more. */
void		 mongo_follow_again(struct mongo *m);
void		 mongo_status(struct mongo *m, struct mongo_status *ret);
/* Writes what is left, if MongoDB answers, and ends the thread: no new round
 * after patience_ms, and a return within MONGO_STOP_MS of it, by the monotonic
 * clock, also when MongoDB is frozen. False: the thread is still inside the
 * driver, and *m must be left alone until the process ends. */
bool		 mongo_stop(struct mongo *m, int64_t patience_ms);
void		 mongo_free(struct mongo *m);   /* stopped */

#endif
