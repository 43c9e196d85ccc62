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
#include "broker/journal_segments.h"
#include "common/journal.h"
#include "common/xmalloc.h"

#define WRITER_MAGIC   0x4a575254u
#define STATE_FILES    2u      /* kept: the newest, and one before it */
#define STATE_SHARE    8u      /* a new one after every size / 8 */
#define MEMORY_RESERVE (UINT64_C(1) << 42)   /* no process lives so long */

struct journal_writer {
	uint32_t			 magic;
	char				*path;
	int				 directory;
	struct journal_writer_options	 options;
	struct journal_epoch		 history[JOURNAL_FILE_EPOCHS_MAX];
	size_t				 n_history;
	struct journal_segments		*segments;
	uint32_t			 epoch;
	uint64_t			 next;
	bool				 memory;
	bool				 unnoted;   /* ... but not in history */
	uint64_t			 since_state;
	uint64_t			 state;      /* newest complete one */
	int				 state_fd;   /* under way; -1 */
	uint64_t			 state_position;
	uint64_t			 state_offset;
};

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
	w->segments = journal_segments_new(fd, w->path, options->segment);
	w->state_fd = -1;
	return w;
}

void
journal_writer_free(struct journal_writer *w)
{
	if (w == NULL)
		return;
	assert(w->magic == WRITER_MAGIC);
	journal_segments_free(w->segments);
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

/* --- the history of epochs ------------------------------------------------ */

/* It needs a block of its own for a moment, on a full disk as well. */
static int
replace_file(struct journal_writer *w, const char *name,
    const char *temporary, const void *p, size_t n, struct err *err)
{
	int rc;

	do
		rc = disk_replace(w->directory, name, temporary, p, n);
	while (rc < 0 && disk_is_full(errno) &&
	    journal_segments_make_room(w->segments));
	return rc < 0 ? err_errno(err, errno, "%s/%s", w->path, name) : 0;
}

static int
history_write(struct journal_writer *w, struct err *err)
{
	struct buf b = BUF_EMPTY;
	int rc;

	journal_file_epochs_encode(&b, w->history, w->n_history);
	rc = replace_file(w, JOURNAL_FILE_EPOCHS, JOURNAL_FILE_EPOCHS ".tmp",
	    b.data, b.len, err);
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

/* --- start --------------------------------------------------------------- */

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
	journal_segments_covered(w->segments, w->state);
	for (size_t i = 0; i < found->n_segments; i++)
		journal_segments_add(w->segments, &found->segments[i]);
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
		return journal_segments_rotate(w->segments, w->epoch,
		    w->next, 0, now_ms, err);
	return journal_segments_open_last(w->segments,
	    found->segments[found->n_segments - 1].offset, err);
}

int
journal_writer_memory(struct journal_writer *w, uint32_t epoch,
    uint64_t first, int64_t now_ms, struct err *err)
{
	struct journal_epoch *e;

	if (w->state_fd >= 0)
		(void)close(w->state_fd);
	w->state_fd = -1;
	/* What a failed write left behind, if it could not be taken back, is
	 * at `next`: nobody was told, and memory has it again. */
	journal_segments_memory(w->segments, w->next);
	w->memory = true;
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
	return journal_segments_rotate(w->segments, epoch, first, 0, now_ms,
	    err);
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
	uint64_t room = journal_segments_room(w->segments);
	size_t count = 0, bytes = 0;

	while (count < n && bytes + records[count].length <= room)
		bytes += records[count++].length;
	*ret_bytes = bytes;
	return count;
}

static int
append_run(struct journal_writer *w, const uint8_t *bytes,
    const struct writer_record *records, size_t n, int64_t now_ms,
    struct err *err)
{
	size_t count, length;

	while (n > 0) {
		count = fitting(w, records, n, &length);
		if (count == 0) {
			if (journal_segments_rotate(w->segments, w->epoch,
			    records[0].first, records[0].length, now_ms,
			    err) < 0)
				return -1;
			continue;
		}
		if (journal_segments_write(w->segments,
		    bytes + records[0].offset, length,
		    records[count - 1].last, err) < 0)
			return -1;
		w->since_state += length;
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
	const struct segments_mark mark = journal_segments_mark(w->segments);
	uint64_t next = w->next;

	assert(w->magic == WRITER_MAGIC);
	if (n == 0)
		return 0;
	if (reserve(w, records[n - 1].last, err) == 0 &&
	    append_run(w, bytes, records, n, now_ms, err) == 0 &&
	    (!sync || journal_writer_sync(w, err) == 0))
		return 0;
	journal_segments_roll_back(w->segments, &mark);
	w->next = next;
	return -1;
}

int
journal_writer_publishers(struct journal_writer *w, const void *p, size_t n,
    struct err *err)
{
	/* A life in memory leaves nothing behind. */
	if (w->memory)
		return 0;
	return replace_file(w, JOURNAL_FILE_PUBLISHERS,
	    JOURNAL_FILE_PUBLISHERS ".tmp", p, n, err);
}

int
journal_writer_sync(struct journal_writer *w, struct err *err)
{
	return journal_segments_sync(w->segments, err);
}

void
journal_writer_background(struct journal_writer *w, struct background_sync *b)
{
	journal_segments_background(w->segments, b);
}

int
journal_writer_sync_begin(struct journal_writer *w, struct err *err)
{
	return journal_segments_sync_begin(w->segments, err);
}

int
journal_writer_sync_keep_up(struct journal_writer *w, int64_t ms,
    struct err *err)
{
	return journal_segments_sync_keep_up(w->segments, ms, err);
}

bool
journal_writer_syncing(const struct journal_writer *w)
{
	return journal_segments_syncing(w->segments);
}

bool
journal_writer_dirty(const struct journal_writer *w)
{
	return journal_segments_dirty(w->segments);
}

void
journal_writer_retain(struct journal_writer *w, int64_t now_ms)
{
	journal_segments_retain(w->segments, w->options.size,
	    w->options.retain_ms, now_ms);
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
	if (disk_is_full(code))
		(void)journal_segments_make_room(w->segments);
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
	journal_segments_covered(w->segments, w->state);
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
	while (rc < 0 && disk_is_full(errno) &&
	    journal_segments_make_room(w->segments));
	if (rc < 0)
		return state_abandon(w, err);
	w->state_offset += n;
	return finish ? state_finish(w, err) : 0;
}

bool
journal_writer_state_due(const struct journal_writer *w)
{
	return !w->memory && w->state_fd < 0 &&
	    (w->since_state >= w->options.size / STATE_SHARE ||
	    journal_segments_need_state(w->segments));
}

/* --- facts --------------------------------------------------------------- */

void
journal_writer_info(const struct journal_writer *w, struct writer_info *ret)
{
	struct segments_info info;

	journal_segments_info(w->segments, &info);
	*ret = (struct writer_info){
		.oldest = info.oldest != 0 ? info.oldest : w->next,
		.bytes = info.bytes,
		.segments = info.count,
		.state = w->state,
		.recycled = info.recycled,
		.recycling = info.recycling,
		.reserved = w->n_history != 0 ?
		    w->history[w->n_history - 1].reserved : 0,
		.memory = w->memory,
	};
}

int
journal_writer_memory_fd(const struct journal_writer *w, size_t i,
    uint64_t *ret_first)
{
	return journal_segments_memory_fd(w->segments, i, ret_first);
}
