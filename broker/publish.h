/*
 * publish: one request in, one record and one answer out; and the way back
 * from a record to what was known (replay). It joins sequencer and dedup.
 * Pure: the clock is a parameter.
 */
#ifndef SLUICE_PUBLISH_H
#define SLUICE_PUBLISH_H

#include "broker/dedup.h"
#include "broker/sequencer.h"
#include "common/publisher.h"

/* Bytes of a request: what is in it and the record's own head make a record
 * of at most RECORD_MAX. */
#define PUBLISH_REQUEST_MAX (RECORD_MAX - 4096)

struct publish_core;

/* A request's head; `items` is left at the first item. */
struct publish_request {
	enum publish_op	op;
	struct slice	publisher;
	uint64_t	incarnation;
	uint64_t	batch;
	uint32_t	count;
	struct rd	items;
	bool		reads;    /* its record is its answer, if one is */
};

/* What became of a batch. */
struct publish_outcome {
	struct position			 first;   /* of the first appended item,
						   * or the tip if none was */
	uint64_t			 count;   /* items appended */
	uint32_t			 exceptions;
	const struct record_exception	*list;    /* until the next call */
	struct buf			*record;  /* len 0: nothing appended */
};

struct publish_core *publish_core_new(struct sequencer *s, struct dedup *d);
void	publish_core_free(struct publish_core *c);   /* s and d stay */

/* -1: malformed (wrong lengths, unknown op, bad name); ret->batch is set all
 * the same, for the answer. */
int	publish_request_decode(const void *p, size_t n,
	    struct publish_request *ret);
/* Judges and appends a batch that dedup called new. -1: malformed, nothing
 * was changed. */
int	publish_batch(struct publish_core *c, const struct publish_request *q,
	    int64_t now_ms, struct publish_outcome *ret);
/* Takes a record that was written in an earlier life, or restamped. -1 with
 * *err when its items cannot be read. */
int	publish_replay(struct publish_core *c, const void *record, size_t n,
	    struct err *err);

/* After the disk failed: records sequenced but not written get new positions
 * in a new epoch; every position from `from` on moves to `to`, in records and
 * exceptions alike. The record is replayed as well. */
struct publish_shift {
	struct position	from;
	struct position	to;
};
void	publish_shift_exceptions(const struct publish_shift *shift,
	    struct record_exception *list, uint32_t n);
int	publish_restamp(struct publish_core *c,
	    const struct publish_shift *shift, const void *record, size_t n,
	    struct buf *ret, struct err *err);

/* The wire form of an answer (publisher.h). */
void	publish_answer_encode(struct buf *b, enum publish_status status,
	    uint64_t batch, struct position first, uint64_t count,
	    uint32_t exceptions, const struct record_exception *list);

#endif
