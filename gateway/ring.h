/*
 * ring: the newest frames of the whole order, each encoded once as the chunk
 * that every subscriber gets, in one fixed region of memory (mmap'd, touched
 * only as it fills). Process: gateway.
 *
 * Every frame also hangs in its stream's chain of positions, so that a new
 * subscription finds its frames without reading all of them. What comes from
 * the bus, from the journal at start and from a repaired hole enters by the
 * one function ring_input(). The oldest frames leave when room is needed;
 * ring_oldest() then says from where the order is still whole.
 *
 * No clock, no libevent. Positions only grow; after ring_clear() they may
 * jump and the epoch may change.
 */
#ifndef SLUICE_RING_H
#define SLUICE_RING_H

#include "common/event.h"
#include "common/record.h"

#define RING_BYTES_MIN   (256u * 1024)
#define RING_STREAM_NONE UINT32_MAX

struct ring;

struct ring_frame {
	struct position	 position;
	uint64_t	 seq;
	uint64_t	 next;        /* the stream's next position, 0: none */
	struct slice	 tenant;
	struct slice	 key;
	struct slice	 event_type;
	const uint8_t	*chunk;       /* valid until the next input */
	size_t		 n;
	uint16_t	 flags;       /* the item's */
	uint8_t		 state;       /* that its stream ended in, or 0 */
	bool		 ends;        /* stream.end follows it */
	bool		 goes_on;     /* the stream has not ended: its last
				       * lifecycle event since it is in the
				       * ring says so */
};

/* Frames after which stream.end may follow. */
#define RING_ENDING (ITEM_TERMINAL | ITEM_LAST)

struct ring_stats {
	uint64_t	frames;       /* in the ring now */
	uint64_t	bytes;
	uint64_t	size;
	uint64_t	evicted;      /* since the start */
	uint64_t	refused;      /* items that could not be framed */
	uint64_t	streams;
};

struct ring	*ring_new(size_t bytes, struct err *err) MUST_CHECK;
void		 ring_free(struct ring *r);

/* Called for each item that now stands in the ring. */
typedef void (*ring_item_cb)(const struct item *item, void *arg);

/* Takes one record; items at or before the tip are skipped. -1 with *err when
 * it is damaged (what came before the damage stays). */
int		 ring_input(struct ring *r, const void *bytes, size_t n,
		    ring_item_cb cb, void *arg, struct err *err);
/* Forgets everything: the order has a hole before `next` (positions below it
 * are lost, or of another epoch). */
void		 ring_clear(struct ring *r, struct position next);

/* The newest position taken; epoch 0 before the first. ring_advance raises it
 * when a heartbeat shows that nothing of the order is missing up to there. */
struct position	 ring_tip(const struct ring *r);
void		 ring_advance(struct ring *r, struct position tip);
/* Everything from here on (to the tip) is in the ring. tip + 1 if empty. */
uint64_t	 ring_oldest(const struct ring *r);
/* The frame at a position; false if it is not there. */
bool		 ring_get(const struct ring *r, uint64_t position,
		    struct ring_frame *ret);
/* The oldest position in the ring of one stream, 0 if it has none. */
uint64_t	 ring_stream_first(const struct ring *r, struct slice tenant,
		    struct slice key);
/* The newest position in the ring of one stream, 0 if it has none. */
uint64_t	 ring_stream_last(const struct ring *r, struct slice tenant,
		    struct slice key);
/* A stream whose terminal event left its log open (state, stream_kind) ends
 * with its log's last line, or here, with the newest of its frames: their
 * position; 0: it has none, or goes on. `state` is that event's: it may have
 * left the ring before its log was closed. */
uint64_t	 ring_end_stream(struct ring *r, struct slice tenant,
		    struct slice key, uint8_t state);
struct ring_stats ring_stats(const struct ring *r);

#endif
