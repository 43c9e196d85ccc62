/*
 * publish_wait: a request of events on its way to the broker: what of it is
 * handed over and when, what came back, and its client's answer. Process:
 * gateway.
 *
 * What is atomic goes at once, and what has no event of a state machine; of
 * the rest a stretch waits for the one before it to be answered (see
 * publish_rest). A client that goes leaves the wait behind until the broker
 * has answered what was handed over.
 */
#ifndef SLUICE_PUBLISH_WAIT_H
#define SLUICE_PUBLISH_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct publish_body;
struct reply_details;

#define PUBLISH_EXTRA_MAX 64u

typedef void (*publish_lost_cb)(struct conn *c, uint64_t next);

/* Answers c at once, or when the broker has answered; see publish_items() in
 * publish_api.h for the rest. */
void	publish_wait_begin(struct conn *c, const struct publish_body *b,
	    bool atomic, struct reply_details *details, const char *extra,
	    publish_lost_cb lost);
/* The process ends: forgets requests that never got an answer. */
void	publish_wait_finish(void);

#endif
