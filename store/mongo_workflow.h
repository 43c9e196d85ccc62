/*
 * mongo_workflow: the MongoDB writes that make, change and delete the document
 * of a workflow that came by the API. Pure: JSON in, BSON out, no client.
 *
 * Source of the rules: KubeOrch's collection `workflows`; a document of ours
 * carries `sluice.origin` = "api". One that KubeOrch made keeps the nodes and
 * fields it has: what the API names is added, and the nodes it names stand for
 * the objects it says.
 */
#ifndef SLUICE_MONGO_WORKFLOW_H
#define SLUICE_MONGO_WORKFLOW_H

#include "store/mongo_doc.h"
#include "store/mongo_source.h"

/* A put is made of three steps, one after the other; the writes of a step need
 * not wait for each other, so that a node MongoDB will not take (its data is a
 * text) holds up no other. All of them may be repeated. */
enum mongo_put {
	MONGO_PUT_DOCUMENT,   /* made, if there is none (the only upsert) */
	MONGO_PUT_NODES,      /* those it lacks, and each one's data */
	MONGO_PUT_OBJECTS,    /* which object each stands for */
	MONGO_PUT_MAX
};

/* A workflow of the API. Returns how many writes; *ret is to be freed, each one
 * cleared. */
size_t	mongo_workflow_put(struct mongo_write **ret, enum mongo_put step,
	    const struct mongo_workflow *workflow, int64_t now_unix_ms);
/* Marks a document of ours as deleted; others stay as they are. */
void	mongo_workflow_delete(struct mongo_write *ret, const char *workflow,
	    int64_t now_unix_ms);

#endif
