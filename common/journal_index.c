#include "common/journal_index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/journal.h"
#include "common/journal_file.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define MARK_EVERY (1024u * 1024)   /* bytes between marks */

struct journal_index_mark {
	uint64_t	position;
	uint64_t	offset;
};

static void
segment_clear(struct journal_index_segment *s)
{
	free(s->marks);
	if (s->memory_fd >= 0)
		(void)close(s->memory_fd);
}

void
journal_index_clear(struct journal_index *x)
{
	for (size_t i = 0; i < x->n; i++)
		segment_clear(&x->segments[i]);
	free(x->segments);
	*x = (struct journal_index)JOURNAL_INDEX_EMPTY;
}

/* --- segments ------------------------------------------------------------ */

static size_t
find(const struct journal_index *x, uint64_t first)
{
	for (size_t i = 0; i < x->n; i++) {
		if (x->segments[i].first == first)
			return i;
	}
	return JOURNAL_INDEX_NONE;
}

/* Keeps the list sorted, and the pin on its segment. */
static void
insert(struct journal_index *x, struct journal_index_segment s)
{
	size_t at = 0;

	x->segments = xreallocarray(x->segments, x->n + 1,
	    sizeof(*x->segments));
	while (at < x->n && x->segments[at].first < s.first)
		at++;
	memmove(x->segments + at + 1, x->segments + at,
	    (x->n - at) * sizeof(*x->segments));
	x->segments[at] = s;
	x->n++;
	if (x->pinned != JOURNAL_INDEX_NONE && x->pinned >= at)
		x->pinned++;
}

static void
discard(struct journal_index *x, size_t at)
{
	if (x->pinned == at)
		x->pinned = JOURNAL_INDEX_NONE;
	segment_clear(&x->segments[at]);
	memmove(x->segments + at, x->segments + at + 1,
	    (x->n - at - 1) * sizeof(*x->segments));
	x->n--;
	if (x->pinned != JOURNAL_INDEX_NONE && x->pinned > at)
		x->pinned--;
}

void
journal_index_add_memory(struct journal_index *x, uint64_t first,
    uint64_t files_end, int fd)
{
	size_t at = find(x, first);

	if (at != JOURNAL_INDEX_NONE)
		discard(x, at);
	insert(x, (struct journal_index_segment){ .first = first,
	    .memory_fd = fd, .files_end = files_end });
}

void
journal_index_forget(struct journal_index *x, uint64_t oldest)
{
	for (size_t i = 0; i + 1 < x->n;) {
		if (x->segments[i].memory_fd >= 0 &&
		    x->segments[i + 1].first <= oldest)
			discard(x, i);
		else
			i++;
	}
}

void
journal_index_retract(struct journal_index *x, uint64_t tip)
{
	for (size_t i = x->n; i-- > 0;) {
		if (x->segments[i].memory_fd >= 0 &&
		    x->segments[i].first > tip + 1)
			discard(x, i);
	}
}

void
journal_index_set_files(struct journal_index *x, const uint64_t *firsts,
    size_t n)
{
	for (size_t i = 0, f = 0; i < x->n;) {
		while (f < n && firsts[f] < x->segments[i].first)
			f++;
		if (x->segments[i].memory_fd < 0 && (f == n ||
		    firsts[f] != x->segments[i].first))
			discard(x, i);
		else
			i++;
	}
	for (size_t f = 0; f < n; f++) {
		if (find(x, firsts[f]) == JOURNAL_INDEX_NONE)
			insert(x, (struct journal_index_segment){
			    .first = firsts[f], .memory_fd = -1 });
	}
}

int
journal_index_scan(struct journal_index *x, int directory, struct err *err)
{
	uint64_t *firsts = NULL;
	ssize_t n = journal_file_list(directory, "seg", &firsts, err);

	if (n < 0)
		return -1;
	journal_index_set_files(x, firsts, (size_t)n);
	free(firsts);
	return 0;
}

size_t
journal_index_at(const struct journal_index *x, uint64_t position)
{
	size_t at = 0;

	while (at + 1 < x->n && x->segments[at + 1].first <= position)
		at++;
	return at;
}

uint64_t
journal_index_end(const struct journal_index *x, size_t at)
{
	uint64_t end = UINT64_MAX;

	if (x->segments[at].memory_fd >= 0)
		return end;
	for (size_t i = at + 1; i < x->n; i++) {
		if (x->segments[i].memory_fd >= 0)
			end = MIN(end, x->segments[i].files_end);
	}
	return end;
}

/* --- marks --------------------------------------------------------------- */

void
journal_index_mark(struct journal_index *x, uint64_t position,
    uint64_t offset)
{
	struct journal_index_segment *s = &x->segments[x->pinned];
	uint64_t last = s->n_marks == 0 ? JOURNAL_HEADER_SIZE :
	    s->marks[s->n_marks - 1].offset;

	if (offset < last + MARK_EVERY)
		return;
	s->marks = xreallocarray(s->marks, s->n_marks + 1,
	    sizeof(*s->marks));
	s->marks[s->n_marks++] = (struct journal_index_mark){ position,
		offset };
}

void
journal_index_begin(const struct journal_index *x, size_t at,
    uint64_t position, uint64_t *ret_position, uint64_t *ret_offset)
{
	const struct journal_index_segment *s = &x->segments[at];

	*ret_position = s->first;
	*ret_offset = JOURNAL_HEADER_SIZE;
	for (size_t i = s->n_marks; i-- > 0;) {
		if (s->marks[i].position <= position) {
			*ret_position = s->marks[i].position;
			*ret_offset = s->marks[i].offset;
			break;
		}
	}
}
