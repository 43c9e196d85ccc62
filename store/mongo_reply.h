/*
 * mongo_reply: what MongoDB's reply to a bulk of updates says. Pure: BSON in,
 * counts out.
 *
 * A bulk in which single documents were refused has an error and is done all
 * the same: those are counted and not tried again. One that failed as a whole,
 * or was not acknowledged by a majority (writeConcernErrors), is tried again.
 */
#ifndef SLUICE_MONGO_REPLY_H
#define SLUICE_MONGO_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

struct mongo_tally {
	uint64_t	written;
	uint64_t	missing;   /* no such document or node */
	uint64_t	refused;   /* for what it is */
};

/* Adds what became of `sent` updates; `failed`: the driver reported an error.
 * False, and nothing added: all of it is to be tried again. */
bool	mongo_reply_count(const bson_t *reply, bool failed, uint64_t sent,
	    struct mongo_tally *tally);

#endif
