#include "broker/log_lines.h"

#include <stdlib.h>

#include "common/xmalloc.h"

void
log_lines_clear(struct log_lines *l)
{
	free(l->counts);
	*l = (struct log_lines){ .counts = NULL };
}

bool
log_lines_last(const struct log_lines *l, uint32_t head, uint32_t attempt,
    uint64_t *ret)
{
	unsigned int n = 0;

	*ret = 0;
	for (; head != 0; head = l->counts[head - 1].next, n++) {
		const struct log_count *count = &l->counts[head - 1];

		if (count->attempt > attempt)
			continue;
		if (count->attempt == attempt)
			*ret = count->last;
		return true;
	}
	return n < LOG_LINES_ATTEMPTS_MAX;
}

static uint32_t
take_place(struct log_lines *l)
{
	uint32_t at = l->free_head;

	if (at != 0) {
		l->free_head = l->counts[at - 1].next;
		return at;
	}
	if (l->used == l->size) {
		l->size = l->size * 2 + 64;
		l->counts = xreallocarray(l->counts, l->size,
		    sizeof(*l->counts));
	}
	return ++l->used;
}

static void
put_back(struct log_lines *l, uint32_t at)
{
	l->counts[at - 1] = (struct log_count){ .next = l->free_head };
	l->free_head = at;
}

/* The lowest makes room for one more. */
static void
drop_lowest(struct log_lines *l, uint32_t head)
{
	uint32_t before = head;
	unsigned int n = 1;

	while (l->counts[head - 1].next != 0) {
		before = head;
		head = l->counts[head - 1].next;
		n++;
	}
	if (n <= LOG_LINES_ATTEMPTS_MAX)
		return;
	l->counts[before - 1].next = 0;
	put_back(l, head);
}

void
log_lines_note(struct log_lines *l, uint32_t *head, uint32_t stream,
    uint32_t attempt, uint64_t line_no)
{
	uint32_t at = *head, before = 0, added;

	for (; at != 0 && l->counts[at - 1].attempt > attempt;
	    at = l->counts[at - 1].next)
		before = at;
	if (at != 0 && l->counts[at - 1].attempt == attempt) {
		if (line_no > l->counts[at - 1].last)
			l->counts[at - 1].last = line_no;
		return;
	}
	added = take_place(l);
	l->counts[added - 1] = (struct log_count){ .last = line_no,
	    .attempt = attempt, .stream = stream, .next = at };
	if (before == 0)
		*head = added;
	else
		l->counts[before - 1].next = added;
	drop_lowest(l, *head);
}

void
log_lines_forget(struct log_lines *l, uint32_t *head)
{
	uint32_t next;

	for (uint32_t at = *head; at != 0; at = next) {
		next = l->counts[at - 1].next;
		put_back(l, at);
	}
	*head = 0;
}

const struct log_count *
log_lines_next(const struct log_lines *l, uint32_t *cursor)
{
	while (*cursor < l->used) {
		const struct log_count *count = &l->counts[(*cursor)++];

		if (count->last != 0)
			return count;
	}
	return NULL;
}
