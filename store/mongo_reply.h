/*
 * mongo_reply: what MongoDB's reply to a bulk of updates says. Pure: BSON in,
 * counts out.
 *
 * A bulk in which single documents were refused for what they are has an error
 * and is done all the same: those are counted and not tried again. One that
 * failed as a whole, was not acknowledged by a majority (writeConcernErrors),
 * or in which a document was refused for the state the server is in, is tried
 * again. Source of these codes: MongoDB's error_codes.yml.
 */
#ifndef SLUICE_MONGO_REPLY_H
#define SLUICE_MONGO_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#define MONGO_REPLY_WHY_MAX 200

struct mongo_tally {
	uint64_t	written;
	uint64_t	missing;   /* no such document or node */
	uint64_t	refused;   /* for what it is */
	char		why[MONGO_REPLY_WHY_MAX];  /* the last of them; or "" */
};

/* Adds what became of `sent` updates; `failed`: the driver reported an error.
 * False, and nothing added: all of it is to be tried again. */
bool	mongo_reply_count(const bson_t *reply, bool failed, uint64_t sent,
	    struct mongo_tally *tally);

#endif
