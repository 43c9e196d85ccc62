#include "broker/journal_segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/background_sync.h"
#include "broker/disk.h"
#include "broker/journal_recover.h"
#include "broker/segment_list.h"
#include "broker/segment_make.h"
#include "common/journal.h"
#include "common/macros.h"
#include "common/xmalloc.h"

struct journal_segments {
	struct segment_list list;     /* its last one is written to */
	const char	*path;
	uint64_t	 segment;     /* bytes of a new one */
	int		 fd;          /* of the last; -1: none */
	uint64_t	 offset;      /* behind its last record */
	bool		 dirty;
	struct background_sync *background;   /* NULL: none is made */
	bool		 syncing;     /* its result was not taken yet */
	int		 sync_errno;  /* of the first failure */
	uint64_t	 files_end;   /* once in memory; see journal.h */
	uint64_t	 began_with;  /* recycled, at the newest one */
};

static void
close_current(struct journal_segments *j)
{
	/* A memory segment's fd lives as long as the segment. */
	if (j->fd >= 0 && (j->list.n == 0 ||
	    j->fd != segment_list_last(&j->list)->memory_fd))
		(void)close(j->fd);
	j->fd = -1;
}

struct journal_segments *
journal_segments_new(int directory, const char *path, uint64_t bytes)
{
	struct journal_segments *j = xcalloc(1, sizeof(*j));

	j->list.directory = directory;
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
	segment_list_free(&j->list);
	free(j);
}

/* --- the next one -------------------------------------------------------- */

/* The disk is full: the oldest segment becomes the new one. */
static int
segment_recycle(struct journal_segments *j, struct segment *s)
{
	const struct segment oldest = j->list.all[0];
	bool kept;
	int fd = segment_make_again(j->list.directory, s->first, oldest.first,
	    oldest.bytes, &kept);

	if (!kept)
		segment_list_drop_oldest(&j->list);
	if (fd < 0)
		return -1;
	s->bytes = oldest.bytes;
	j->list.recycled++;
	return fd;
}

static int
segment_new_file(struct journal_segments *j, struct segment *s)
{
	struct segment_list *l = &j->list;
	int fd;

	while ((fd = segment_make_new(l->directory, s->first, s->bytes)) < 0 &&
	    disk_is_full(errno)) {
		/* One that was cut, or of a smaller setting, is too small. */
		if (segment_list_may_leave(l) && l->all[0].bytes >= s->bytes)
			return segment_recycle(j, s);
		if (!segment_list_make_room(l)) {
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

	if (j->list.memory) {
		s->memory_fd = segment_make_memory(&header, j->files_end);
		if (s->memory_fd < 0)
			return err_errno(err, errno, "memory segment");
		return s->memory_fd;
	}
	fd = segment_new_file(j, s);
	if (fd < 0 || segment_make_finish(j->list.directory, fd, &header) < 0)
		return err_errno(err, errno, "%s/%s", j->path,
		    journal_file_name(name, s->first, "seg"));
	return fd;
}

int
journal_segments_rotate(struct journal_segments *j, uint32_t epoch,
    uint64_t first, size_t n, int64_t now_ms, struct err *err)
{
	uint64_t bytes = j->list.memory ? disk_limit(SEGMENTS_MEMORY_ONE) :
	    j->segment;
	uint64_t recycled = j->list.recycled;
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
	segment_list_add(&j->list, &s);
	j->fd = fd;
	j->offset = JOURNAL_HEADER_SIZE;
	return 0;
}

/* --- the current one ----------------------------------------------------- */

void
journal_segments_add(struct journal_segments *j,
    const struct recover_segment *found)
{
	segment_list_add(&j->list, &(struct segment){ .first = found->first,
	    .end = found->end, .bytes = found->bytes, .epoch = found->epoch,
	    .created_unix_ms = found->created_unix_ms, .memory_fd = -1 });
}

/* The newest one, for writing; fd -1 when it cannot be opened. */
static void
open_current(struct journal_segments *j)
{
	const struct segment *s = segment_list_last(&j->list);
	char name[JOURNAL_FILE_NAME_MAX];

	(void)journal_file_name(name, s->first, "seg");
	j->fd = s->memory_fd >= 0 ? s->memory_fd : openat(j->list.directory,
	    name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

int
journal_segments_open_last(struct journal_segments *j, uint64_t offset,
    struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX];
	struct segment *s = segment_list_last(&j->list);

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
	j->list.memory = true;
	j->files_end = files_end;
	j->dirty = false;
	/* Whatever comes of it: nothing waits for that disk any more. */
	j->syncing = false;
}

uint64_t
journal_segments_room(const struct journal_segments *j)
{
	return j->fd < 0 ? 0 : segment_list_last(&j->list)->bytes - j->offset;
}

int
journal_segments_write(struct journal_segments *j, const void *bytes,
    size_t n, uint64_t last, struct err *err)
{
	struct segment *s = segment_list_last(&j->list);
	char name[JOURNAL_FILE_NAME_MAX];

	if (disk_write(j->fd, bytes, n, j->offset) < 0)
		return err_errno(err, errno, "%s/%s", j->path,
		    journal_file_name(name, s->first, "seg"));
	j->offset += n;
	j->dirty = true;
	s->end = last;
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
	if (j->list.memory || j->sync_errno != 0 || j->background == NULL ||
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
	if (!j->list.memory && j->sync_errno == 0 && fdatasync(j->fd) < 0)
		j->sync_errno = errno;
	errno = j->sync_errno;
	if (!j->list.memory && errno != 0)
		return err_errno(err, errno, "%s: fdatasync", j->path);
	j->dirty = false;
	return 0;
}

bool
journal_segments_dirty(const struct journal_segments *j)
{
	return j->dirty && !j->list.memory;
}

struct segments_mark
journal_segments_mark(const struct journal_segments *j)
{
	const struct segment_list *l = &j->list;

	return (struct segments_mark){ .count = l->n, .dropped = l->dropped,
		.offset = j->offset,
		.end = l->n != 0 ? segment_list_last(l)->end : 0 };
}

void
journal_segments_roll_back(struct journal_segments *j,
    const struct segments_mark *mark)
{
	/* Recycling may have taken some away at the other end. */
	size_t gone = j->list.dropped - mark->dropped;
	size_t n = mark->count - MIN(gone, mark->count);

	/* What a failed write began. */
	while (j->list.n > n) {
		close_current(j);
		segment_list_remove_last(&j->list);
	}
	if (n == 0)
		return;
	segment_list_last(&j->list)->end = mark->end;
	if (j->fd < 0)
		open_current(j);
	j->offset = mark->offset;
	if (j->fd >= 0 && ftruncate(j->fd, (off_t)mark->offset) == 0)
		segment_list_last(&j->list)->bytes = mark->offset;
}

/* --- what the list knows ------------------------------------------------- */

bool
journal_segments_make_room(struct journal_segments *j)
{
	return segment_list_make_room(&j->list);
}

void
journal_segments_covered(struct journal_segments *j, uint64_t position)
{
	j->list.covered = position;
}

bool
journal_segments_need_state(const struct journal_segments *j)
{
	return segment_list_need_state(&j->list);
}

void
journal_segments_retain(struct journal_segments *j, uint64_t size,
    int64_t retain_ms, int64_t now_ms)
{
	segment_list_retain(&j->list, size, retain_ms, now_ms);
}

int
journal_segments_memory_fd(const struct journal_segments *j, size_t i,
    uint64_t *ret_first)
{
	return segment_list_memory_fd(&j->list, i, ret_first);
}

void
journal_segments_info(const struct journal_segments *j,
    struct segments_info *ret)
{
	*ret = (struct segments_info){
		.oldest = segment_list_oldest(&j->list),
		.bytes = segment_list_bytes(&j->list),
		.count = j->list.n,
		.recycled = j->list.recycled,
		.recycling = j->list.recycled != j->began_with,
	};
}
