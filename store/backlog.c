#include "store/backlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

void
backlog_init(struct backlog *b, size_t max)
{
	*b = (struct backlog){ .max = max };
	TAILQ_INIT(&b->queue);
}

/* Takes a work out of the accounts and frees it. */
static void
work_free(struct backlog *b, struct work *work)
{
	b->bytes -= sizeof(*work) + work->n;
	if (work->kind == WORK_JOURNAL)
		b->runs--;
	free(work);
}

void
backlog_clear(struct backlog *b)
{
	struct work *work;

	while ((work = TAILQ_FIRST(&b->queue)) != NULL) {
		TAILQ_REMOVE(&b->queue, work, link);
		work_free(b, work);
	}
}

bool
backlog_empty(const struct backlog *b)
{
	return TAILQ_EMPTY(&b->queue);
}

/* --- the loop's end ------------------------------------------------------ */

static void
work_append(struct backlog *b, enum work_kind kind, const void *bytes,
    size_t n, struct position through)
{
	struct work *work = xmalloc(sizeof(*work) + n);

	work->kind = kind;
	work->through = through;
	work->n = n;
	if (n > 0)
		memcpy(work->bytes, bytes, n);
	TAILQ_INSERT_TAIL(&b->queue, work, link);
	b->bytes += sizeof(*work) + n;
	if (kind == WORK_JOURNAL)
		b->runs++;
}

/* Of what is known and what is lost, one after the other, the later position
 * holds for both; and a loss stays one. */
static void
boundary_merge(struct work *last, enum work_kind kind,
    struct position through)
{
	if (kind == WORK_GAP)
		last->kind = WORK_GAP;
	last->through = through;
}

static bool
is_boundary(const struct work *work)
{
	return work != NULL &&
	    (work->kind == WORK_AT || work->kind == WORK_GAP);
}

/* The gap stands for the run before it as well. */
static void
run_forget(struct backlog *b, struct work *run, struct position through)
{
	struct work *before = TAILQ_PREV(run, works, link);

	if (is_boundary(before)) {
		boundary_merge(before, WORK_GAP, through);
		TAILQ_REMOVE(&b->queue, run, link);
		work_free(b, run);
	} else {
		run->kind = WORK_GAP;
		run->through = through;
		b->runs--;
	}
}

static void
boundary_push(struct backlog *b, enum work_kind kind, struct position through)
{
	struct work *last = TAILQ_LAST(&b->queue, works);

	if (is_boundary(last))
		boundary_merge(last, kind, through);
	else if (last != NULL && last->kind == WORK_JOURNAL &&
	    kind == WORK_GAP && b->runs > BACKLOG_RUNS_MAX)
		run_forget(b, last, through);
	else
		work_append(b, kind, NULL, 0, through);
}

void
backlog_push(struct backlog *b, enum work_kind kind, const void *bytes,
    size_t n, struct position through)
{
	struct work *last = TAILQ_LAST(&b->queue, works);

	if (kind != WORK_RECORD)
		boundary_push(b, kind, through);
	else if (last != NULL && last->kind == WORK_JOURNAL)
		last->through = through;
	else if (b->bytes + sizeof(*last) + n > b->max)
		work_append(b, WORK_JOURNAL, NULL, 0, through);
	else
		work_append(b, WORK_RECORD, bytes, n, through);
}

/* --- the writer's end ---------------------------------------------------- */

void
backlog_take(struct backlog *b, struct works *batch, size_t most)
{
	struct work *work;
	size_t n;

	for (n = 0; n < most; n++) {
		work = TAILQ_FIRST(&b->queue);
		if (work == NULL || work->kind == WORK_JOURNAL)
			break;
		TAILQ_REMOVE(&b->queue, work, link);
		TAILQ_INSERT_TAIL(batch, work, link);
	}
}

void
backlog_settle(struct backlog *b, struct works *batch, size_t done)
{
	struct work *work;

	for (; done > 0; done--) {
		work = TAILQ_FIRST(batch);
		assert(work != NULL);
		TAILQ_REMOVE(batch, work, link);
		work_free(b, work);
	}
	TAILQ_CONCAT(batch, &b->queue, link);
	TAILQ_CONCAT(&b->queue, batch, link);
}

const struct work *
backlog_journal(const struct backlog *b)
{
	const struct work *first = TAILQ_FIRST(&b->queue);

	return first != NULL && first->kind == WORK_JOURNAL ? first : NULL;
}

bool
backlog_journal_final(const struct backlog *b)
{
	const struct work *first = backlog_journal(b);
	const struct work *next = first != NULL ? TAILQ_NEXT(first, link)
	    : NULL;

	return next != NULL && next->kind == WORK_GAP;
}

void
backlog_journal_end(struct backlog *b, struct position through)
{
	struct work *first = TAILQ_FIRST(&b->queue);

	if (first == NULL || first->kind != WORK_JOURNAL ||
	    first->through.epoch != through.epoch ||
	    first->through.number != through.number)
		return;
	TAILQ_REMOVE(&b->queue, first, link);
	work_free(b, first);
}
