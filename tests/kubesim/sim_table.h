/*
 * sim_table: objects as rows for people (as=Table;g=meta.k8s.io;v=v1), which a
 * watcher must not ask for. Every kind has the columns Name and Age, config
 * maps and secrets Data between them; a real server has more of other kinds.
 * A row's object is its metadata (includeObject is not read). Pure.
 */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include <event2/buffer.h>

#include "common/buf.h"
#include "tests/kubesim/sim_store.h"

/* The columns as a JSON list; static. */
const char *sim_table_columns(enum sim_kind kind);
/* A Table of its own, up to its rows: "columnDefinitions" is null but in the
 * first of a watch. */
void	sim_table_begin(struct evbuffer *out, enum sim_kind kind, uint64_t rv,
	    bool columns);
/* {"cells":[...],"object": and the row's metadata is to follow, then "}". The
 * age is that at the time of this state. */
void	sim_table_row(struct evbuffer *out, const struct sim_object *o,
	    const struct sim_state *st);
/* The one row of a bookmark, whole. */
void	sim_table_bookmark(struct evbuffer *out, enum sim_kind kind,
	    uint64_t rv, bool initial_end);

#endif
