#include "gateway/publish_refusal.h"

#include <inttypes.h>

static const struct publish_refusal_text texts[REFUSAL_MAX] = {
	[REFUSAL_KEY] = { 409, "idempotency_conflict",
	    "this idempotency_key was used for another event, or for only "
	    "some of an atomic request" },
	[REFUSAL_TRANSITION] = { 409, "illegal_transition",
	    "the state machine does not lead there from its current state" },
	[REFUSAL_ENDED] = { 409, "stream_ended", "the stream has ended" },
	[REFUSAL_LOG_OFFSET] = { 409, "log_offset",
	    "this is not the log's next line" },
	[REFUSAL_PARTS] = { 409, "too_many_steps",
	    "the stream has all the steps it may have" },
	[REFUSAL_STREAMS] = { 503, "too_many_streams",
	    "the journal's max_streams is reached: raise "
	    "journal.max_streams" },
	[REFUSAL_ALL_PARTS] = { 503, "no_room_for_steps",
	    "the streams in the journal have all the steps there is room for: "
	    "those of what has ended leave with it, sooner with a smaller "
	    "journal.retain; what publishes the most steps should publish "
	    "fewer" },
	[REFUSAL_ROOM] = { 503, "broker_unavailable",
	    "there was no room for it, or for one before it, in the queue to "
	    "the broker: try again" },
	[REFUSAL_BUSY] = { 503, "machine_busy",
	    "others publish to its state machine all the time: try again" },
};

const struct publish_refusal_text *
publish_refusal_text(enum publish_refusal refusal)
{
	return &texts[refusal];
}

enum publish_refusal
publish_refusal_of(enum record_code code, enum lifecycle_verdict verdict)
{
	static const enum publish_refusal of[RECORD_CODE_MAX] = {
		[RECORD_APPENDED] = REFUSAL_BUSY,
		[RECORD_DUPLICATE] = REFUSAL_BUSY,
		[RECORD_KEY_CONFLICT] = REFUSAL_KEY,
		[RECORD_GUARD_LOST] = REFUSAL_TRANSITION,
		[RECORD_LIMIT] = REFUSAL_STREAMS,
		[RECORD_LOG_OFFSET] = REFUSAL_LOG_OFFSET,
		[RECORD_ENDED] = REFUSAL_ENDED,
		[RECORD_PARTS_LIMIT] = REFUSAL_PARTS,
		[RECORD_ALL_PARTS_LIMIT] = REFUSAL_ALL_PARTS,
	};

	if (code == RECORD_GUARD_LOST && verdict == LIFECYCLE_ACCEPT)
		return REFUSAL_BUSY;
	return of[code];
}

static void
where_it_is(struct buf *b, enum lifecycle_machine machine,
    const struct transitions_now *now)
{
	buf_addf(b, "the current state is %s",
	    lifecycle_word((uint8_t)now->point.state));
	if (lifecycle_has_attempts(machine))
		buf_addf(b, ", attempt %" PRIu32, now->point.attempt);
}

static void
what_may_follow(struct buf *b, enum lifecycle_machine machine,
    const struct transitions_now *now)
{
	size_t before;

	buf_adds(b, "; what may follow: ");
	before = b->len;
	lifecycle_next_words(machine, now->point.state, b);
	if (b->len == before)
		buf_adds(b, "nothing");
}

const char *
publish_refusal_path(enum publish_refusal refusal)
{
	return refusal == REFUSAL_KEY ? "idempotency_key" : "";
}

const char *
publish_refusal_problem(struct buf *b, enum publish_refusal refusal,
    enum lifecycle_machine machine, enum lifecycle_verdict verdict,
    const struct transitions_now *now)
{
	const char *path = verdict == LIFECYCLE_BAD_ATTEMPT ? "data.attempt" :
	    verdict == LIFECYCLE_BAD_PREVIOUS ? "data.previous_state" :
	    "data.state";

	/* Of a step whose stream is over its own state would be no reason: a
	 * failed one may be tried again. */
	if (refusal == REFUSAL_ENDED && !now->stream_over &&
	    lifecycle_final(machine, now->point.state)) {
		buf_adds(b, "it has ended: ");
		where_it_is(b, machine, now);
		return path;
	}
	if (refusal != REFUSAL_TRANSITION) {
		buf_adds(b, texts[refusal].text);
		return publish_refusal_path(refusal);
	}
	where_it_is(b, machine, now);
	if (verdict == LIFECYCLE_ILLEGAL)
		what_may_follow(b, machine, now);
	else if (verdict == LIFECYCLE_BAD_ATTEMPT)
		buf_adds(b, "; a new attempt is the next number, any other "
		    "transition stays in it");
	return path;
}
