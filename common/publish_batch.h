/*
 * publish_batch: atomic groups of events on their way to the broker as one
 * request, and what its answer, or the record made of them, says of each
 * (publisher.h has the wire). Pure, but that it calls back who handed a group
 * over. Owned by common/publisher.
 */
#ifndef SLUICE_PUBLISH_BATCH_H
#define SLUICE_PUBLISH_BATCH_H

#include "common/publisher.h"

struct publish_group;

struct publish_batch {
	struct publish_batch	*next;      /* its owner's */
	struct buf		 items;     /* as on the wire */
	uint32_t		 count;
	struct publish_group	*groups;
	uint32_t		 n_groups;
	uint32_t		 size_groups;
};

struct publish_answer {
	enum publish_status	status;
	uint64_t		batch;
	struct position		first;
	uint64_t		count;       /* appended */
	uint32_t		exceptions;
	struct rd		rd;          /* stands at the first of them */
};

struct publish_batch *publish_batch_new(void);
void	publish_batch_free(struct publish_batch *b);
/* Empty again; its memory stays. */
void	publish_batch_reset(struct publish_batch *b);
/* Bytes that these items may take in one, at most. */
size_t	publish_batch_bytes(const struct item *items, size_t count);
/* There is room: EVENT_BATCH_MAX items, EVENT_BATCH_BYTES bytes. */
bool	publish_batch_takes(const struct publish_batch *b, size_t count,
	    size_t bytes);
/* One atomic group (copied); `cb` may be NULL. */
void	publish_batch_add(struct publish_batch *b, const struct item *items,
	    size_t count, publisher_result_cb cb, void *arg);
/* -1: it cannot be read, with its exceptions. */
int	publish_answer_decode(const void *p, size_t n,
	    struct publish_answer *ret) MUST_CHECK;
/* The same of the record of a batch; `rd` stands at its first exception. */
int	publish_answer_of_record(const struct record_header *h, struct rd rd,
	    struct publish_answer *ret) MUST_CHECK;
/* Tells each group what became of it, in their order. */
void	publish_batch_results(const struct publish_batch *b,
	    struct publish_answer *a);

#endif
