/*
 * timer: libevent's timers in milliseconds. Out of memory aborts, as xmalloc
 * does. Every process, in the thread of the event base.
 */
#ifndef SLUICE_TIMER_H
#define SLUICE_TIMER_H

#include <event2/event.h>
#include <stdint.h>

/* Not armed; event_free ends it. */
struct event *timer_new(struct event_base *base, event_callback_fn cb,
    void *arg);
/* Once, `ms` from now (negative: at once), whatever it was armed for. */
void	timer_arm(struct event *timer, int64_t ms);

#endif
