/*
 * state_queue: the states of the kinds' watches that wait to be published, in
 * the order they came. Pure. Beyond STATE_QUEUE_MAX (a server that comes and
 * goes while the broker is away) the oldest leaves unpublished.
 *
 * previous_state is what the stream showed of that kind before (contract 3),
 * so it is known only when an event leaves: one that was dropped is nobody's
 * previous state.
 */
#ifndef SLUICE_STATE_QUEUE_H
#define SLUICE_STATE_QUEUE_H

#include "watcher/kind_watch.h"
#include "watcher/payload.h"

#define STATE_QUEUE_MAX 256u

struct state_queue;

struct state_queue *state_queue_new(void);
void	state_queue_free(struct state_queue *q);
/* Copies what it needs of `view`. */
void	state_queue_push(struct state_queue *q,
	    const struct kind_watch_view *view, uint64_t objects,
	    int64_t now_unix_ms);
bool	state_queue_empty(const struct state_queue *q);
/* Writes the first one's event (there is one); it stays first. */
void	state_queue_write(const struct state_queue *q, const char *cluster,
	    struct payload *ret);
/* It was handed over: its stream shows it. */
void	state_queue_sent(struct state_queue *q);

#endif
