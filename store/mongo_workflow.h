/*
 * mongo_workflow: the MongoDB writes that make, change and delete the document
 * of a workflow that came by the API. Pure: JSON in, BSON out, no client.
 *
 * Source of the rules: KubeOrch's collection `workflows`; a document of ours
 * carries `sluice.origin` = "api". One that KubeOrch made keeps its nodes and
 * fields: only what a status needs below a node is added.
 */
#ifndef SLUICE_MONGO_WORKFLOW_H
#define SLUICE_MONGO_WORKFLOW_H

#include "store/mongo_doc.h"

/* Ordered steps that make the document of a workflow that came by the API, or
 * add what it lacks, always with nodes[].data. Returns how many; *ret is to be
 * freed, each one cleared. The first alone is an upsert. */
size_t	mongo_workflow_put(struct mongo_write **ret, const char *workflow,
	    const char *tenant, const char *cluster, const json_t *nodes,
	    int64_t now_unix_ms);
/* Marks a document of ours as deleted; others stay as they are. */
void	mongo_workflow_delete(struct mongo_write *ret, const char *workflow,
	    int64_t now_unix_ms);

#endif
