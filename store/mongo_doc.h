/*
 * mongo_doc: the MongoDB writes that record statuses and workflows, as values.
 * Pure: BSON and JSON in and out, no client.
 *
 * Source of the rules: KubeOrch's collections `workflows` and `clusters`.
 * A node's status is written whole, under nodes.$[n].data._status, by an array
 * filter; the node's id stands in the document filter too, so that matched 0
 * means "no such document or node". `_status.sluice` = {epoch, position} is the
 * guard: a status is replaced only by one of a higher position, or of another
 * epoch, so that a write repeated late by the driver cannot go back in time.
 */
#ifndef SLUICE_MONGO_DOC_H
#define SLUICE_MONGO_DOC_H

#include <bson/bson.h>
#include <jansson.h>

#include "common/event.h"

/* One update: initialised by the functions below, to be cleared. */
struct mongo_write {
	bson_t	selector;
	bson_t	update;
	bson_t	opts;
};

void	mongo_write_clear(struct mongo_write *w);

/* Appends a JSON value. A name that begins with '$' gets U+FF04 in its place,
 * which MongoDB would not store. */
void	mongo_append_json(bson_t *b, const char *name, const json_t *value);
/* _id of a workflow: 24 hex digits are an ObjectId, anything else a string. */
void	mongo_append_id(bson_t *b, const char *name, const char *workflow);

/* `status` is the JSON object. */
void	mongo_node_status(struct mongo_write *ret, const char *workflow,
	    const char *node, const json_t *status, struct position position,
	    int64_t now_unix_ms);

/* What of a cluster is known; NULL and VIEW_NO_NUMBER-like absent parts are
 * not written. */
struct mongo_cluster {
	const char	*name;
	const char	*status;
	const json_t	*metadata;
	bool		 has_latency;
	int64_t		 latency_ms;
	bool		 has_check;
	int64_t		 checked_unix_ms;
	struct position	 position;
};

void	mongo_cluster_status(struct mongo_write *ret,
	    const struct mongo_cluster *cluster, int64_t now_unix_ms);

/* Ordered steps that make the document of a workflow that came by the API, or
 * add what it lacks, always with nodes[].data. A document KubeOrch made keeps
 * its other nodes and fields. Returns how many; *ret is to be freed, each one
 * cleared. The first alone is an upsert. */
size_t	mongo_workflow_put(struct mongo_write **ret, const char *workflow,
	    const char *tenant, const char *cluster, const json_t *nodes,
	    int64_t now_unix_ms);
void	mongo_workflow_delete(struct mongo_write *ret, const char *workflow,
	    int64_t now_unix_ms);

/* The filter and options of find() for the workflows that are followed. */
void	mongo_follow_query(bson_t *filter, bson_t *opts);
/* {"id","cluster","nodes"} of such a document, or NULL when it names no
 * cluster. Nodes that stand for no object are left out. */
json_t	*mongo_follow_read(const bson_t *document);

#endif
