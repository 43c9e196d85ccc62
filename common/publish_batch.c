#include "common/publish_batch.h"

#include <stdlib.h>

#include "common/xmalloc.h"

struct publish_group {
	publisher_result_cb	 cb;
	void			*arg;
	uint32_t		 count;
};

/* --- a request ------------------------------------------------------------ */

struct publish_batch *
publish_batch_new(void)
{
	return xcalloc(1, sizeof(struct publish_batch));
}

void
publish_batch_free(struct publish_batch *b)
{
	if (b == NULL)
		return;
	buf_free(&b->items);
	free(b->groups);
	free(b);
}

void
publish_batch_reset(struct publish_batch *b)
{
	buf_reset(&b->items);
	b->count = 0;
	b->n_groups = 0;
	b->next = NULL;
}

size_t
publish_batch_bytes(const struct item *items, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += 128 + items[i].tenant.n + items[i].key.n +
		    items[i].event_type.n + items[i].subject.n +
		    items[i].frame.n;
	return n;
}

bool
publish_batch_takes(const struct publish_batch *b, size_t count, size_t bytes)
{
	return b->count + count <= EVENT_BATCH_MAX &&
	    b->items.len + bytes <= EVENT_BATCH_BYTES;
}

void
publish_batch_add(struct publish_batch *b, const struct item *items,
    size_t count, publisher_result_cb cb, void *arg)
{
	for (size_t i = 0; i < count; i++) {
		struct item item = items[i];

		item.group = b->n_groups;
		item.seq = 0;
		item_encode(&b->items, &item, false);
	}
	b->count += (uint32_t)count;
	if (b->n_groups == b->size_groups) {
		b->size_groups = b->size_groups * 2 + 16;
		b->groups = xreallocarray(b->groups, b->size_groups,
		    sizeof(*b->groups));
	}
	b->groups[b->n_groups++] = (struct publish_group){ cb, arg,
	    (uint32_t)count };
}

/* --- what became of it ---------------------------------------------------- */

/* Each is there, and of a later group than the one before: else groups that
 * were refused would be told that they were appended. */
static bool
exceptions_are_whole(struct rd rd, uint32_t n)
{
	struct record_exception e;
	int64_t before = -1;

	for (; n > 0; n--) {
		if (record_exception_decode(&rd, &e) < 0 || e.group <= before)
			return false;
		before = e.group;
	}
	return true;
}

int
publish_answer_decode(const void *p, size_t n, struct publish_answer *ret)
{
	struct publish_answer a = { .rd = rd_init(p, n) };
	uint8_t status;

	status = rd_u8(&a.rd);
	a.batch = rd_u64(&a.rd);
	a.first.epoch = rd_u32(&a.rd);
	a.first.number = rd_u64(&a.rd);
	a.count = rd_u64(&a.rd);
	a.exceptions = rd_u32(&a.rd);
	if (a.rd.failed || status >= PUBLISH_STATUS_MAX ||
	    !exceptions_are_whole(a.rd, a.exceptions))
		return -1;
	a.status = (enum publish_status)status;
	*ret = a;
	return 0;
}

int
publish_answer_of_record(const struct record_header *h, struct rd rd,
    struct publish_answer *ret)
{
	if (!exceptions_are_whole(rd, h->exceptions))
		return -1;
	*ret = (struct publish_answer){ .status = PUBLISH_OK,
		.batch = h->batch, .first = { h->epoch, h->first },
		.count = h->count, .exceptions = h->exceptions, .rd = rd };
	return 0;
}

/* Those without an exception stand at positions in a row, in their order. The
 * exceptions were read before (exceptions_are_whole). */
void
publish_batch_results(const struct publish_batch *b, struct publish_answer *a)
{
	struct record_exception e = { .group = UINT32_MAX };
	struct position at = a->first;
	uint32_t left = a->exceptions;

	for (uint32_t g = 0; g < b->n_groups; g++) {
		const struct publish_group *group = &b->groups[g];
		struct publish_result result = { .count = group->count,
		    .body = e.body };

		if (left > 0 && (e.group == UINT32_MAX || e.group < g)) {
			left--;
			(void)record_exception_decode(&a->rd, &e);
		}
		if (e.group == g) {
			result.code = e.code;
			result.position = e.position;
			result.last = e.last;
			result.state = e.state;
			result.attempt = e.attempt;
			result.item = e.item;
		} else {
			result.code = RECORD_APPENDED;
			result.position = at;
			at.number += group->count;
			result.last = (struct position){ at.epoch,
				at.number - 1 };
		}
		if (group->cb != NULL)
			group->cb(&result, group->arg);
	}
}
