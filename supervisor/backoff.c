#include "supervisor/backoff.h"

#include <assert.h>
#include <stdlib.h>

#include "common/macros.h"
#include "common/xmalloc.h"

struct backoff_params
backoff_params_of(const struct conf *conf)
{
	return (struct backoff_params){
		.first_ms = conf->supervise.first_ms,
		.base_ms = conf->supervise.base_ms,
		.max_ms = conf->supervise.max_ms,
		.deaths = conf->supervise.circuit_deaths,
		.window_ms = conf->supervise.circuit_window_ms,
		.retry_ms = conf->supervise.circuit_retry_ms,
	};
}

void
backoff_init(struct backoff *b, uint32_t deaths)
{
	assert(deaths >= 1 && deaths <= BACKOFF_DEATHS_MAX);
	*b = (struct backoff){ .size = deaths + 1 };
	b->times = xcalloc(b->size, sizeof(struct mono));
}

void
backoff_clear(struct backoff *b)
{
	free(b->times);
	b->times = NULL;
}

/* True when the ring is full of deaths that all lie in the window. */
static bool
too_many(const struct backoff *b, int64_t window_ms, struct mono now)
{
	if (b->count < b->size)
		return false;
	return mono_diff_ms(now, b->times[b->next]) <= window_ms;
}

/* Uniform in [base, 3 * last], at most max (Brooker's decorrelated jitter). */
static int64_t
jitter(const struct backoff *b, const struct backoff_params *p,
    uint32_t random)
{
	int64_t low = p->base_ms, high = MAX(b->last_ms, p->base_ms) * 3;
	int64_t delay = low + (int64_t)random % (high - low + 1);

	return MIN(delay, p->max_ms);
}

struct backoff_verdict
backoff_death(struct backoff *b, const struct backoff_params *p,
    struct mono now, bool hopeless, uint32_t random)
{
	struct backoff_verdict v = { false, 0 };

	b->times[b->next] = now;
	b->next = (b->next + 1) % b->size;
	if (b->count < b->size)
		b->count++;
	if (hopeless || b->half_open || too_many(b, p->window_ms, now)) {
		v.open = true;
		v.delay_ms = p->retry_ms;
		return v;
	}
	v.delay_ms = b->last_ms == 0 ? p->first_ms : jitter(b, p, random);
	b->last_ms = MAX(v.delay_ms, 1);
	return v;
}

void
backoff_retry(struct backoff *b)
{
	b->half_open = true;
}

void
backoff_reset(struct backoff *b)
{
	b->count = 0;
	b->next = 0;
	b->last_ms = 0;
	b->half_open = false;
}
