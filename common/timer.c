#include "common/timer.h"

#include <stdlib.h>

#include "common/mono.h"

struct event *
timer_new(struct event_base *base, event_callback_fn cb, void *arg)
{
	struct event *timer = evtimer_new(base, cb, arg);

	if (timer == NULL)
		abort();
	return timer;
}

void
timer_arm(struct event *timer, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	if (evtimer_add(timer, &tv) == -1)
		abort();
}
