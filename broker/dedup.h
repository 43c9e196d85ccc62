/*
 * dedup: what makes a repeat harmless. Per publisher: its newest incarnation
 * (older ones are fenced), its last batch and the answer to it. Per
 * idempotency key (a hash of scope and key made by the gateway): the body's
 * hash and the position of the first event under it, for a window of time and
 * of keys. Pure: the clock is a parameter.
 */
#ifndef SLUICE_DEDUP_H
#define SLUICE_DEDUP_H

#include "common/event.h"
#include "common/record.h"

#define DEDUP_PUBLISHERS_MAX 4096u   /* then the longest silent one goes */

struct dedup;

/* The answer to a batch of which something was appended. */
struct dedup_answer {
	struct position			 first;
	uint64_t			 count;
	uint32_t			 exceptions;
	const struct record_exception	*list;
};

enum dedup_verdict {
	DEDUP_NEW,      /* judge it */
	DEDUP_REPEAT,   /* the last batch again: *ret is its answer */
	DEDUP_OLD,      /* one before the last: nobody waits for it any more */
	DEDUP_FENCED    /* of an incarnation that was superseded */
};

struct dedup *dedup_new(int64_t window_ms, uint32_t max_keys,
	    uint64_t hash_seed);
void	dedup_free(struct dedup *d);

/* --- publishers ---------------------------------------------------------- */
/* Registers the incarnation if it is newer; DEDUP_NEW or DEDUP_FENCED. */
enum dedup_verdict dedup_register(struct dedup *d, struct slice publisher,
	    uint64_t incarnation);
/* Grows with every incarnation that is newer than the one known. */
uint64_t dedup_fences(const struct dedup *d);
/* The i-th, in no order that means anything; NULL behind the last. */
const char *dedup_publisher(const struct dedup *d, size_t i,
	    uint64_t *ret_incarnation);
/* *ret's list is valid until the next call. */
enum dedup_verdict dedup_batch(struct dedup *d, struct slice publisher,
	    uint64_t incarnation, uint64_t batch, struct dedup_answer *ret);
/* The batch was appended, in part at least (also: replay, which may overlap;
 * an older batch than the known one changes nothing). */
void	dedup_answered(struct dedup *d, struct slice publisher,
	    uint64_t incarnation, uint64_t batch,
	    const struct dedup_answer *answer);

/* --- idempotency keys ---------------------------------------------------- */
/* Judges a group whose first item would stand at `first`. 0 = new: its keys
 * are entered (undo with dedup_undo when it is refused after all); -1 = not
 * appended: *ret is DUPLICATE (every item has a known key, same bodies) or
 * KEY_CONFLICT (another body; or only some of an atomic group are known,
 * or a key stands twice in it), and its item the one whose key is to blame:
 * of a group known in part the first that is known. */
int	dedup_judge(struct dedup *d, const struct item *items, size_t n,
	    struct position first, int64_t now_ms,
	    struct record_exception *ret);
void	dedup_undo(struct dedup *d, struct position first);
/* A key from an earlier life; the newest position under it wins. */
void	dedup_replay(struct dedup *d, const struct item *item,
	    int64_t time_ms);
/* Drops keys older than the window, at most `max` of them. */
void	dedup_expire(struct dedup *d, int64_t now_ms, size_t max);
size_t	dedup_keys(const struct dedup *d);

/* --- state files: as sequencer_state ------------------------------------- */
size_t	dedup_save_publishers(const struct dedup *d, size_t *cursor,
	    size_t max, struct buf *b);
size_t	dedup_save_keys(const struct dedup *d, uint64_t *cursor, size_t max,
	    struct buf *b);
int	dedup_load_publisher(struct dedup *d, struct rd *r);
int	dedup_load_key(struct dedup *d, struct rd *r);

#endif
