/*
 * publish_refusal: why an event that is as the contract says was not taken
 * (contract 5, the rows of 409 and 503): status, code, and a text for each
 * event with the path of what is wrong in it. Pure.
 */
#ifndef SLUICE_PUBLISH_REFUSAL_H
#define SLUICE_PUBLISH_REFUSAL_H

#include "common/record.h"
#include "gateway/transitions.h"

/* The first of these that a request met is its answer. */
enum publish_refusal {
	REFUSAL_KEY,            /* idempotency */
	REFUSAL_TRANSITION,
	REFUSAL_ENDED,
	REFUSAL_LOG_OFFSET,
	REFUSAL_PARTS,          /* too many steps */
	REFUSAL_STREAMS,        /* too many streams */
	REFUSAL_ALL_PARTS,      /* too many steps of all streams */
	REFUSAL_ROOM,           /* the queue to the broker is full */
	REFUSAL_BUSY,           /* others win its machine's guards */
	REFUSAL_MAX
};

struct publish_refusal_text {
	int		 status;
	const char	*code;
	const char	*text;
};

const struct publish_refusal_text *publish_refusal_text(
		    enum publish_refusal refusal);
/* Of a broker's code; `verdict` is that of RECORD_GUARD_LOST. */
enum publish_refusal publish_refusal_of(enum record_code code,
		    enum lifecycle_verdict verdict);
/* The member that it is about, "": the event. Of what a machine refuses,
 * publish_refusal_problem. */
const char	*publish_refusal_path(enum publish_refusal refusal);
/* Appends what is wrong with an event whose machine stands at `now`; returns
 * the path of the member, "" for the event. */
const char	*publish_refusal_problem(struct buf *b,
		    enum publish_refusal refusal,
		    enum lifecycle_machine machine,
		    enum lifecycle_verdict verdict,
		    const struct transitions_now *now);

#endif
