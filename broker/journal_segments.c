#include "broker/journal_segments.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/background_sync.h"
#include "broker/disk.h"
#include "broker/journal_recover.h"
#include "broker/segment_make.h"
#include "common/journal.h"
#include "common/macros.h"
#include "common/xmalloc.h"

struct segment {
	uint64_t	first;
	uint64_t	end;          /* first - 1: empty */
	uint64_t	bytes;        /* allocated */
	int64_t		created_unix_ms;
	uint32_t	epoch;
	int		memory_fd;    /* -1: a file */
};

struct journal_segments {
	int		 directory;
	const char	*path;
	uint64_t	 segment;     /* bytes of a new one */
	struct segment	*list;        /* ascending */
	size_t		 n;
	int		 fd;          /* of the last; -1: none */
	uint64_t	 offset;      /* behind its last record */
	uint64_t	 covered;     /* newest complete state file */
	bool		 dirty;
	struct background_sync *background;   /* NULL: none is made */
	bool		 syncing;     /* its result was not taken yet */
	int		 sync_errno;  /* of the first failure */
	bool		 memory;
	uint64_t	 files_end;   /* once in memory; see journal.h */
	uint64_t	 recycled;
	uint64_t	 began_with;  /* recycled, at the newest one */
	size_t		 dropped;
};

static struct segment *
last_segment(struct journal_segments *j)
{
	assert(j->n > 0);
	return &j->list[j->n - 1];
}

static void
segment_add(struct journal_segments *j, const struct segment *s)
{
	j->list = xreallocarray(j->list, j->n + 1,
	    sizeof(*j->list));
	j->list[j->n++] = *s;
}

/* Forgets (memory: releases) the oldest. */
static void
segment_drop_oldest(struct journal_segments *j)
{
	if (j->list[0].memory_fd >= 0)
		(void)close(j->list[0].memory_fd);
	memmove(j->list, j->list + 1,
	    (j->n - 1) * sizeof(*j->list));
	j->n--;
	j->dropped++;
}

static void
close_current(struct journal_segments *j)
{
	/* A memory segment's fd lives as long as the segment. */
	if (j->fd >= 0 && (j->n == 0 ||
	    j->fd != last_segment(j)->memory_fd))
		(void)close(j->fd);
	j->fd = -1;
}

struct journal_segments *
journal_segments_new(int directory, const char *path, uint64_t bytes)
{
	struct journal_segments *j = xcalloc(1, sizeof(*j));

	j->directory = directory;
	j->path = path;
	j->segment = bytes;
	j->fd = -1;
	return j;
}

void
journal_segments_free(struct journal_segments *j)
{
	if (j == NULL)
		return;
	close_current(j);
	while (j->n > 0)
		segment_drop_oldest(j);
	free(j->list);
	free(j);
}

/* --- leaving ------------------------------------------------------------- */

/* Whether the oldest segment may leave: not the current one, and a complete
 * state file stands at or after its end. */
static bool
may_leave(const struct journal_segments *j)
{
	const struct segment *s = &j->list[0];

	if (j->n < 2)
		return false;
	if (s->memory_fd >= 0)
		return true;
	return j->covered >= s->end;
}

static void
unlink_oldest(struct journal_segments *j)
{
	char name[JOURNAL_FILE_NAME_MAX];

	/* Gone already, or it will be tried again at the next start: either
	 * way it is not ours any more. */
	(void)unlinkat(j->directory, journal_file_name(name,
	    j->list[0].first, "seg"), 0);
	segment_drop_oldest(j);
}

bool
journal_segments_make_room(struct journal_segments *j)
{
	if (!may_leave(j) || j->list[0].memory_fd >= 0)
		return false;
	unlink_oldest(j);
	j->recycled++;
	return true;
}

void
journal_segments_covered(struct journal_segments *j, uint64_t position)
{
	j->covered = position;
}

bool
journal_segments_need_state(const struct journal_segments *j)
{
	/* The disk may be full long before `size`: then one segment must be
	 * free to leave for the next one, and one for the next state file. */
	size_t spare = j->n > 2 ? 1 : 0;

	return j->n > 1 && j->covered < j->list[spare].end;
}

static uint64_t
total_bytes(const struct journal_segments *j)
{
	uint64_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->list[i].bytes;
	return n;
}

static bool
memory_fits(const struct journal_segments *j)
{
	uint64_t bytes = 0, count = 0;

	for (size_t i = 0; i < j->n; i++) {
		if (j->list[i].memory_fd >= 0) {
			bytes += j->list[i].bytes;
			count++;
		}
	}
	return bytes <= SEGMENTS_MEMORY_MAX && count <= SEGMENTS_MEMORY_COUNT;
}

static bool
too_old(const struct journal_segments *j, int64_t retain_ms, int64_t now_ms)
{
	/* Its last event is not younger than the next one's begin. */
	return retain_ms > 0 && j->n > 1 &&
	    j->list[1].created_unix_ms < now_ms - retain_ms;
}

void
journal_segments_retain(struct journal_segments *j, uint64_t size,
    int64_t retain_ms, int64_t now_ms)
{
	while (j->n > 1) {
		if (j->memory ? memory_fits(j) : total_bytes(j) <= size &&
		    !too_old(j, retain_ms, now_ms))
			return;
		if (!j->memory && !may_leave(j))
			return;
		/* In memory mode the files stay for the next start. */
		if (j->memory)
			segment_drop_oldest(j);
		else
			unlink_oldest(j);
	}
}

/* --- the next one -------------------------------------------------------- */

/* The disk is full: the oldest segment becomes the new one. */
static int
segment_recycle(struct journal_segments *j, struct segment *s)
{
	const struct segment oldest = j->list[0];
	bool kept;
	int fd = segment_make_again(j->directory, s->first, oldest.first,
	    oldest.bytes, &kept);

	if (!kept)
		segment_drop_oldest(j);
	if (fd < 0)
		return -1;
	s->bytes = oldest.bytes;
	j->recycled++;
	return fd;
}

static int
segment_new_file(struct journal_segments *j, struct segment *s)
{
	int fd;

	while ((fd = segment_make_new(j->directory, s->first, s->bytes)) < 0 &&
	    disk_is_full(errno)) {
		/* One that was cut, or of a smaller setting, is too small. */
		if (may_leave(j) && j->list[0].bytes >= s->bytes)
			return segment_recycle(j, s);
		if (!journal_segments_make_room(j)) {
			errno = ENOSPC;
			return -1;
		}
	}
	return fd;
}

/* Its fd; -1 with *err. */
static int
segment_begin(struct journal_segments *j, struct segment *s, struct err *err)
{
	const struct journal_segment header = { s->epoch, s->first,
		s->created_unix_ms };
	char name[JOURNAL_FILE_NAME_MAX];
	int fd;

	if (j->memory) {
		s->memory_fd = segment_make_memory(&header, j->files_end);
		if (s->memory_fd < 0)
			return err_errno(err, errno, "memory segment");
		return s->memory_fd;
	}
	fd = segment_new_file(j, s);
	if (fd < 0 || segment_make_finish(j->directory, fd, &header) < 0)
		return err_errno(err, errno, "%s/%s", j->path,
		    journal_file_name(name, s->first, "seg"));
	return fd;
}

int
journal_segments_rotate(struct journal_segments *j, uint32_t epoch,
    uint64_t first, size_t n, int64_t now_ms, struct err *err)
{
	uint64_t bytes = j->memory ? disk_limit(SEGMENTS_MEMORY_ONE) :
	    j->segment;
	uint64_t recycled = j->recycled;
	struct segment s = { .first = first, .end = first - 1,
		.created_unix_ms = now_ms, .epoch = epoch,
		.memory_fd = -1 };
	int fd;

	s.bytes = MAX(bytes, JOURNAL_HEADER_SIZE + (uint64_t)n);
	/* What the old one holds must not be synced after the new one. */
	if (journal_segments_sync(j, err) < 0)
		return -1;
	fd = segment_begin(j, &s, err);
	if (fd < 0)
		return -1;
	j->began_with = recycled;
	close_current(j);
	segment_add(j, &s);
	j->fd = fd;
	j->offset = JOURNAL_HEADER_SIZE;
	return 0;
}

/* --- the current one ----------------------------------------------------- */

void
journal_segments_add(struct journal_segments *j,
    const struct recover_segment *found)
{
	segment_add(j, &(struct segment){ .first = found->first,
	    .end = found->end, .bytes = found->bytes, .epoch = found->epoch,
	    .created_unix_ms = found->created_unix_ms, .memory_fd = -1 });
}

/* The newest one, for writing; fd -1 when it cannot be opened. */
static void
open_current(struct journal_segments *j)
{
	const struct segment *s = last_segment(j);
	char name[JOURNAL_FILE_NAME_MAX];

	(void)journal_file_name(name, s->first, "seg");
	j->fd = s->memory_fd >= 0 ? s->memory_fd : openat(j->directory, name,
	    O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

int
journal_segments_open_last(struct journal_segments *j, uint64_t offset,
    struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX];
	struct segment *s = last_segment(j);

	(void)journal_file_name(name, s->first, "seg");
	open_current(j);
	if (j->fd < 0)
		return err_errno(err, errno, "%s/%s", j->path, name);
	j->offset = offset;
	/* A cut took the preallocated room away. On a full disk there is no
	 * room any more: the next record recycles. */
	s->bytes = MAX(s->bytes, j->segment);
	if (disk_allocate(j->fd, s->bytes) == 0)
		return 0;
	if (!disk_is_full(errno))
		return err_errno(err, errno, "%s/%s", j->path, name);
	s->bytes = offset;
	return 0;
}

void
journal_segments_memory(struct journal_segments *j, uint64_t files_end)
{
	close_current(j);
	j->memory = true;
	j->files_end = files_end;
	j->dirty = false;
	/* Whatever comes of it: nothing waits for that disk any more. */
	j->syncing = false;
}

uint64_t
journal_segments_room(const struct journal_segments *j)
{
	return j->fd < 0 ? 0 : j->list[j->n - 1].bytes - j->offset;
}

int
journal_segments_write(struct journal_segments *j, const void *bytes,
    size_t n, uint64_t last, struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX];

	if (disk_write(j->fd, bytes, n, j->offset) < 0)
		return err_errno(err, errno, "%s/%s", j->path,
		    journal_file_name(name, last_segment(j)->first, "seg"));
	j->offset += n;
	j->dirty = true;
	last_segment(j)->end = last;
	return 0;
}

void
journal_segments_background(struct journal_segments *j,
    struct background_sync *b)
{
	j->background = b;
}

/* What is synced in the background is on the disk, or never will be. */
static void
settle(struct journal_segments *j)
{
	int result;

	if (!j->syncing)
		return;
	result = background_sync_wait(j->background);
	j->syncing = false;
	if (result == 0)
		return;
	j->dirty = true;
	if (j->sync_errno == 0)
		j->sync_errno = result;
}

int
journal_segments_sync_begin(struct journal_segments *j, struct err *err)
{
	if (j->syncing && !background_sync_is_over(j->background))
		return 0;
	settle(j);
	if (!j->dirty || j->fd < 0)
		return 0;
	if (j->memory || j->sync_errno != 0 || j->background == NULL ||
	    !background_sync_begin(j->background, j->fd))
		return journal_segments_sync(j, err);
	j->dirty = false;
	j->syncing = true;
	return 0;
}

int
journal_segments_sync_keep_up(struct journal_segments *j, int64_t ms,
    struct err *err)
{
	if (!j->syncing || (!background_sync_is_over(j->background) &&
	    !background_sync_is_late(j->background, ms)))
		return 0;
	settle(j);
	return j->sync_errno != 0 ? journal_segments_sync(j, err) : 0;
}

bool
journal_segments_syncing(const struct journal_segments *j)
{
	return j->syncing;
}

int
journal_segments_sync(struct journal_segments *j, struct err *err)
{
	settle(j);
	if (!j->dirty || j->fd < 0)
		return 0;
	/* The kernel tells it once, to whoever asks first: a state file's try
	 * must not make the next one look well. */
	if (!j->memory && j->sync_errno == 0 && fdatasync(j->fd) < 0)
		j->sync_errno = errno;
	errno = j->sync_errno;
	if (!j->memory && errno != 0)
		return err_errno(err, errno, "%s: fdatasync", j->path);
	j->dirty = false;
	return 0;
}

bool
journal_segments_dirty(const struct journal_segments *j)
{
	return j->dirty && !j->memory;
}

struct segments_mark
journal_segments_mark(const struct journal_segments *j)
{
	return (struct segments_mark){ .count = j->n, .dropped = j->dropped,
		.offset = j->offset,
		.end = j->n != 0 ? j->list[j->n - 1].end : 0 };
}

/* One that a failed write began. */
static void
remove_last(struct journal_segments *j)
{
	const struct segment *s = last_segment(j);
	char name[JOURNAL_FILE_NAME_MAX];

	close_current(j);
	if (s->memory_fd >= 0)
		(void)close(s->memory_fd);
	else
		(void)unlinkat(j->directory, journal_file_name(name,
		    s->first, "seg"), 0);
	j->n--;
}

void
journal_segments_roll_back(struct journal_segments *j,
    const struct segments_mark *mark)
{
	/* Recycling may have taken some away at the other end. */
	size_t gone = j->dropped - mark->dropped;
	size_t n = mark->count - MIN(gone, mark->count);

	while (j->n > n)
		remove_last(j);
	if (n == 0)
		return;
	last_segment(j)->end = mark->end;
	if (j->fd < 0)
		open_current(j);
	j->offset = mark->offset;
	if (j->fd >= 0 && ftruncate(j->fd, (off_t)mark->offset) == 0)
		last_segment(j)->bytes = mark->offset;
}

/* The first position that is there. A segment that was new when the power was
 * lost has none: what follows it begins far behind, in another epoch. */
static uint64_t
oldest_kept(const struct journal_segments *j)
{
	size_t i = 0;

	if (j->n == 0)
		return 0;
	while (i + 1 < j->n && j->list[i].end < j->list[i].first)
		i++;
	return j->list[i].first;
}

void
journal_segments_info(const struct journal_segments *j,
    struct segments_info *ret)
{
	*ret = (struct segments_info){
		.oldest = oldest_kept(j),
		.bytes = total_bytes(j),
		.count = j->n,
		.recycled = j->recycled,
		.recycling = j->recycled != j->began_with,
	};
}

int
journal_segments_memory_fd(const struct journal_segments *j, size_t i,
    uint64_t *ret_first)
{
	for (size_t s = 0; s < j->n; s++) {
		if (j->list[s].memory_fd < 0 || i-- > 0)
			continue;
		*ret_first = j->list[s].first;
		return j->list[s].memory_fd;
	}
	return -1;
}
