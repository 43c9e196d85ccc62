#include "store/run_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

struct run_wait {
	void			*owner;
	struct run_progress	 now;
	struct position		 sent;      /* `changed` of what is, or was */
	int64_t			 next_ms;
	bool			 waiting;
	bool			 under_way;
	bool			 renewed;   /* offered since it was sent */
};

struct run_queue {
	void		 *owner;
	struct run_wait	**runs;      /* by tenant, key */
	size_t		  n;
	size_t		  size;
};

struct run_queue *
run_queue_new(void *owner)
{
	struct run_queue *q = xcalloc(1, sizeof(*q));

	q->owner = owner;
	return q;
}

static void
wait_free(struct run_wait *w)
{
	run_progress_clear(&w->now);
	free(w);
}

void
run_queue_free(struct run_queue *q)
{
	if (q == NULL)
		return;
	for (size_t i = 0; i < q->n; i++)
		wait_free(q->runs[i]);
	free(q->runs);
	free(q);
}

bool
run_queue_full(const struct run_queue *q)
{
	return q->n >= RUN_QUEUE_MAX;
}

/* Where the run is, or belongs. */
static size_t
place_of(const struct run_queue *q, const struct run_progress *p,
    bool *ret_there)
{
	size_t low = 0, high = q->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct run_progress *at = &q->runs[middle]->now;
		int order = strcmp(p->tenant, at->tenant);

		if (order == 0)
			order = strcmp(p->key, at->key);
		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_there = false;
	return low;
}

static struct run_wait *
insert(struct run_queue *q, size_t at)
{
	struct run_wait *w = xcalloc(1, sizeof(*w));

	assert(!run_queue_full(q));
	w->owner = q->owner;
	if (q->n == q->size) {
		q->size = q->size == 0 ? 16 : q->size * 2;
		q->runs = xreallocarray(q->runs, q->size, sizeof(*q->runs));
	}
	memmove(q->runs + at + 1, q->runs + at,
	    (q->n - at) * sizeof(*q->runs));
	q->runs[at] = w;
	q->n++;
	return w;
}

void
run_queue_offer(struct run_queue *q, struct run_progress *p)
{
	bool there;
	size_t at = place_of(q, p, &there);
	struct run_wait *w;

	if (!there && position_eq(p->changed, p->told)) {
		run_progress_clear(p);
		return;
	}
	w = there ? q->runs[at] : insert(q, at);
	run_progress_clear(&w->now);
	w->now = *p;
	*p = (struct run_progress){ .tenant = NULL };
	w->renewed = true;
	w->waiting = !w->under_way && !position_eq(w->now.changed, w->sent) &&
	    !position_eq(w->now.changed, w->now.told);
}

static bool
is_over(const struct run_wait *w, int64_t now_ms)
{
	return !w->waiting && !w->under_way && w->next_ms <= now_ms;
}

/* When it may be told. */
static int64_t
due_at(const struct run_wait *w)
{
	const uint64_t *counts = w->now.counts;

	return counts[RUN_QUEUED] == 0 && counts[RUN_RUNNING] == 0
	    ? w->next_ms - RUN_QUEUE_PAUSE_MS : w->next_ms;
}

struct run_wait *
run_queue_due(struct run_queue *q, int64_t now_ms, int64_t *ret_wait_ms)
{
	struct run_wait *due = NULL;
	int64_t wait = -1;
	size_t kept = 0;

	for (size_t i = 0; i < q->n; i++) {
		struct run_wait *w = q->runs[i];
		int64_t at = w->waiting ? due_at(w) : w->next_ms;

		if (is_over(w, now_ms)) {
			wait_free(w);
			continue;
		}
		q->runs[kept++] = w;
		/* Whose pause was over first. */
		if (w->waiting && at <= now_ms &&
		    (due == NULL || at < due_at(due)))
			due = w;
		else if (!w->under_way && at > now_ms &&
		    (wait == -1 || at - now_ms < wait))
			wait = at - now_ms;
	}
	q->n = kept;
	if (due == NULL)
		*ret_wait_ms = wait;
	return due;
}

const struct run_progress *
run_wait_progress(const struct run_wait *w)
{
	return &w->now;
}

void *
run_wait_owner(const struct run_wait *w)
{
	return w->owner;
}

void
run_wait_sent(struct run_wait *w, int64_t now_ms)
{
	assert(w->waiting && !w->under_way);
	w->waiting = false;
	w->under_way = true;
	w->renewed = false;
	w->sent = w->now.changed;
	w->next_ms = MAX(w->next_ms, now_ms) + RUN_QUEUE_PAUSE_MS;
}

void
run_wait_answered(struct run_wait *w, bool taken)
{
	assert(w->under_way);
	w->under_way = false;
	if (!taken)
		w->sent = (struct position){ 0, 0 };
	w->waiting = w->renewed && !position_eq(w->now.changed, w->sent);
}
