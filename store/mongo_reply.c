#include "store/mongo_reply.h"

#include "common/macros.h"

static uint64_t
reply_number(const bson_t *reply, const char *name)
{
	bson_iter_t iter;
	int64_t n = bson_iter_init_find(&iter, reply, name)
	    ? bson_iter_as_int64(&iter) : 0;

	return n > 0 ? (uint64_t)n : 0;
}

/* How many entries a list in the reply has; none if it is not there. */
static uint64_t
reply_length(const bson_t *reply, const char *name)
{
	bson_iter_t iter, child;
	uint64_t n = 0;

	if (bson_iter_init_find(&iter, reply, name) &&
	    BSON_ITER_HOLDS_ARRAY(&iter) && bson_iter_recurse(&iter, &child)) {
		while (bson_iter_next(&child))
			n++;
	}
	return n;
}

bool
mongo_reply_count(const bson_t *reply, bool failed, uint64_t sent,
    struct mongo_tally *tally)
{
	uint64_t refused = reply_length(reply, "writeErrors");
	uint64_t matched = reply_number(reply, "nMatched") +
	    reply_number(reply, "nUpserted");

	if (failed && (refused == 0 ||
	    reply_length(reply, "writeConcernErrors") > 0))
		return false;
	tally->written += MIN(matched, sent);
	tally->refused += refused;
	tally->missing += sent - MIN(sent, matched + refused);
	return true;
}
