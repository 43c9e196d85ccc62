/*
 * db_reader: the store's SQLite reader thread: answers snapshots and histories
 * from projection.db and everything about workflows from sluice.db, one job
 * after the other, in the order they were handed in. Results are taken by the
 * loop after the eventfd it was given became readable.
 */
#ifndef SLUICE_DB_READER_H
#define SLUICE_DB_READER_H

#include "common/buf.h"
#include "common/conf.h"

#define DB_READER_JOBS_MAX 1024u

struct db_reader;

enum db_reader_job {
	DB_READER_SNAPSHOT,   /* body: tenant and selectors, as in query.h */
	DB_READER_HISTORY,    /* body: behind the wait, as in query_wire.h */
	DB_READER_JSON,       /* body: str32 JSON */
	DB_READER_FOLLOW,     /* body: JSON array for registry_follow() */
	DB_READER_ANNOUNCE,   /* every cluster's version as a change */
	DB_READER_CHECK,      /* how many clusters are incomplete */
	DB_READER_COPY,       /* the daily copy, if it is due */
	DB_READER_JOB_MAX
};

enum db_reader_kind {
	DB_READER_ANSWER,     /* of `ticket`, in `bytes` (now the caller's) */
	DB_READER_CHANGED,    /* bindings of `cluster` stand at `version` */
	DB_READER_INCOMPLETE, /* `version` clusters are so since a gap */
	DB_READER_TROUBLE,    /* `text` is to be logged */
	DB_READER_UNFOLLOWED, /* a DB_READER_FOLLOW failed: to be asked again */
	DB_READER_KIND_MAX
};

struct db_reader_result {
	enum db_reader_kind	kind;
	uint64_t		ticket;
	struct buf		bytes;
	char			cluster[64];
	uint64_t		version;
	bool			damaged;     /* projection.db: leave */
	char			text[ERR_TEXT_MAX];
};

/* Both files exist. err->code EX_CONFIG when sluice.db needs the operator. */
struct db_reader *db_reader_new(const char *projection_path,
    const char *registry_path, const struct conf *conf, int notify_fd,
    struct err *err) MUST_CHECK;
/* Ends the thread after the job it is at. NULL is fine. */
void	db_reader_free(struct db_reader *r);

/* From any thread. -1 when DB_READER_JOBS_MAX are waiting. */
int	db_reader_submit(struct db_reader *r, enum db_reader_job kind,
	    uint64_t ticket, const void *body, size_t n) MUST_CHECK;
/* The loop: the next result, or false. */
bool	db_reader_take(struct db_reader *r, struct db_reader_result *ret);
/* Another configuration, taken (conf_slot.h); the next job goes by it. */
void	db_reader_conf(struct db_reader *r, struct conf *conf);
/* A JSON object that `status` answers with. */
void	db_reader_facts(struct db_reader *r, const char *json);

#endif
