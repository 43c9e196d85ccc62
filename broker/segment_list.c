#include "broker/segment_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/journal_file.h"
#include "common/xmalloc.h"

void
segment_list_free(struct segment_list *l)
{
	while (l->n > 0)
		segment_list_drop_oldest(l);
	free(l->all);
	l->all = NULL;
}

struct segment *
segment_list_last(const struct segment_list *l)
{
	assert(l->n > 0);
	return &l->all[l->n - 1];
}

void
segment_list_add(struct segment_list *l, const struct segment *s)
{
	l->all = xreallocarray(l->all, l->n + 1, sizeof(*l->all));
	l->all[l->n++] = *s;
}

static void
unlink_file(const struct segment_list *l, const struct segment *s)
{
	char name[JOURNAL_FILE_NAME_MAX];

	/* Gone already, or it will be tried again at the next start: either
	 * way it is not ours any more. */
	(void)unlinkat(l->directory, journal_file_name(name, s->first, "seg"),
	    0);
}

void
segment_list_remove_last(struct segment_list *l)
{
	const struct segment *s = segment_list_last(l);

	if (s->memory_fd >= 0)
		(void)close(s->memory_fd);
	else
		unlink_file(l, s);
	l->n--;
}

/* --- leaving ------------------------------------------------------------- */

void
segment_list_drop_oldest(struct segment_list *l)
{
	if (l->all[0].memory_fd >= 0)
		(void)close(l->all[0].memory_fd);
	memmove(l->all, l->all + 1, (l->n - 1) * sizeof(*l->all));
	l->n--;
	l->dropped++;
}

bool
segment_list_may_leave(const struct segment_list *l)
{
	const struct segment *s = &l->all[0];

	if (l->n < 2)
		return false;
	if (s->memory_fd >= 0)
		return true;
	return l->covered >= s->end;
}

static void
unlink_oldest(struct segment_list *l)
{
	unlink_file(l, &l->all[0]);
	segment_list_drop_oldest(l);
}

bool
segment_list_make_room(struct segment_list *l)
{
	if (!segment_list_may_leave(l) || l->all[0].memory_fd >= 0)
		return false;
	unlink_oldest(l);
	l->recycled++;
	return true;
}

bool
segment_list_need_state(const struct segment_list *l)
{
	/* The disk may be full long before `size`: then one segment must be
	 * free to leave for the next one, and one for the next state file. */
	size_t spare = l->n > 2 ? 1 : 0;

	return l->n > 1 && l->covered < l->all[spare].end;
}

static bool
memory_fits(const struct segment_list *l)
{
	uint64_t bytes = 0, count = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->all[i].memory_fd >= 0) {
			bytes += l->all[i].bytes;
			count++;
		}
	}
	return bytes <= SEGMENTS_MEMORY_MAX && count <= SEGMENTS_MEMORY_COUNT;
}

static bool
too_old(const struct segment_list *l, int64_t retain_ms, int64_t now_ms)
{
	/* Its last event is not younger than the next one's begin. */
	return retain_ms > 0 && l->n > 1 &&
	    l->all[1].created_unix_ms < now_ms - retain_ms;
}

void
segment_list_retain(struct segment_list *l, uint64_t size, int64_t retain_ms,
    int64_t now_ms)
{
	while (l->n > 1) {
		if (l->memory ? memory_fits(l) :
		    segment_list_bytes(l) <= size &&
		    !too_old(l, retain_ms, now_ms))
			return;
		if (!l->memory && !segment_list_may_leave(l))
			return;
		/* In memory mode the files stay for the next start. */
		if (l->memory)
			segment_list_drop_oldest(l);
		else
			unlink_oldest(l);
	}
}

/* --- facts --------------------------------------------------------------- */

uint64_t
segment_list_bytes(const struct segment_list *l)
{
	uint64_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->all[i].bytes;
	return n;
}

uint64_t
segment_list_oldest(const struct segment_list *l)
{
	size_t i = 0;

	if (l->n == 0)
		return 0;
	/* One that was new when the power was lost has no position: what
	 * follows it begins far behind, in another epoch. */
	while (i + 1 < l->n && l->all[i].end < l->all[i].first)
		i++;
	return l->all[i].first;
}

int
segment_list_memory_fd(const struct segment_list *l, size_t i,
    uint64_t *ret_first)
{
	for (size_t s = 0; s < l->n; s++) {
		if (l->all[s].memory_fd < 0 || i-- > 0)
			continue;
		*ret_first = l->all[s].first;
		return l->all[s].memory_fd;
	}
	return -1;
}
