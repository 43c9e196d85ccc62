/*
 * mongo_checkpoint: the document that says how far MongoDB has what the store
 * has: `_id: "store"` of the collection sluice_checkpoint. Pure: values in,
 * BSON out, and back.
 */
#ifndef SLUICE_MONGO_CHECKPOINT_H
#define SLUICE_MONGO_CHECKPOINT_H

#include "store/mongo_doc.h"
#include "store/mongo_source.h"

#define MONGO_CHECKPOINT_COLLECTION "sluice_checkpoint"

/* The filter of find(), to be destroyed. */
void	mongo_checkpoint_query(bson_t *filter);
/* What the document says; what it lacks, or has of another type, is empty or
 * 0, which means "from the beginning". */
void	mongo_checkpoint_read(const bson_t *document,
	    struct mongo_checkpoint *ret);
/* The upsert that moves it. */
void	mongo_checkpoint_write(struct mongo_write *ret,
	    const struct mongo_checkpoint *c, int64_t now_unix_ms);

#endif
