/*
 * mongo_follow: which of KubeOrch's workflows are followed, as a question and
 * as what its answers say. Pure: BSON in, JSON out, no client.
 *
 * Followed is what was run at least once and is neither deleted nor archived;
 * documents Sluice made itself for a workflow of the API are not, nor one whose
 * _id cannot stand in a stream key: a watcher could not ask for its stream.
 */
#ifndef SLUICE_MONGO_FOLLOW_H
#define SLUICE_MONGO_FOLLOW_H

#include <bson/bson.h>
#include <jansson.h>

#define MONGO_FOLLOW_WHY_MAX 160

/* The filter and options of find(); both to be destroyed. */
void	mongo_follow_query(bson_t *filter, bson_t *opts);
/* {"id","cluster","nodes"} of such a document (a new reference), or NULL when
 * it names no cluster or has no usable _id: `why` says of which document, and
 * what. Nodes that stand for no object are left out. */
json_t	*mongo_follow_read(const bson_t *document,
	    char why[MONGO_FOLLOW_WHY_MAX]);

#endif
