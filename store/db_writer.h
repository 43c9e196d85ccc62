/*
 * db_writer: the store's SQLite writer thread. The loop hands it records in
 * order; it applies them to projection.db in transactions (db_batch.h) of
 * whatever is there: an idle store commits each record at once, a busy one
 * commits rarely.
 *
 * The queue (backlog.h) holds at most DB_WRITER_QUEUE_MAX bytes. What comes on
 * top is not kept: the writer reads it from the journal in its place, waits for
 * what the journal was announced to have and does not have yet (`trouble` says
 * so), and takes what it will never have, or has damaged, for a gap. The loop
 * never waits.
 *
 * A full disk or an I/O error: the batch is kept and tried again, with back-off
 * up to DB_WRITER_RETRY_MAX_MS. Damage found while running: `damaged` is set
 * and the thread stops; the process leaves, and moves the file aside when it
 * starts again.
 *
 * All functions are for the loop's thread.
 */
#ifndef SLUICE_DB_WRITER_H
#define SLUICE_DB_WRITER_H

#include "common/conf.h"
#include "common/event.h"
#include "store/run_losses.h"
#include "store/run_progress.h"

#define DB_WRITER_QUEUE_MAX    (64u * 1024 * 1024)
#define DB_WRITER_RETRY_MAX_MS 5000
#define DB_WRITER_SWEEP_MS     10000   /* between two looks at retention */
#define DB_WRITER_SWEEP_MORE_MS 100    /* where one look did not do */

struct db_writer;

struct db_writer_status {
	struct position	applied;      /* committed */
	uint64_t	change;
	size_t		queued;       /* bytes */
	bool		from_journal; /* the queue ran over */
	bool		gapped;
	uint64_t	gap_change;   /* tells one gap from the next */
	bool		damaged;
	struct run_losses runs;
	char		trouble[ERR_TEXT_MAX];   /* "" when all is well */
};

/* Opens (or makes, or moves aside: see projection_db_open for `note`) the
 * database at `path` and starts the thread. After each commit one is added to
 * the eventfd `notify_fd`. */
struct db_writer *db_writer_new(const char *path, const struct conf *conf,
    int notify_fd, char *note, struct err *err) MUST_CHECK;
/* Applies what is queued, for at most `patience_ms`, and ends the thread. */
void	db_writer_stop(struct db_writer *w, int64_t patience_ms);
void	db_writer_free(struct db_writer *w);   /* stopped */

void	db_writer_record(struct db_writer *w, const void *bytes, size_t n,
	    struct position last);
/* Everything up to `through` is known, or was lost. */
void	db_writer_at(struct db_writer *w, struct position through);
void	db_writer_gap(struct db_writer *w, struct position through);
/* A memory segment of the journal; takes the fd, and lets go of it within
 * DB_WRITER_SWEEP_MS after it is over. */
void	db_writer_segment(struct db_writer *w, uint64_t first, int fd);
/* As journal_reader_retract. */
void	db_writer_retract(struct db_writer *w, uint64_t tip);
/* First position still in the journal: what retention goes by. */
void	db_writer_oldest(struct db_writer *w, uint64_t oldest);
/* Notifies the owner although nothing was applied. */
void	db_writer_call(struct db_writer *w);
/* Another configuration, taken (conf_slot.h); its retention is looked at
 * soon. */
void	db_writer_conf(struct db_writer *w, struct conf *conf);
/* A run that is followed (run_rows.h) and has news in what was committed: the
 * next, to be cleared; at first each that has not been told. False: none, or
 * none yet: of more than RUN_HANDOVER_MAX the others are read when the last was
 * taken, and the owner is notified. */
bool	db_writer_take_run(struct db_writer *w, struct run_progress *ret);
void	db_writer_status(struct db_writer *w, struct db_writer_status *ret);

#endif
