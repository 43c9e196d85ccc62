#include "watcher/compare_turn.h"

void
compare_turn_listed(struct compare_turn *t)
{
	t->on = true;
	t->owed = t->again = t->soon = false;
	t->failed = 0;
}

void
compare_turn_off(struct compare_turn *t)
{
	t->on = t->owed = t->again = t->soon = false;
	t->failed = 0;
}

void
compare_turn_outage(struct compare_turn *t, uint64_t objects)
{
	if (!t->on || objects > COMPARE_TURN_SOON_MAX)
		return;
	t->owed = t->again = true;
}

bool
compare_turn_open(const struct compare_turn *t)
{
	return t->on && t->owed && !t->soon;
}

void
compare_turn_begin(struct compare_turn *t)
{
	t->again = false;
}

void
compare_turn_shut(struct compare_turn *t)
{
	t->soon = false;
}

void
compare_turn_failed(struct compare_turn *t)
{
	t->soon = false;
	if (t->owed)
		t->failed++;
}

void
compare_turn_whole(struct compare_turn *t, struct mono now)
{
	if (t->soon)
		t->whole_at = now;
	t->owed = t->again;
	t->soon = false;
	t->failed = 0;
}

static int64_t
spread(int64_t ms, uint32_t random)
{
	return ms + (int64_t)(random % ((uint64_t)ms + 1));
}

/* What is left of the time in which there is to be one such at most. */
static int64_t
rest_ms(const struct compare_turn *t, int64_t every_ms, struct mono now)
{
	if (t->whole_at.ns == 0)
		return 0;
	return MAX(every_ms - mono_diff_ms(now, t->whole_at), 0);
}

int64_t
compare_turn_next(struct compare_turn *t, int64_t compare_ms, bool open,
    struct mono now, uint32_t random)
{
	int64_t ms = MAX(compare_ms / COMPARE_TURN_SOON,
	    MIN(compare_ms, COMPARE_TURN_SOON_MIN_MS));
	int64_t every_ms = MAX(compare_ms / COMPARE_TURN_SOON_EVERY, ms);
	unsigned n;

	if (!t->owed || !open)
		return spread(compare_ms, random);
	t->soon = true;
	for (n = 0; n < t->failed && ms < every_ms; n++)
		ms = MIN(2 * ms, every_ms);
	return rest_ms(t, every_ms, now) + spread(ms, random);
}
