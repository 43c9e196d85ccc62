/*
 * projection_rows: the tables of projection.db that people and the MongoDB
 * thread read: `resources`, `workflow_nodes`, `clusters` and `watchers`, a row
 * each, written from what an event's data says (view.h). On projection_db's
 * connection and inside its transactions; writer thread only.
 */
#ifndef SLUICE_PROJECTION_ROWS_H
#define SLUICE_PROJECTION_ROWS_H

#include <sqlite3.h>

#include "common/event.h"

struct projection_rows;

/* The connection stays the caller's; closing it ends the statements too. */
struct projection_rows *projection_rows_new(sqlite3 *db, struct err *err)
    MUST_CHECK;
void	projection_rows_free(struct projection_rows *r);
/* Writes the row an event shows in, if there is one; `change` is the event's
 * number. Events come in order: projection_db_apply() sees to that. */
int	projection_rows_apply(struct projection_rows *r,
	    const struct item *item, uint64_t change, int64_t time_unix_ms,
	    struct err *err) MUST_CHECK;

#endif
