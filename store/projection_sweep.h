/*
 * projection_sweep: what retention takes out of `latest` and `ended`
 * (projection_db.h, deleted objects): streams that ended are hidden from
 * prefixes after their snapshot_retention, and dropped when they have left the
 * journal. On projection_db's connection and inside its transactions; the
 * store's writer thread only.
 */
#ifndef SLUICE_PROJECTION_SWEEP_H
#define SLUICE_PROJECTION_SWEEP_H

#include <sqlite3.h>

#include "common/conf.h"
#include "common/err.h"

#define PROJECTION_SWEEP_MAX 200u   /* streams hidden or dropped at once */

struct projection_sweep;

/* NULL with *err. The connection stays the caller's; closing it ends the
 * statements too. */
struct projection_sweep *projection_sweep_new(sqlite3 *db, struct err *err)
    MUST_CHECK;
void	projection_sweep_free(struct projection_sweep *s);   /* NULL is none */
/* `oldest` is the first position of the journal. 1 when there may be more to
 * hide or drop, else 0; errors are sql.h's. */
int	projection_sweep(struct projection_sweep *s, const struct conf *conf,
	    uint64_t oldest, int64_t now_unix_ms, struct err *err) MUST_CHECK;

#endif
