/*
 * pub_batch: the events that are being sent, and which of them to ask the
 * service about next. Pure.
 *
 * A batch is asked about as a whole, each event standing for itself (atomic=0).
 * Where some are refused, the answer names each with its code: one that is
 * refused for good is so by that answer, which is of its turn (asked again it
 * might be taken behind what came after it), and those for which there was no
 * room are asked about again, in their order. So are those that a 403 does not
 * name, which is of the whole request; one without details is of the token, and
 * refuses them all. Where another answer does not name them all, halves are
 * asked about, down to one event. What was accepted already is then known to
 * the service by its key.
 */
#ifndef SLUICE_PUB_BATCH_H
#define SLUICE_PUB_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "lib/pub_answer.h"
#include "lib/sluice.h"

/* Told each event that is refused for good. */
typedef void (*pub_batch_refused_cb)(const char *event, size_t size,
    const struct pub_answer *answer, void *arg);

struct pub_part {
	size_t	first;
	size_t	n;
};

struct pub_batch {
	struct buf	 text;        /* the events, a line each */
	size_t		 begin[SLUICE_BATCH_EVENTS + 1];
	size_t		 n;
	/* Not answered yet: the last is asked about next. */
	struct pub_part	 parts[SLUICE_BATCH_EVENTS + 1];
	size_t		 n_parts;
	size_t		 accepted;
	size_t		 duplicates;
	size_t		 refused;
};

void	pub_batch_clear(struct pub_batch *b);
/* False when there is no room for it; a batch that is empty takes any event. */
bool	pub_batch_add(struct pub_batch *b, const char *event, size_t size);
/* All events are there: sets out the first question. n > 0. */
void	pub_batch_begin(struct pub_batch *b);
/* False when each event has its answer. */
bool	pub_batch_is_open(const struct pub_batch *b);
/* The body of the next request (points into the batch), and how many events
 * it holds: one is sent as it is, several as ndjson. */
struct slice	pub_batch_question(const struct pub_batch *b, size_t *ret_n);
/* What came of that request: not PUB_AWAY; PUB_UNAUTHORIZED refuses all. */
void	pub_batch_answer(struct pub_batch *b, const struct pub_answer *a,
	    pub_batch_refused_cb refused, void *arg);
/* Bytes of the i-th event. */
size_t	pub_batch_size(const struct pub_batch *b, size_t i);

#endif
