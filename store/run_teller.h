/*
 * run_teller: publishes run.progress of the runs that are followed: from the
 * writer (db_writer_take_run) over run_queue to the broker. Process: store,
 * loop only.
 *
 * There is one store, and of its incarnations the broker takes only the newest
 * (publisher.h): so there is one teller. Nothing is told before the projection
 * has caught up with the broker once: what an earlier life told has come back
 * by then, and counts of long ago are not told as news.
 */
#ifndef SLUICE_RUN_TELLER_H
#define SLUICE_RUN_TELLER_H

#include "common/err.h"
#include "common/macros.h"
#include "store/db_writer.h"

#define RUN_TELLER_BYTES_MAX (1024u * 1024)   /* not answered yet */

struct event_base;
struct run_teller;

/* NULL with *err. The writer must outlive it. */
struct run_teller *run_teller_new(struct event_base *base,
    const char *bus_directory, uint64_t incarnation,
    struct db_writer *writer, struct err *err) MUST_CHECK;
void	run_teller_free(struct run_teller *t);   /* NULL is none */
/* The projection has caught up. Again: nothing. */
void	run_teller_go(struct run_teller *t);
/* The writer may have runs. */
void	run_teller_look(struct run_teller *t);

#endif
