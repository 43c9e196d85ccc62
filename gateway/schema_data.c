#include "gateway/schema_data.h"

#include <string.h>

#include "common/macros.h"

/* Each file, by its name without .json, and a symbol for it. */
#define SCHEMAS(X)						\
	X(alert_fired, "alert_fired")				\
	X(alert_resolved, "alert_resolved")			\
	X(cancelled, "cancelled")				\
	X(cloud_event, "cloud-event")				\
	X(cluster_health, "cluster.health")			\
	X(cluster_metadata_updated, "cluster.metadata_updated")	\
	X(cluster_status_changed, "cluster.status_changed")	\
	X(common, "common")					\
	X(complete, "complete")					\
	X(failed, "failed")					\
	X(heartbeat, "heartbeat")				\
	X(history, "history")					\
	X(job_artifact, "job.artifact")				\
	X(job_log, "job.log")					\
	X(job_progress, "job.progress")				\
	X(job_state_changed, "job.state_changed")		\
	X(log, "log")						\
	X(new_notification, "new_notification")			\
	X(node_update, "node_update")				\
	X(pack_run_artifact, "pack_run.artifact")		\
	X(pack_run_log, "pack_run.log")				\
	X(pack_run_progress, "pack_run.progress")		\
	X(pack_run_state_changed, "pack_run.state_changed")	\
	X(pack_run_step, "pack_run.step")			\
	X(progress, "progress")					\
	X(resource_deleted, "resource.deleted")			\
	X(run_event, "run.event")				\
	X(run_progress, "run.progress")				\
	X(run_state_changed, "run.state_changed")		\
	X(snapshot, "snapshot")					\
	X(status_update, "status_update")			\
	X(stream_event, "stream-event")				\
	X(stream_closing, "stream.closing")			\
	X(stream_end, "stream.end")				\
	X(stream_error, "stream.error")				\
	X(stream_gap, "stream.gap")				\
	X(stream_open, "stream.open")				\
	X(watcher_state_changed, "watcher.state_changed")	\
	X(workflow_sync, "workflow_sync")

#define EMBED(symbol, name)					\
	__asm__(						\
	    ".pushsection .rodata\n"				\
	    "schema_data_" #symbol ":\n"			\
	    ".globl schema_data_" #symbol "\n"			\
	    ".incbin \"schemas/" name ".json\"\n"		\
	    ".globl schema_data_" #symbol "_end\n"		\
	    "schema_data_" #symbol "_end:\n"			\
	    ".byte 0\n"						\
	    ".popsection\n");					\
	extern const char schema_data_##symbol[];		\
	extern const char schema_data_##symbol##_end[];
SCHEMAS(EMBED)

#define ROW(symbol, name)					\
	{ name, schema_data_##symbol, schema_data_##symbol##_end },

static const struct schema_data all[] = {
	SCHEMAS(ROW)
};

const struct schema_data *
schema_data(size_t i)
{
	return i < NELEM(all) ? &all[i] : NULL;
}

struct slice
schema_data_find(const char *name)
{
	for (size_t i = 0; i < NELEM(all); i++)
		if (strcmp(all[i].name, name) == 0)
			return (struct slice){ all[i].begin,
			    (size_t)(all[i].end - all[i].begin) };
	return SLICE_NONE;
}
