/*
 * The tables of projection.db (projection_db.h), but for the history's
 * (history_schema.h).
 */
#ifndef SLUICE_PROJECTION_SCHEMA_H
#define SLUICE_PROJECTION_SCHEMA_H

#define PROJECTION_SCHEMA						\
	"CREATE TABLE checkpoint("					\
	" one INTEGER PRIMARY KEY CHECK(one = 1), id TEXT NOT NULL,"	\
	" epoch INTEGER NOT NULL, position INTEGER NOT NULL,"		\
	" change INTEGER NOT NULL, gapped INTEGER NOT NULL,"		\
	" gap_change INTEGER NOT NULL, gap_unix_ms INTEGER NOT NULL);"	\
	"CREATE TABLE latest("						\
	" tenant TEXT NOT NULL, key TEXT NOT NULL, slot INTEGER NOT NULL," \
	" subject TEXT NOT NULL, epoch INTEGER NOT NULL,"		\
	" position INTEGER NOT NULL, change INTEGER NOT NULL,"		\
	" shown INTEGER NOT NULL, item BLOB NOT NULL,"			\
	" PRIMARY KEY(tenant, key, slot, subject));"			\
	"CREATE TABLE ended("						\
	" tenant TEXT NOT NULL, key TEXT NOT NULL,"			\
	" position INTEGER NOT NULL, at_unix_ms INTEGER NOT NULL,"	\
	" hidden INTEGER NOT NULL, type INTEGER NOT NULL,"		\
	" PRIMARY KEY(tenant, key));"					\
	"CREATE INDEX ended_due ON ended(type, at_unix_ms)"		\
	" WHERE hidden = 0;"						\
	"CREATE INDEX ended_gone ON ended(position) WHERE hidden = 1;"	\
	"CREATE TABLE resources("					\
	" tenant TEXT NOT NULL, cluster TEXT NOT NULL, kind TEXT NOT NULL," \
	" namespace TEXT NOT NULL, name TEXT NOT NULL, state TEXT,"	\
	" health TEXT, reason TEXT, message TEXT, resource_version TEXT," \
	" uid TEXT, updated_at TEXT NOT NULL, epoch INTEGER NOT NULL,"	\
	" position INTEGER NOT NULL,"					\
	" PRIMARY KEY(tenant, cluster, kind, namespace, name));"	\
	"CREATE TABLE workflow_nodes("					\
	" tenant TEXT NOT NULL, workflow TEXT NOT NULL,"		\
	" node TEXT NOT NULL, type TEXT, state TEXT, health TEXT,"	\
	" message TEXT, status TEXT NOT NULL, resource_version TEXT,"	\
	" updated_at TEXT NOT NULL, epoch INTEGER NOT NULL,"		\
	" position INTEGER NOT NULL, change INTEGER NOT NULL,"		\
	" PRIMARY KEY(tenant, workflow, node));"			\
	"CREATE INDEX workflow_nodes_change ON workflow_nodes(change);"	\
	"CREATE TABLE clusters("					\
	" tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT, status TEXT," \
	" latency_ms INTEGER, checked_at TEXT, version TEXT,"		\
	" consecutive_failures INTEGER, error_code TEXT, error TEXT,"	\
	" metadata TEXT, updated_at TEXT NOT NULL,"			\
	" epoch INTEGER NOT NULL, position INTEGER NOT NULL,"		\
	" change INTEGER NOT NULL, PRIMARY KEY(tenant, id));"		\
	"CREATE INDEX clusters_change ON clusters(change);"		\
	"CREATE TABLE watchers("					\
	" cluster TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL," \
	" reason TEXT, updated_at TEXT NOT NULL,"			\
	" position INTEGER NOT NULL, change INTEGER NOT NULL,"		\
	" PRIMARY KEY(cluster, kind));"

#define PROJECTION_NEWER(table)						\
	" WHERE excluded.epoch <> " table ".epoch"			\
	" OR excluded.position > " table ".position"

/* name, text: the statements of projection_db. */
#define PROJECTION_STATEMENTS(X)					\
	X(BEGIN, "BEGIN IMMEDIATE")					\
	X(COMMIT, "COMMIT")						\
	X(CHECKPOINT, "UPDATE checkpoint SET epoch = ?1, position = ?2," \
	    " change = ?3, gapped = ?4, gap_change = ?5,"		\
	    " gap_unix_ms = ?6")					\
	X(LATEST, "INSERT INTO latest VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7," \
	    " ?8, ?9) ON CONFLICT DO UPDATE SET epoch = excluded.epoch," \
	    " position = excluded.position, change = excluded.change,"	\
	    " shown = excluded.shown, item = excluded.item"		\
	    PROJECTION_NEWER("latest"))					\
	X(TRIM_LOGS, "DELETE FROM latest WHERE tenant = ?1 AND key = ?2" \
	    " AND slot = ?3 AND subject <= (SELECT subject FROM latest"	\
	    " WHERE tenant = ?1 AND key = ?2 AND slot = ?3"		\
	    " ORDER BY subject DESC LIMIT 1 OFFSET ?4)")		\
	X(END, "INSERT OR REPLACE INTO ended VALUES(?1, ?2, ?3, ?4, ?5," \
	    " ?6)")							\
	X(UNEND, "DELETE FROM ended WHERE tenant = ?1 AND key = ?2")	\
	X(DROP, "DELETE FROM latest WHERE tenant = ?1 AND key = ?2")

/* name, text: those of projection_sweep. */
#define PROJECTION_SWEEP_STATEMENTS(X)					\
	X(UNEND, "DELETE FROM ended WHERE tenant = ?1 AND key = ?2")	\
	X(ENDED, "SELECT tenant, key FROM ended WHERE hidden = 0"	\
	    " AND type = ?1 AND at_unix_ms <= ?2 ORDER BY at_unix_ms")	\
	X(GONE, "SELECT tenant, key FROM ended WHERE hidden = 1"	\
	    " AND position < ?1")					\
	X(SLOTS, "DELETE FROM latest WHERE tenant = ?1 AND key = ?2" \
	    " AND slot <> 1")						\
	X(HIDE, "UPDATE latest SET shown = 0 WHERE tenant = ?1"	\
	    " AND key = ?2")						\
	X(HIDDEN, "UPDATE ended SET hidden = 1 WHERE tenant = ?1"	\
	    " AND key = ?2")						\
	X(DROP, "DELETE FROM latest WHERE tenant = ?1 AND key = ?2")

/* name, text: those of projection_rows. */
#define PROJECTION_ROW_STATEMENTS(X)					\
	X(RESOURCE, "INSERT INTO resources VALUES(?1, ?2, ?3, ?4, ?5, ?6," \
	    " ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO UPDATE" \
	    " SET state = excluded.state, health = excluded.health,"	\
	    " reason = excluded.reason, message = excluded.message,"	\
	    " resource_version = excluded.resource_version,"		\
	    " uid = coalesce(excluded.uid, uid),"			\
	    " updated_at = excluded.updated_at, epoch = excluded.epoch," \
	    " position = excluded.position"				\
	    PROJECTION_NEWER("resources"))				\
	X(RESOURCE_GONE, "DELETE FROM resources WHERE tenant = ?1 AND"	\
	    " cluster = ?2 AND kind = ?3 AND namespace = ?4 AND name = ?5") \
	X(NODE, "INSERT INTO workflow_nodes VALUES(?1, ?2, ?3, ?4, ?5, ?6," \
	    " ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO UPDATE SET" \
	    " type = excluded.type, state = excluded.state,"		\
	    " health = excluded.health, message = excluded.message,"	\
	    " status = excluded.status,"				\
	    " resource_version = excluded.resource_version,"		\
	    " updated_at = excluded.updated_at, epoch = excluded.epoch," \
	    " position = excluded.position, change = excluded.change"	\
	    PROJECTION_NEWER("workflow_nodes"))				\
	X(CLUSTER, "INSERT INTO clusters(tenant, id, name, status,"	\
	    " latency_ms, checked_at, version, consecutive_failures,"	\
	    " error_code, error, updated_at, epoch, position, change)"	\
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12," \
	    " ?13, ?14) ON CONFLICT DO UPDATE SET"			\
	    " name = coalesce(excluded.name, name),"			\
	    " status = excluded.status,"				\
	    " latency_ms = coalesce(excluded.latency_ms, latency_ms),"	\
	    " checked_at = coalesce(excluded.checked_at, checked_at),"	\
	    " version = coalesce(excluded.version, version),"		\
	    " consecutive_failures = excluded.consecutive_failures,"	\
	    " error_code = excluded.error_code, error = excluded.error," \
	    " updated_at = excluded.updated_at, epoch = excluded.epoch," \
	    " position = excluded.position, change = excluded.change"	\
	    PROJECTION_NEWER("clusters"))				\
	X(METADATA, "INSERT INTO clusters(tenant, id, version, metadata," \
	    " updated_at, epoch, position, change) VALUES(?1, ?2, ?3, ?4," \
	    " ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET"		\
	    " version = coalesce(excluded.version, version),"		\
	    " metadata = excluded.metadata,"				\
	    " updated_at = excluded.updated_at, epoch = excluded.epoch," \
	    " position = excluded.position, change = excluded.change"	\
	    PROJECTION_NEWER("clusters"))				\
	X(WATCHER, "INSERT OR REPLACE INTO watchers VALUES(?1, ?2, ?3, ?4," \
	    " ?5, ?6, ?7)")

#endif
