/*
 * snapshot: asking the store for what is kept of a subscription's streams,
 * once for all clients that want it at one time, and encoding the answer once.
 * Process: gateway.
 */
#ifndef SLUICE_SNAPSHOT_H
#define SLUICE_SNAPSHOT_H

#include "common/query.h"
#include "gateway/gateway.h"

#define SNAPSHOT_DEADLINE_MS 1500
/* An answer this young serves later joiners too (the ring has the rest). */
#define SNAPSHOT_FRESH_MS    1000
/* And one this young, while no event at all came after it: the store would say
 * the same again, but for what time alone takes away (snapshot_retention). So a
 * storm of joins is one question. */
#define SNAPSHOT_SAME_MS    10000
/* After a question without a usable answer: the least and the most to wait. */
#define SNAPSHOT_AGAIN_MS     250
#define SNAPSHOT_AGAIN_MAX_MS 5000

struct conn;
struct open_logs;

struct snapshot {
	uint32_t	refs;
	struct position	as_of;
	uint32_t	count;      /* frames of the set */
	struct buf	frames;     /* the set, each frame one chunk; behind it
				     * stream.end of each named stream that
				     * has ended */
	bool		over;       /* and all of them have */
	uint64_t	unseen;     /* bit n: it says nothing of selector n, or
				     * not whether that has ended */
};

/* The client wants a snapshot that stands for `at_least` or later. It comes by
 * stream_take_snapshot(): at once, or from the loop, or never (then the client
 * asks again, after snapshot_again_ms()). stream_refuse_snapshot() instead: it
 * is larger than the store may answer; the store is not asked again for this
 * subscription. */
void	snapshot_want(struct gateway *g, struct conn *c,
	    struct position at_least);
/* How long a client should wait before it asks (again): doubles with every
 * question in vain, from SNAPSHOT_AGAIN_MS to SNAPSHOT_AGAIN_MAX_MS. An
 * earlier wish is heard, but only an answer at hand is given. */
int64_t	snapshot_again_ms(const struct hub_subscription *s);
/* The subscription goes: forgets its answer and question. */
void	snapshot_forget(struct gateway *g, struct hub_subscription *s);
/* A kept answer is not what one would be now. */
void	snapshot_renew(struct hub_subscription *s);
/* The kept answers are of another epoch. */
void	snapshot_forget_all(struct gateway *g);

/* Encodes an answer: only what the subscription's types want, and no event
 * that stands in (after, as_of] when `after` has an epoch. `id` is the
 * bookmark of the last frame. The ends in `put_off` (may be NULL) are told
 * later, by who asks. One reference; NULL: there is an item in it that
 * cannot be read, and part of a snapshot must not be taken for the whole. */
struct snapshot	*snapshot_encode(const struct query_snapshot *answer,
		    const struct hub_subscription *s, const struct gateway *g,
		    const struct open_logs *put_off, struct position after,
		    struct position id);
struct snapshot	*snapshot_ref(struct snapshot *s);
void		 snapshot_unref(struct snapshot *s);
/* Where the frame that covers offset `off` ends. */
size_t		 snapshot_frame_end(const struct snapshot *s, size_t off);

#endif
