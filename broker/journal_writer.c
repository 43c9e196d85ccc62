#include "broker/journal_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/disk.h"
#include "common/journal.h"
#include "common/xmalloc.h"

#define WRITER_MAGIC   0x4a575254u
#define STATE_FILES    2u      /* kept: the newest, and one before it */
#define STATE_SHARE    8u      /* a new one after every size / 8 */
#define MEMORY_RESERVE (UINT64_C(1) << 42)   /* no process lives so long */

struct segment {
	uint64_t	first;
	uint64_t	end;          /* first - 1: empty */
	uint64_t	bytes;        /* allocated */
	int64_t		created_unix_ms;
	uint32_t	epoch;
	int		memory_fd;    /* -1: a file */
};

struct journal_writer {
	uint32_t			 magic;
	char				*path;
	int				 directory;
	struct journal_writer_options	 options;
	struct journal_epoch		 history[JOURNAL_FILE_EPOCHS_MAX];
	size_t				 n_history;
	struct segment			*segments;   /* ascending */
	size_t				 n_segments;
	int				 fd;         /* of the last; -1: none */
	uint64_t			 offset;     /* behind its last record */
	uint32_t			 epoch;
	uint64_t			 next;
	bool				 dirty;
	int				 sync_errno;  /* of the first failure */
	bool				 memory;
	bool				 unnoted;    /* ... but not in history */
	uint64_t			 recycled;
	size_t				 dropped;    /* segments */
	uint64_t			 since_state;
	uint64_t			 state;      /* newest complete one */
	int				 state_fd;   /* under way; -1 */
	uint64_t			 state_position;
	uint64_t			 state_offset;
};

/* --- the list of segments ------------------------------------------------ */

static struct segment *
last_segment(struct journal_writer *w)
{
	assert(w->n_segments > 0);
	return &w->segments[w->n_segments - 1];
}

static void
segment_add(struct journal_writer *w, const struct segment *s)
{
	w->segments = xreallocarray(w->segments, w->n_segments + 1,
	    sizeof(*w->segments));
	w->segments[w->n_segments++] = *s;
}

/* Forgets (memory: releases) the oldest. */
static void
segment_drop_oldest(struct journal_writer *w)
{
	if (w->segments[0].memory_fd >= 0)
		(void)close(w->segments[0].memory_fd);
	memmove(w->segments, w->segments + 1,
	    (w->n_segments - 1) * sizeof(*w->segments));
	w->n_segments--;
	w->dropped++;
}

static void
close_current(struct journal_writer *w)
{
	/* A memory segment's fd lives as long as the segment. */
	if (w->fd >= 0 && (w->n_segments == 0 ||
	    w->fd != last_segment(w)->memory_fd))
		(void)close(w->fd);
	w->fd = -1;
}

/* --- life ---------------------------------------------------------------- */

struct journal_writer *
journal_writer_new(const char *directory,
    const struct journal_writer_options *options, struct err *err)
{
	struct journal_writer *w;
	int fd;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
		(void)err_errno(err, errno, "journal %s", directory);
		return NULL;
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		(void)err_errno(err, errno, "journal %s", directory);
		return NULL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		(void)err_errno(err, errno, "journal %s: another broker "
		    "writes it", directory);
		(void)close(fd);
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	w->magic = WRITER_MAGIC;
	w->path = xstrdup(directory);
	w->directory = fd;
	w->options = *options;
	w->fd = -1;
	w->state_fd = -1;
	return w;
}

void
journal_writer_free(struct journal_writer *w)
{
	if (w == NULL)
		return;
	assert(w->magic == WRITER_MAGIC);
	close_current(w);
	while (w->n_segments > 0)
		segment_drop_oldest(w);
	free(w->segments);
	if (w->state_fd >= 0)
		(void)close(w->state_fd);
	(void)close(w->directory);
	free(w->path);
	w->magic = 0;
	free(w);
}

int
journal_writer_directory(const struct journal_writer *w)
{
	return w->directory;
}

/* --- a full disk ---------------------------------------------------------- */

static bool
is_full(int code)
{
	return code == ENOSPC || code == EDQUOT;
}

/* Whether the oldest segment may leave: not the current one, and a complete
 * state file stands at or after its end. */
static bool
may_leave(const struct journal_writer *w)
{
	const struct segment *s = &w->segments[0];

	if (w->n_segments < 2)
		return false;
	if (s->memory_fd >= 0)
		return true;
	return w->state >= s->end;
}

static void
unlink_oldest(struct journal_writer *w)
{
	char name[JOURNAL_FILE_NAME_MAX];

	/* Gone already, or it will be tried again at the next start: either
	 * way it is not ours any more. */
	(void)unlinkat(w->directory, journal_file_name(name,
	    w->segments[0].first, "seg"), 0);
	segment_drop_oldest(w);
}

/* Gives the oldest segment's room back; false when it must stay. */
static bool
make_room(struct journal_writer *w)
{
	if (!may_leave(w) || w->segments[0].memory_fd >= 0)
		return false;
	unlink_oldest(w);
	w->recycled++;
	return true;
}

/* --- the history of epochs ------------------------------------------------ */

/* It needs a block of its own for a moment, on a full disk as well. */
static int
history_write(struct journal_writer *w, struct err *err)
{
	struct buf b = BUF_EMPTY;
	int rc;

	journal_file_epochs_encode(&b, w->history, w->n_history);
	do
		rc = disk_replace(w->directory, JOURNAL_FILE_EPOCHS,
		    JOURNAL_FILE_EPOCHS ".tmp", b.data, b.len);
	while (rc < 0 && is_full(errno) && make_room(w));
	if (rc < 0)
		(void)err_errno(err, errno, "%s/epochs", w->path);
	buf_free(&b);
	return rc;
}

static struct journal_epoch *
history_last(struct journal_writer *w)
{
	assert(w->n_history > 0);
	return &w->history[w->n_history - 1];
}

static void
history_add(struct journal_writer *w, uint32_t epoch, uint64_t first)
{
	struct journal_epoch *e;

	if (w->n_history == JOURNAL_FILE_EPOCHS_MAX) {
		memmove(w->history, w->history + 1,
		    (w->n_history - 1) * sizeof(w->history[0]));
		w->n_history--;
	}
	e = &w->history[w->n_history++];
	*e = (struct journal_epoch){ .epoch = epoch, .first = first };
}

/* No position is announced above the mark that is on disk. */
static int
reserve(struct journal_writer *w, uint64_t last, struct err *err)
{
	struct journal_epoch *e = history_last(w);
	uint64_t before = e->reserved;

	if (w->memory || last + WRITER_RESERVE / 2 <= e->reserved)
		return 0;
	e->reserved = last + WRITER_RESERVE;
	if (history_write(w, err) == 0)
		return 0;
	e->reserved = before;
	return -1;
}

/* --- segments ------------------------------------------------------------ */

/* The header goes last: a segment without one never had its name. */
static int
segment_prepare(struct journal_writer *w, int fd, const struct segment *s,
    const char *temporary, const char *name)
{
	struct journal_segment h = { s->epoch, s->first,
		s->created_unix_ms };
	struct buf b = BUF_EMPTY;
	int rc;

	journal_file_header_encode(&b, &h);
	rc = disk_write(fd, b.data, b.len, 0);
	buf_free(&b);
	if (rc < 0 || fdatasync(fd) < 0 || renameat(w->directory, temporary,
	    w->directory, name) < 0)
		return -1;
	return fsync(w->directory);
}

/* The disk is full: the oldest segment becomes the new one. */
static int
segment_recycle(struct journal_writer *w, struct segment *s,
    const char *temporary)
{
	char name[JOURNAL_FILE_NAME_MAX];
	int fd;

	(void)journal_file_name(name, w->segments[0].first, "seg");
	if (renameat(w->directory, name, w->directory, temporary) < 0)
		return -1;
	s->bytes = w->segments[0].bytes;
	segment_drop_oldest(w);
	fd = openat(w->directory, temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	if (disk_zero(fd, s->bytes) < 0) {
		(void)close(fd);
		return -1;
	}
	w->recycled++;
	return fd;
}

static int
segment_create(struct journal_writer *w, const struct segment *s,
    const char *temporary)
{
	int fd, code;

	fd = openat(w->directory, temporary,
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || disk_allocate(fd, s->bytes) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	(void)unlinkat(w->directory, temporary, 0);
	errno = code;
	return -1;
}

static int
segment_new_file(struct journal_writer *w, struct segment *s,
    struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX], temporary[JOURNAL_FILE_NAME_MAX];
	int fd, code;

	(void)journal_file_name(name, s->first, "seg");
	(void)journal_file_name(temporary, s->first, "seg.new");
	while ((fd = segment_create(w, s, temporary)) < 0 && is_full(errno)) {
		/* One that was cut, or of a smaller setting, is too small. */
		if (may_leave(w) && w->segments[0].bytes >= s->bytes) {
			fd = segment_recycle(w, s, temporary);
			break;
		}
		if (!make_room(w)) {
			errno = ENOSPC;
			break;
		}
	}
	if (fd < 0)
		return err_errno(err, errno, "%s/%s", w->path, name);
	if (segment_prepare(w, fd, s, temporary, name) < 0) {
		code = errno;
		(void)close(fd);
		(void)unlinkat(w->directory, temporary, 0);
		return err_errno(err, code, "%s/%s", w->path, name);
	}
	return fd;
}

static int
segment_new_memory(struct segment *s, struct err *err)
{
	struct journal_segment h = { s->epoch, s->first,
		s->created_unix_ms };
	struct buf b = BUF_EMPTY;

	journal_file_header_encode(&b, &h);
	s->memory_fd = disk_memory("sluice-journal", b.data, b.len);
	buf_free(&b);
	if (s->memory_fd < 0)
		return err_errno(err, errno, "memory segment");
	return s->memory_fd;
}

/* A new current segment that begins at `first` and has room for `n` bytes. */
static int
rotate(struct journal_writer *w, uint64_t first, size_t n, int64_t now_ms,
    struct err *err)
{
	uint64_t bytes = w->memory ? disk_limit(WRITER_MEMORY_SEGMENT) :
	    w->options.segment;
	struct segment s = { .first = first, .end = first - 1,
		.created_unix_ms = now_ms, .epoch = w->epoch,
		.memory_fd = -1 };
	int fd;

	s.bytes = MAX(bytes, JOURNAL_HEADER_SIZE + (uint64_t)n);
	/* What the old one holds must not be synced after the new one. */
	if (journal_writer_sync(w, err) < 0)
		return -1;
	fd = w->memory ? segment_new_memory(&s, err) :
	    segment_new_file(w, &s, err);
	if (fd < 0)
		return -1;
	close_current(w);
	segment_add(w, &s);
	w->fd = fd;
	w->offset = JOURNAL_HEADER_SIZE;
	return 0;
}

/* --- start --------------------------------------------------------------- */

static int
open_last(struct journal_writer *w, uint64_t offset, struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX];
	struct segment *s = last_segment(w);

	(void)journal_file_name(name, s->first, "seg");
	w->fd = openat(w->directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (w->fd < 0)
		return err_errno(err, errno, "%s/%s", w->path, name);
	w->offset = offset;
	/* A cut took the preallocated room away. On a full disk there is no
	 * room any more: the next record recycles. */
	s->bytes = MAX(s->bytes, w->options.segment);
	if (disk_allocate(w->fd, s->bytes) == 0)
		return 0;
	if (!is_full(errno))
		return err_errno(err, errno, "%s/%s", w->path, name);
	s->bytes = offset;
	return 0;
}

int
journal_writer_start(struct journal_writer *w, struct recovered *found,
    const char *boot_id, int64_t now_ms, struct err *err)
{
	struct journal_epoch *e;

	memcpy(w->history, found->history, sizeof(w->history));
	w->n_history = found->n_history;
	w->epoch = found->epoch;
	w->next = found->next;
	w->state = found->state;
	w->since_state = found->replayed;
	for (size_t i = 0; i < found->n_segments; i++) {
		const struct recover_segment *f = &found->segments[i];

		segment_add(w, &(struct segment){ .first = f->first,
		    .end = f->end, .bytes = f->bytes, .epoch = f->epoch,
		    .created_unix_ms = f->created_unix_ms,
		    .memory_fd = -1 });
	}
	if (found->new_epoch)
		history_add(w, found->epoch, found->next);
	e = history_last(w);
	(void)snprintf(e->boot_id, sizeof(e->boot_id), "%s", boot_id);
	e->mark = JOURNAL_OPEN;
	e->reserved = MAX(e->reserved, w->next + WRITER_RESERVE);
	if (history_write(w, err) < 0)
		return -1;
	recover_cut(w->directory, found);
	if (found->new_epoch)
		return rotate(w, w->next, 0, now_ms, err);
	return open_last(w, found->segments[found->n_segments - 1].offset,
	    err);
}

int
journal_writer_memory(struct journal_writer *w, uint32_t epoch,
    uint64_t first, int64_t now_ms, struct err *err)
{
	struct journal_epoch *e;

	if (w->state_fd >= 0)
		(void)close(w->state_fd);
	w->state_fd = -1;
	close_current(w);
	w->memory = true;
	w->dirty = false;
	w->epoch = epoch;
	w->next = first;
	history_add(w, epoch, first);
	e = history_last(w);
	if (w->n_history > 1)
		memcpy(e->boot_id, e[-1].boot_id, sizeof(e->boot_id));
	else
		(void)snprintf(e->boot_id, sizeof(e->boot_id), "-");
	e->mark = JOURNAL_MEMORY;
	/* Nothing above will be reserved: the next start stays clear of it. */
	e->reserved = first + MEMORY_RESERVE;
	w->unnoted = true;
	journal_writer_note(w);
	return rotate(w, first, 0, now_ms, err);
}

void
journal_writer_note(struct journal_writer *w)
{
	if (w->unnoted)
		w->unnoted = history_write(w, NULL) < 0;
}

/* --- appending ----------------------------------------------------------- */

/* How many of the records fit into the current segment. */
static size_t
fitting(const struct journal_writer *w, const struct writer_record *records,
    size_t n, size_t *ret_bytes)
{
	uint64_t room = 0;
	size_t count = 0, bytes = 0;

	if (w->fd >= 0)
		room = w->segments[w->n_segments - 1].bytes - w->offset;
	while (count < n && bytes + records[count].length <= room)
		bytes += records[count++].length;
	*ret_bytes = bytes;
	return count;
}

/* Takes back what was written of a failed append. */
static void
roll_back(struct journal_writer *w, size_t n_segments, uint64_t offset,
    uint64_t end)
{
	char name[JOURNAL_FILE_NAME_MAX];
	bool same = w->n_segments == n_segments;

	while (w->n_segments > n_segments) {
		struct segment *s = last_segment(w);

		close_current(w);
		if (s->memory_fd >= 0) {
			(void)close(s->memory_fd);
		} else {
			(void)journal_file_name(name, s->first, "seg");
			(void)unlinkat(w->directory, name, 0);
		}
		w->n_segments--;
	}
	if (n_segments == 0)
		return;
	last_segment(w)->end = end;
	if (!same) {
		(void)journal_file_name(name, last_segment(w)->first, "seg");
		w->fd = last_segment(w)->memory_fd >= 0 ?
		    last_segment(w)->memory_fd : openat(w->directory, name,
		    O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	}
	w->offset = offset;
	if (w->fd >= 0 && ftruncate(w->fd, (off_t)offset) == 0)
		last_segment(w)->bytes = offset;
}

static int
append_run(struct journal_writer *w, const uint8_t *bytes,
    const struct writer_record *records, size_t n, int64_t now_ms,
    struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX];
	size_t count, length;

	while (n > 0) {
		count = fitting(w, records, n, &length);
		if (count == 0) {
			if (rotate(w, records[0].first, records[0].length,
			    now_ms, err) < 0)
				return -1;
			continue;
		}
		if (disk_write(w->fd, bytes + records[0].offset, length,
		    w->offset) < 0)
			return err_errno(err, errno, "%s/%s", w->path,
			    journal_file_name(name, last_segment(w)->first,
			    "seg"));
		w->offset += length;
		w->since_state += length;
		w->dirty = true;
		last_segment(w)->end = records[count - 1].last;
		w->next = records[count - 1].last + 1;
		records += count;
		n -= count;
	}
	return 0;
}

int
journal_writer_append(struct journal_writer *w, const uint8_t *bytes,
    const struct writer_record *records, size_t n, bool sync, int64_t now_ms,
    struct err *err)
{
	uint64_t offset = w->offset, end = 0, next = w->next;
	size_t n_segments = w->n_segments, dropped = w->dropped;

	assert(w->magic == WRITER_MAGIC);
	if (n == 0)
		return 0;
	if (n_segments != 0)
		end = last_segment(w)->end;
	if (reserve(w, records[n - 1].last, err) == 0 &&
	    append_run(w, bytes, records, n, now_ms, err) == 0 &&
	    (!sync || journal_writer_sync(w, err) == 0))
		return 0;
	/* Recycling may have taken segments away at the other end. */
	dropped = w->dropped - dropped;
	n_segments -= MIN(dropped, n_segments);
	roll_back(w, n_segments, offset, end);
	w->next = next;
	return -1;
}

int
journal_writer_sync(struct journal_writer *w, struct err *err)
{
	if (!w->dirty || w->fd < 0)
		return 0;
	/* The kernel tells it once, to whoever asks first: a state file's try
	 * must not make the next one look well. */
	if (!w->memory && w->sync_errno == 0 && fdatasync(w->fd) < 0)
		w->sync_errno = errno;
	errno = w->sync_errno;
	if (!w->memory && errno != 0)
		return err_errno(err, errno, "%s: fdatasync", w->path);
	w->dirty = false;
	return 0;
}

bool
journal_writer_dirty(const struct journal_writer *w)
{
	return w->dirty && !w->memory;
}

/* Of all segments, or of those in memory. */
static uint64_t
total_bytes(const struct journal_writer *w, bool memory)
{
	uint64_t n = 0;

	for (size_t i = 0; i < w->n_segments; i++) {
		if (!memory || w->segments[i].memory_fd >= 0)
			n += w->segments[i].bytes;
	}
	return n;
}

static bool
too_old(const struct journal_writer *w, int64_t now_ms)
{
	/* Its last event is not younger than the next one's begin. */
	return w->options.retain_ms > 0 && w->n_segments > 1 &&
	    w->segments[1].created_unix_ms < now_ms - w->options.retain_ms;
}

void
journal_writer_retain(struct journal_writer *w, int64_t now_ms)
{
	while (w->n_segments > 1) {
		if (w->memory ? total_bytes(w, true) <= WRITER_MEMORY_MAX :
		    total_bytes(w, false) <= w->options.size && !too_old(w, now_ms))
			return;
		if (!w->memory && !may_leave(w))
			return;
		/* In memory mode the files stay for the next start. */
		if (w->memory)
			segment_drop_oldest(w);
		else
			unlink_oldest(w);
	}
}

int
journal_writer_close(struct journal_writer *w, struct err *err)
{
	struct journal_epoch *e;

	journal_writer_note(w);
	if (w->memory)
		return 0;
	if (journal_writer_sync(w, err) < 0)
		return -1;
	e = history_last(w);
	e->mark = JOURNAL_CLEAN;
	e->reserved = w->next - 1;
	return history_write(w, err);
}

/* --- state files --------------------------------------------------------- */

static int
state_abandon(struct journal_writer *w, struct err *err)
{
	char temporary[JOURNAL_FILE_NAME_MAX];
	int code = errno;

	(void)journal_file_name(temporary, w->state_position, "state.tmp");
	if (w->state_fd >= 0)
		(void)close(w->state_fd);
	w->state_fd = -1;
	(void)unlinkat(w->directory, temporary, 0);
	w->since_state = w->options.size;
	/* Room for the next try. */
	if (is_full(code))
		(void)make_room(w);
	return err_errno(err, code, "%s: state file", w->path);
}

static void
state_remove_old(struct journal_writer *w)
{
	char name[JOURNAL_FILE_NAME_MAX];
	uint64_t *positions = NULL;
	ssize_t n;

	n = journal_file_list(w->directory, "state", &positions, NULL);
	for (ssize_t i = 0; i + (ssize_t)STATE_FILES < n; i++)
		(void)unlinkat(w->directory, journal_file_name(name,
		    positions[i], "state"), 0);
	free(positions);
}

/* The journal must hold what slices know before the file counts. */
static int
state_finish(struct journal_writer *w, struct err *err)
{
	char temporary[JOURNAL_FILE_NAME_MAX], name[JOURNAL_FILE_NAME_MAX];

	(void)journal_file_name(temporary, w->state_position, "state.tmp");
	(void)journal_file_name(name, w->state_position, "state");
	if (journal_writer_sync(w, err) < 0 || fsync(w->state_fd) < 0 ||
	    renameat(w->directory, temporary, w->directory, name) < 0 ||
	    fsync(w->directory) < 0)
		return state_abandon(w, err);
	(void)close(w->state_fd);
	w->state_fd = -1;
	w->state = w->state_position;
	state_remove_old(w);
	return 0;
}

int
journal_writer_state(struct journal_writer *w, uint64_t position, bool begin,
    bool finish, const void *p, size_t n, struct err *err)
{
	char temporary[JOURNAL_FILE_NAME_MAX];
	int rc;

	if (w->memory)
		return 0;
	if (begin) {
		w->state_position = position;
		w->state_offset = 0;
		w->since_state = 0;
		(void)journal_file_name(temporary, position, "state.tmp");
		w->state_fd = openat(w->directory, temporary, O_WRONLY |
		    O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (w->state_fd < 0)
			return state_abandon(w, err);
	}
	/* Abandoned by an earlier slice. */
	if (w->state_fd < 0)
		return err_set(err, "state file was given up");
	do
		rc = disk_write(w->state_fd, p, n, w->state_offset);
	while (rc < 0 && is_full(errno) && make_room(w));
	if (rc < 0)
		return state_abandon(w, err);
	w->state_offset += n;
	return finish ? state_finish(w, err) : 0;
}

bool
journal_writer_state_due(const struct journal_writer *w)
{
	/* The disk may be full long before `size`: then one segment must be
	 * free to leave for the next one, and one for the next state file. */
	size_t spare = w->n_segments > 2 ? 1 : 0;

	return !w->memory && w->state_fd < 0 &&
	    (w->since_state >= w->options.size / STATE_SHARE ||
	    (w->n_segments > 1 && w->state < w->segments[spare].end));
}

/* --- facts --------------------------------------------------------------- */

void
journal_writer_info(const struct journal_writer *w, struct writer_info *ret)
{
	*ret = (struct writer_info){
		.oldest = w->n_segments != 0 ? w->segments[0].first : w->next,
		.bytes = total_bytes(w, false),
		.segments = w->n_segments,
		.state = w->state,
		.recycled = w->recycled,
		.reserved = w->n_history != 0 ?
		    w->history[w->n_history - 1].reserved : 0,
		.memory = w->memory,
	};
}

int
journal_writer_memory_fd(const struct journal_writer *w, size_t i,
    uint64_t *ret_first)
{
	for (size_t s = 0; s < w->n_segments; s++) {
		if (w->segments[s].memory_fd < 0 || i-- > 0)
			continue;
		*ret_first = w->segments[s].first;
		return w->segments[s].memory_fd;
	}
	return -1;
}
