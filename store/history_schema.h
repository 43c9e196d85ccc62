/*
 * The tables of history.h in projection.db, since its version 2.
 */
#ifndef SLUICE_HISTORY_SCHEMA_H
#define SLUICE_HISTORY_SCHEMA_H

#include "common/sip.h"

#define HISTORY_SCHEMA							\
	"CREATE TABLE history("						\
	" place INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"		\
	" at_unix_ms INTEGER NOT NULL, total INTEGER NOT NULL,"		\
	" item BLOB NOT NULL);"						\
	"CREATE INDEX history_stream ON history(stream);"		\
	"CREATE TABLE history_epochs("					\
	" epoch INTEGER PRIMARY KEY, base INTEGER NOT NULL,"		\
	" first INTEGER NOT NULL);"					\
	"CREATE TABLE history_state("					\
	" one INTEGER PRIMARY KEY CHECK(one = 1),"			\
	" evicted INTEGER NOT NULL, removed INTEGER NOT NULL,"		\
	" lost INTEGER NOT NULL, k0 INTEGER NOT NULL,"			\
	" k1 INTEGER NOT NULL);"					\
	"INSERT INTO history_state VALUES(1, 0, 0, 0, random(),"	\
	" random());"

/* name, text: the statements of history. */
#define HISTORY_STATEMENTS(X)						\
	X(STATE, "SELECT evicted, removed, lost, k0, k1"		\
	    " FROM history_state")					\
	X(STATE_PUT, "UPDATE history_state SET evicted = ?1,"		\
	    " removed = ?2, lost = ?3")					\
	X(NEWEST, "SELECT place, total FROM history"			\
	    " ORDER BY place DESC LIMIT 1")				\
	X(EPOCH, "SELECT base FROM history_epochs WHERE epoch = ?1")	\
	X(EPOCH_PUT, "INSERT OR REPLACE INTO history_epochs"		\
	    " VALUES(?1, ?2, ?3)")					\
	/* Those before the one that the oldest row is of. */		\
	X(EPOCHS_PRUNE, "DELETE FROM history_epochs WHERE first <"	\
	    " (SELECT max(first) FROM history_epochs WHERE first <= ?1)") \
	X(PUT, "INSERT INTO history VALUES(?1, ?2, ?3, ?4, ?5)")	\
	X(OLDEST, "SELECT place, at_unix_ms, total FROM history"	\
	    " ORDER BY place LIMIT ?1")					\
	X(REMOVE, "DELETE FROM history WHERE place <= ?1")

struct slice;

/* The `stream` of a row. Pure. */
int64_t	history_stream(const struct sip_key *seed, struct slice tenant,
	    struct slice key);

#endif
