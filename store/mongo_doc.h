/*
 * mongo_doc: the MongoDB writes that record statuses, as values, and the parts
 * that writes of workflows (mongo_workflow.h) are made of too. Pure: BSON and
 * JSON in and out, no client.
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

/* One update: initialised by the functions that return one, to be cleared. */
struct mongo_write {
	bson_t	selector;
	bson_t	update;
	bson_t	opts;
};

void	mongo_write_init(struct mongo_write *w);
void	mongo_write_clear(struct mongo_write *w);

/* Appends a JSON value. A name that begins with '$' gets U+FF04 in its place,
 * which MongoDB would not store. */
void	mongo_append_json(bson_t *b, const char *name, const json_t *value);
/* A count in a document; 0: there is none, or less. */
uint64_t mongo_number(const bson_t *document, const char *name);
/* _id of a workflow: 24 hex digits are an ObjectId, anything else a string. */
void	mongo_append_id(bson_t *b, const char *name, const char *workflow);

/* {arrayFilters: [{n.id: node, …}]} for nodes.$[n]; the filter is left open for
 * more between the two. */
void	mongo_filters_begin(bson_t *opts, bson_t *filters, bson_t *filter,
	    const char *node);
void	mongo_filters_end(bson_t *opts, bson_t *filters, bson_t *filter);

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

/* From a row's columns: {"status", "checked_at", "latency_ms", "metadata"}, of
 * which each may be absent. *ret points into them. */
void	mongo_cluster_read(const char *name, const json_t *columns,
	    struct position position, struct mongo_cluster *ret);
void	mongo_cluster_status(struct mongo_write *ret,
	    const struct mongo_cluster *cluster, int64_t now_unix_ms);

#endif
