#include "health/schedule.h"

#include <assert.h>
#include <stdlib.h>

#include "common/xmalloc.h"

/* An entry stands in at most one of the first two heaps, and in the third
 * while a fetch of its metadata is wanted. While a job of it runs it stands
 * in none. */
enum heap_kind { HEAP_PROVEN, HEAP_OTHER, HEAP_METADATA, HEAP_KINDS };

#define NOWHERE SIZE_MAX
#define JITTER_PERCENT 10

struct schedule_entry {
	void		*owner;
	size_t		 place[HEAP_KINDS];      /* in the heap, or NOWHERE */
	struct mono	 due[HEAP_KINDS];
	enum heap_kind	 home;                   /* PROVEN or OTHER */
	uint32_t	 failures;               /* in a row */
	bool		 running;
	enum schedule_job job;
	struct mono	 started;
	int64_t		 late_ms;
	struct mono	 ended;                  /* its last check */
	bool		 checked;                /* `ended` is set */
	bool		 again;                  /* check-now during a fetch */
};

struct heap {
	struct schedule_entry	**at;
	size_t			  n;
	size_t			  size;
};

struct schedule {
	uint32_t		 workers;
	int64_t			 interval_ms;
	uint64_t		 random;
	size_t			 entries;
	size_t			 proven;         /* entries at home there */
	struct heap		 heaps[HEAP_KINDS];
	struct schedule_entry	*running[SCHEDULE_WORKERS_MAX];
	uint32_t		 busy;
};

/* --- heaps ---------------------------------------------------------------- */
static void
heap_put(struct heap *h, enum heap_kind kind, size_t i,
    struct schedule_entry *e)
{
	h->at[i] = e;
	e->place[kind] = i;
}

static void
heap_up(struct heap *h, enum heap_kind kind, size_t i)
{
	struct schedule_entry *e = h->at[i];

	while (i > 0 && mono_before(e->due[kind],
	    h->at[(i - 1) / 2]->due[kind])) {
		heap_put(h, kind, i, h->at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(h, kind, i, e);
}

static void
heap_down(struct heap *h, enum heap_kind kind, size_t i)
{
	struct schedule_entry *e = h->at[i];
	size_t child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && mono_before(h->at[child + 1]->due[kind],
		    h->at[child]->due[kind]))
			child++;
		if (!mono_before(h->at[child]->due[kind], e->due[kind]))
			break;
		heap_put(h, kind, i, h->at[child]);
		i = child;
	}
	heap_put(h, kind, i, e);
}

static void
heap_remove(struct schedule *s, enum heap_kind kind, struct schedule_entry *e)
{
	struct heap *h = &s->heaps[kind];
	size_t i = e->place[kind];
	struct schedule_entry *last;

	if (i == NOWHERE)
		return;
	e->place[kind] = NOWHERE;
	last = h->at[--h->n];
	if (last == e)
		return;
	heap_put(h, kind, i, last);
	heap_up(h, kind, i);
	heap_down(h, kind, last->place[kind]);
}

static void
heap_add(struct schedule *s, enum heap_kind kind, struct schedule_entry *e,
    struct mono due)
{
	struct heap *h = &s->heaps[kind];

	heap_remove(s, kind, e);
	if (h->n == h->size) {
		h->size = h->size != 0 ? 2 * h->size : 16;
		h->at = xreallocarray(h->at, h->size, sizeof(*h->at));
	}
	e->due[kind] = due;
	heap_put(h, kind, h->n, e);
	heap_up(h, kind, h->n++);
}

static struct schedule_entry *
heap_first(const struct schedule *s, enum heap_kind kind)
{
	return s->heaps[kind].n != 0 ? s->heaps[kind].at[0] : NULL;
}

/* How many entries under node i are due by `limit`, counted up to `max`. */
static size_t
heap_count_due(const struct heap *h, enum heap_kind kind, size_t i,
    struct mono limit, size_t max)
{
	size_t n = 1;

	if (i >= h->n || max == 0)
		return 0;
	assert(h->at[i] != NULL && h->at[i]->place[kind] == i);
	if (mono_before(limit, h->at[i]->due[kind]))
		return 0;
	n += heap_count_due(h, kind, 2 * i + 1, limit, max - n);
	if (n < max)
		n += heap_count_due(h, kind, 2 * i + 2, limit, max - n);
	return n;
}

/* --- life ----------------------------------------------------------------- */
struct schedule *
schedule_new(uint32_t workers, int64_t interval_ms, uint64_t seed)
{
	struct schedule *s = xcalloc(1, sizeof(*s));

	assert(workers >= 1 && workers <= SCHEDULE_WORKERS_MAX);
	s->workers = workers;
	s->interval_ms = interval_ms;
	s->random = seed | 1;   /* xorshift needs a bit */
	return s;
}

void
schedule_free(struct schedule *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->busy; i++)
		free(s->running[i]);
	for (size_t i = 0; i < s->heaps[HEAP_PROVEN].n; i++)
		free(s->heaps[HEAP_PROVEN].at[i]);
	for (size_t i = 0; i < s->heaps[HEAP_OTHER].n; i++)
		free(s->heaps[HEAP_OTHER].at[i]);
	for (size_t k = 0; k < HEAP_KINDS; k++)
		free(s->heaps[k].at);
	free(s);
}

void
schedule_interval(struct schedule *s, int64_t interval_ms)
{
	s->interval_ms = interval_ms;
}

struct schedule_entry *
schedule_add(struct schedule *s, void *owner, struct mono now)
{
	struct schedule_entry *e = xcalloc(1, sizeof(*e));

	e->owner = owner;
	e->home = HEAP_OTHER;
	for (size_t k = 0; k < HEAP_KINDS; k++)
		e->place[k] = NOWHERE;
	heap_add(s, HEAP_OTHER, e, now);
	s->entries++;
	return e;
}

void
schedule_remove(struct schedule *s, struct schedule_entry *e)
{
	assert(!e->running);
	for (size_t k = 0; k < HEAP_KINDS; k++)
		heap_remove(s, (enum heap_kind)k, e);
	if (e->home == HEAP_PROVEN)
		s->proven--;
	s->entries--;
	free(e);
}

/* --- what starts ---------------------------------------------------------- */
static bool
is_slow(const struct schedule_entry *e, struct mono now)
{
	return e->job == SCHEDULE_METADATA || e->home != HEAP_PROVEN ||
	    mono_diff_ms(now, e->started) >= SCHEDULE_SLOW_MS;
}

/* May one more slow job take a worker? See the header's third rule. */
static bool
slow_may_start(const struct schedule *s, struct mono now)
{
	struct mono limit = mono_add_ms(now, SCHEDULE_SLOW_BUDGET_MS);
	size_t soon = heap_count_due(&s->heaps[HEAP_PROVEN], HEAP_PROVEN, 0,
	    limit, s->workers);
	size_t kept = MIN(soon, (size_t)s->workers - 1);
	uint32_t slow = 0;

	if (s->workers == 1)
		return s->busy == 0 && soon == 0;
	if (kept == 0 && s->proven > 0)
		kept = 1;
	for (uint32_t i = 0; i < s->busy; i++)
		slow += is_slow(s->running[i], now) ? 1 : 0;
	return slow + kept < s->workers;
}

static bool
is_due(const struct schedule_entry *e, enum heap_kind kind, struct mono now)
{
	return e != NULL && !mono_before(now, e->due[kind]);
}

/* The first fetch that is due and would be over before the cluster's own
 * check (or, where checks are that frequent, half an interval before it).
 * Others are dropped: that check will want them again. */
static struct schedule_entry *
due_metadata(struct schedule *s, struct mono now)
{
	struct mono limit = mono_add_ms(now, MIN(s->interval_ms / 2,
	    (int64_t)SCHEDULE_SLOW_BUDGET_MS));
	struct schedule_entry *e;

	while (is_due(e = heap_first(s, HEAP_METADATA), HEAP_METADATA, now)) {
		if (!mono_before(e->due[e->home], limit))
			return e;
		heap_remove(s, HEAP_METADATA, e);
	}
	return NULL;
}

static void *
begin(struct schedule *s, struct schedule_entry *e, enum schedule_job job,
    struct mono now, enum schedule_job *ret_job)
{
	e->late_ms = mono_diff_ms(now, e->due[job == SCHEDULE_METADATA ?
	    HEAP_METADATA : e->home]);
	for (size_t k = 0; k < HEAP_KINDS; k++)
		heap_remove(s, (enum heap_kind)k, e);
	e->running = true;
	e->job = job;
	e->started = now;
	e->again = false;
	s->running[s->busy++] = e;
	*ret_job = job;
	return e->owner;
}

void *
schedule_next(struct schedule *s, struct mono now, enum schedule_job *ret_job)
{
	struct schedule_entry *proven = heap_first(s, HEAP_PROVEN);
	struct schedule_entry *other = heap_first(s, HEAP_OTHER);
	struct schedule_entry *meta;

	if (s->busy == s->workers)
		return NULL;
	if (is_due(proven, HEAP_PROVEN, now))
		return begin(s, proven, SCHEDULE_CHECK, now, ret_job);
	if (!is_due(other, HEAP_OTHER, now))
		other = NULL;
	meta = due_metadata(s, now);
	if ((other == NULL && meta == NULL) || !slow_may_start(s, now))
		return NULL;
	if (meta == NULL || (other != NULL && mono_before(
	    other->due[HEAP_OTHER], meta->due[HEAP_METADATA])))
		return begin(s, other, SCHEDULE_CHECK, now, ret_job);
	return begin(s, meta, SCHEDULE_METADATA, now, ret_job);
}

int64_t
schedule_wait_ms(const struct schedule *s, struct mono now)
{
	int64_t best = -1, ms;

	if (s->busy == s->workers)
		return -1;
	for (size_t k = 0; k < HEAP_KINDS; k++) {
		const struct schedule_entry *e =
		    heap_first(s, (enum heap_kind)k);

		if (e == NULL)
			continue;
		/* Rounded up: a timer must not fire before the time. A slow
		 * job that is due but may not start is tried again when a
		 * second has passed, since what is near changes with time. */
		ms = mono_diff_ms((struct mono){ e->due[k].ns + 999999 }, now);
		if (ms <= 0)
			ms = k == HEAP_PROVEN || slow_may_start(s, now) ?
			    0 : SCHEDULE_SLOW_MS;
		if (best < 0 || ms < best)
			best = ms;
	}
	return best;
}

/* --- what ends ------------------------------------------------------------ */
/* min..max, both included; xorshift64*, which needs no more than this. */
static int64_t
pick(struct schedule *s, int64_t min, int64_t max)
{
	uint64_t x = s->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	s->random = x;
	x = (x * 0x2545F4914F6CDD1Du) >> 16;
	return min + (int64_t)(x % (uint64_t)(max - min + 1));
}

static void
end(struct schedule *s, struct schedule_entry *e, enum schedule_job job)
{
	uint32_t i = 0;

	assert(e->running && e->job == job);
	while (s->running[i] != e)
		i++;
	s->running[i] = s->running[--s->busy];
	e->running = false;
}

static void
move_home(struct schedule *s, struct schedule_entry *e, enum heap_kind home)
{
	if (e->home == HEAP_PROVEN)
		s->proven--;
	if (home == HEAP_PROVEN)
		s->proven++;
	e->home = home;
}

static int64_t
next_delay(struct schedule *s, const struct schedule_entry *e,
    enum schedule_outcome outcome)
{
	int64_t spread = s->interval_ms * JITTER_PERCENT / 100;
	int64_t quick = SCHEDULE_RETRY_MS;

	switch (outcome) {
	case SCHEDULE_ANSWERED:
		return pick(s, s->interval_ms - spread,
		    s->interval_ms + spread);
	case SCHEDULE_CONFIRM:
		return MIN(quick, s->interval_ms);
	case SCHEDULE_PUT_OFF:
		return SCHEDULE_PUT_OFF_MS;
	case SCHEDULE_FAILED:
		break;
	}
	/* Never less than 10 s: the verdict counts on 30 s after three. */
	if (e->failures <= SCHEDULE_RETRIES)
		return pick(s, quick, quick + quick * JITTER_PERCENT / 100);
	return pick(s, SCHEDULE_FAR_MIN_MS, SCHEDULE_FAR_MAX_MS);
}

void
schedule_checked(struct schedule *s, struct schedule_entry *e,
    enum schedule_outcome outcome, struct mono now)
{
	end(s, e, SCHEDULE_CHECK);
	if (outcome == SCHEDULE_PUT_OFF) {
		heap_add(s, e->home, e, mono_add_ms(now, next_delay(s, e,
		    outcome)));
		return;
	}
	e->ended = now;
	e->checked = true;
	if (outcome == SCHEDULE_FAILED) {
		if (e->failures < UINT32_MAX)
			e->failures++;
		move_home(s, e, HEAP_OTHER);
	} else {
		e->failures = 0;
		move_home(s, e, HEAP_PROVEN);
	}
	heap_add(s, e->home, e, mono_add_ms(now, next_delay(s, e, outcome)));
}

void
schedule_fetched(struct schedule *s, struct schedule_entry *e,
    struct mono now)
{
	end(s, e, SCHEDULE_METADATA);
	heap_add(s, e->home, e, e->again ? now : e->due[e->home]);
	e->again = false;
}

void
schedule_want_metadata(struct schedule *s, struct schedule_entry *e,
    struct mono now)
{
	if (!e->running && e->place[HEAP_METADATA] == NOWHERE)
		heap_add(s, HEAP_METADATA, e, now);
}

enum schedule_now
schedule_check_now(struct schedule *s, struct schedule_entry *e,
    struct mono now)
{
	struct mono due = now;

	if (e->running && e->job == SCHEDULE_CHECK)
		return SCHEDULE_NOW_RUNNING;
	if (e->checked) {
		due = mono_add_ms(e->ended, SCHEDULE_CHECK_NOW_GAP_MS);
		if (mono_before(due, now))
			due = now;
	}
	if (e->running)
		e->again = true;
	else if (mono_before(due, e->due[e->home]))
		heap_add(s, e->home, e, due);
	return mono_before(now, due) ? SCHEDULE_NOW_LATER : SCHEDULE_NOW_DUE;
}

bool
schedule_running(const struct schedule_entry *e)
{
	return e->running;
}

bool
schedule_proven(const struct schedule_entry *e)
{
	return e->home == HEAP_PROVEN;
}

int64_t
schedule_late_ms(const struct schedule_entry *e)
{
	return e->late_ms;
}

uint32_t
schedule_busy(const struct schedule *s)
{
	return s->busy;
}
