/*
 * hub: which subscriptions want which events.
 *
 * A subscription is (tenant, selectors, event types), interned: a thousand
 * clients that ask for the same share one, with one list of the positions in
 * the ring that match it. A client is then only a cursor into that list;
 * nothing is queued per client. What an event's key falls under is topics's.
 *
 * A list need not reach back over the whole ring: a new one is made of the
 * newest frames, and goes further back, a bounded step at a time, when a client
 * comes whose cursor is older (hub_reach).
 *
 * Pure but for the ring it reads; no libevent. Who is to be woken is a list
 * of dirty subscriptions; whose clients they are the owner (audience) knows.
 */
#ifndef SLUICE_HUB_H
#define SLUICE_HUB_H

#include <sys/queue.h>

#include "common/event.h"
#include "gateway/match_list.h"
#include "gateway/ring.h"

#define HUB_SELECTORS_MAX 64u
#define HUB_TYPES_MAX     32u
#define HUB_NONE          UINT32_MAX
#define HUB_REACH_STEP    4096u     /* frames times selectors: 0.5 ms */

struct hub;

struct hub_subscription {
	uint32_t	 id;            /* in the arena; HUB_NONE: free */
	uint32_t	 clients;       /* references */
	bool		 dirty;
	uint64_t	 called;        /* the last hub_each_of() that did */
	struct buf	 canon;         /* what it was interned by */
	struct slice	 tenant;        /* all slices point into canon */
	struct slice	*selectors;
	struct slice	*types;         /* behind them */
	uint32_t	 n_selectors;
	uint32_t	 n_types;       /* 0: every type */
	struct match_list list;
	uint64_t	 lost_through;  /* matches up to here are not in the
					 * list: they left the ring, or it does
					 * not reach back to them */
	/* The owner's own, which the hub only makes empty. */
	void		*owner;         /* a snapshot */
	uint32_t	 first_client;  /* audience's list, those who wait for
					 * a turn first; HUB_NONE: empty */
	uint32_t	 last_waiting;  /* the last of them; HUB_NONE: none */
	uint32_t	 last_client;   /* of the list; HUB_NONE: empty */
	uint32_t	 waiting;       /* how many do */
	TAILQ_ENTRY(hub_subscription) turn;   /* audience_queue, while any */
};

struct hub	*hub_new(const struct ring *ring);
void		 hub_free(struct hub *h);

/* The subscription of these checked selectors and event types, made (and its
 * list filled with the newest of the ring) if it is new; one reference more. */
struct hub_subscription *hub_acquire(struct hub *h, struct slice tenant,
		    const struct slice *selectors, size_t n_selectors,
		    const struct slice *types, size_t n_types);
/* By its id; NULL: there is none. */
struct hub_subscription *hub_get(const struct hub *h, uint32_t id);
/* Appends its selectors as a JSON array, as stream.open tells them. */
void		 hub_keys_json(struct buf *b, const struct hub_subscription *s);
/* One reference less. True when it was the last: `owner` must have been
 * released, and the subscription is gone. */
bool		 hub_release(struct hub *h, struct hub_subscription *s);

/* An event now stands in the ring: every subscription that wants it notes its
 * position and becomes dirty; one that may end its stream (RING_ENDING) also
 * where the subscription does not want its type. So does a list that is made
 * later, which also has the frame that ends its stream without being one. */
void		 hub_dispatch(struct hub *h, struct slice tenant,
		    struct slice key, struct slice event_type, bool ending,
		    uint64_t position);
/* Calls back for each subscription that names the stream, once. */
void		 hub_each_of(struct hub *h, struct slice tenant,
		    struct slice key,
		    void (*cb)(struct hub_subscription *s, void *arg),
		    void *arg);
/* How many are dirty, and the one that is for longest, taken off the list;
 * NULL: none. */
size_t		 hub_dirty(const struct hub *h);
struct hub_subscription *hub_next_dirty(struct hub *h);
void		 hub_mark_dirty(struct hub *h, struct hub_subscription *s);
/* The ring was cleared: all lists are empty. */
void		 hub_cleared(struct hub *h);

/* The first position after `cursor` that matches; 0: none. Drops what has
 * left the ring first. */
uint64_t	 hub_next(struct hub *h, struct hub_subscription *s,
		    uint64_t cursor);
/* The list reaches back to `cursor`, if the ring does, after at most
 * HUB_REACH_STEP comparisons; false: not yet, or the ring does
 * not. */
bool		 hub_reach(struct hub *h, struct hub_subscription *s,
		    uint64_t cursor);
/* Fills `ret` with up to `max` matching positions after cursor. */
size_t		 hub_list(struct hub *h, struct hub_subscription *s,
		    uint64_t cursor, uint64_t *ret, size_t max);
/* True when the subscription wants an event that is not in the ring. */
bool		 hub_wants(const struct hub_subscription *s,
		    struct slice tenant, struct slice key,
		    struct slice event_type);
/* Only by the type. */
bool		 hub_wants_type(const struct hub_subscription *s,
		    struct slice event_type);
/* The same whatever its type. */
bool		 hub_wants_stream(const struct hub_subscription *s,
		    struct slice tenant, struct slice key);
size_t		 hub_count(const struct hub *h);
/* Calls back for every subscription in use. */
void		 hub_each(struct hub *h,
		    void (*cb)(struct hub_subscription *s, void *arg),
		    void *arg);

#endif
