#include "store/mongo_reply.h"

#include <stdio.h>

#include "common/macros.h"
#include "store/mongo_doc.h"

/* What another attempt, or the operator, may mend. */
static const int64_t passing_codes[] = {
	6, 7, 89, 9001,              /* hosts and sockets */
	13,                          /* Unauthorized */
	24, 46, 112,                 /* locks, WriteConflict */
	50, 262,                     /* time limits */
	91, 11600, 11601, 11602,     /* shutdown, interrupted */
	146, 14031,                  /* memory, OutOfDiskSpace */
	189, 10107, 13435, 13436,    /* not the primary (any more) */
};

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

static bool
code_passes(int64_t code)
{
	size_t i;

	for (i = 0; i < NELEM(passing_codes); i++) {
		if (passing_codes[i] == code)
			return true;
	}
	return false;
}

/* Whether any document was refused for what may pass. */
static bool
refusal_passes(const bson_t *reply)
{
	bson_iter_t iter, child, code;

	if (!bson_iter_init_find(&iter, reply, "writeErrors") ||
	    !BSON_ITER_HOLDS_ARRAY(&iter) || !bson_iter_recurse(&iter, &child))
		return false;
	while (bson_iter_next(&child)) {
		if (BSON_ITER_HOLDS_DOCUMENT(&child) &&
		    bson_iter_recurse(&child, &code) &&
		    bson_iter_find(&code, "code") &&
		    code_passes(bson_iter_as_int64(&code)))
			return true;
	}
	return false;
}

static void
refusal_why(const bson_t *reply, struct mongo_tally *tally)
{
	bson_iter_t iter, text;

	if (bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter,
	    "writeErrors.0.errmsg", &text) && BSON_ITER_HOLDS_UTF8(&text))
		(void)snprintf(tally->why, sizeof(tally->why), "%s",
		    bson_iter_utf8(&text, NULL));
}

bool
mongo_reply_count(const bson_t *reply, bool failed, uint64_t sent,
    struct mongo_tally *tally)
{
	uint64_t refused = reply_length(reply, "writeErrors");
	uint64_t matched = mongo_number(reply, "nMatched") +
	    mongo_number(reply, "nUpserted");

	if (failed && (refused == 0 || refusal_passes(reply) ||
	    reply_length(reply, "writeConcernErrors") > 0))
		return false;
	tally->written += MIN(matched, sent);
	tally->refused += refused;
	tally->missing += sent - MIN(sent, matched + refused);
	if (refused > 0)
		refusal_why(reply, tally);
	return true;
}
