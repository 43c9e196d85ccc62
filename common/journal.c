#include "common/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/journal_file.h"
#include "common/journal_index.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define READER_MAGIC 0x4a524452u

struct journal_reader {
	uint32_t	 magic;
	int		 directory;
	char		*path;        /* for messages */
	struct journal_index index;   /* pinned: where the cursor stands */
	bool		 scanned;     /* not only memory was put into it */
	/* The cursor: one segment open, and the next record in it. */
	int		 fd;          /* of a file; -1 with a memory segment */
	uint64_t	 next;        /* position of the record at `offset` */
	uint64_t	 end;         /* from here on nothing in it counts */
	uint64_t	 offset;
	uint8_t		*bytes;       /* what was read, from bytes_offset on */
	size_t		 n_bytes;
	size_t		 size_bytes;
	uint64_t	 bytes_offset;
	bool		 fresh;       /* read during this very call */
};

struct journal_reader *
journal_reader_new(const char *directory, struct err *err)
{
	struct journal_reader *r;
	int fd;

	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		(void)err_errno(err, errno, "journal %s", directory);
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->magic = READER_MAGIC;
	r->directory = fd;
	r->path = xstrdup(directory);
	r->index.pinned = JOURNAL_INDEX_NONE;
	r->fd = -1;
	return r;
}

static void
cursor_close(struct journal_reader *r)
{
	if (r->fd >= 0)
		(void)close(r->fd);
	r->fd = -1;
	r->index.pinned = JOURNAL_INDEX_NONE;
	r->n_bytes = 0;
}

void
journal_reader_free(struct journal_reader *r)
{
	if (r == NULL)
		return;
	assert(r->magic == READER_MAGIC);
	cursor_close(r);
	journal_index_clear(&r->index);
	(void)close(r->directory);
	free(r->path);
	free(r->bytes);
	r->magic = 0;
	free(r);
}

/* --- the list of segments ------------------------------------------------ */

static bool
cursor_is_open(const struct journal_reader *r)
{
	return r->index.pinned != JOURNAL_INDEX_NONE;
}

/* The list changed: lets go of a segment that left it. */
static void
cursor_check(struct journal_reader *r)
{
	if (!cursor_is_open(r))
		cursor_close(r);
	else
		r->end = journal_index_end(&r->index, r->index.pinned);
}

void
journal_reader_add_segment(struct journal_reader *r, uint64_t first, int fd)
{
	assert(r->magic == READER_MAGIC);
	journal_index_add_memory(&r->index, first,
	    journal_file_files_end(fd), fd);
	cursor_check(r);
}

bool
journal_reader_knows_memory(const struct journal_reader *r, uint64_t after)
{
	assert(r->magic == READER_MAGIC);
	for (size_t i = 0; i < r->index.n; i++) {
		if (r->index.segments[i].memory_fd >= 0 &&
		    r->index.segments[i].first > after)
			return true;
	}
	return false;
}

void
journal_reader_forget(struct journal_reader *r, uint64_t oldest)
{
	assert(r->magic == READER_MAGIC);
	journal_index_forget(&r->index, oldest);
	cursor_check(r);
}

void
journal_reader_retract(struct journal_reader *r, uint64_t tip)
{
	assert(r->magic == READER_MAGIC);
	journal_index_retract(&r->index, tip);
	cursor_check(r);
}

/* Reads the directory again: segments come and go. */
static int
rescan(struct journal_reader *r, struct err *err)
{
	if (journal_index_scan(&r->index, r->directory, err) < 0)
		return err_prefix(err, "%s", r->path);
	r->scanned = true;
	cursor_check(r);
	return 0;
}

/* --- the cursor ---------------------------------------------------------- */

static const struct journal_index_segment *
current(const struct journal_reader *r)
{
	return &r->index.segments[r->index.pinned];
}

static const char *
current_name(const struct journal_reader *r,
    char buf[JOURNAL_FILE_NAME_MAX])
{
	return journal_file_name(buf, current(r)->first, "seg");
}

/* 1 = the cursor stands at or before `want` in segment `at`, 0 = the file is
 * gone, -1 = error. */
static int
cursor_open(struct journal_reader *r, size_t at, uint64_t want,
    struct err *err)
{
	const struct journal_index_segment *s = &r->index.segments[at];
	char name[JOURNAL_FILE_NAME_MAX];

	if (r->index.pinned != at) {
		cursor_close(r);
		if (s->memory_fd < 0) {
			(void)journal_file_name(name, s->first, "seg");
			r->fd = openat(r->directory, name,
			    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
			if (r->fd < 0 && errno == ENOENT)
				return 0;
			if (r->fd < 0)
				return err_errno(err, errno, "%s/%s", r->path,
				    name);
		}
		r->index.pinned = at;
	}
	r->end = journal_index_end(&r->index, at);
	journal_index_begin(&r->index, at, want, &r->next, &r->offset);
	return 1;
}

/* Bytes at the cursor; at least `n` of them if the file has so many. A stale
 * buffer (bytes read before they were written) is avoided by `again`. */
static int
cursor_fill(struct journal_reader *r, size_t n, bool again,
    const uint8_t **ret, size_t *ret_n, struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX];
	size_t want = MAX(n, (size_t)JOURNAL_SLICE_MAX);
	uint64_t skip;
	ssize_t got;
	int fd;

	skip = r->offset - r->bytes_offset;
	if (again || r->offset < r->bytes_offset || skip > r->n_bytes ||
	    r->n_bytes - skip < n) {
		if (want > r->size_bytes) {
			r->bytes = xreallocarray(r->bytes, want, 1);
			r->size_bytes = want;
		}
		fd = r->fd >= 0 ? r->fd : current(r)->memory_fd;
		got = journal_file_read(fd, r->bytes, want, r->offset);
		if (got < 0)
			return err_errno(err, errno, "%s/%s: at offset %"
			    PRIu64, r->path, current_name(r, name),
			    r->offset);
		r->n_bytes = (size_t)got;
		r->bytes_offset = r->offset;
		r->fresh = true;
		skip = 0;
	}
	*ret = r->bytes + skip;
	*ret_n = r->n_bytes - (size_t)skip;
	return 0;
}

enum look { LOOK_RECORD, LOOK_NOTHING, LOOK_DAMAGED, LOOK_ERROR };

/* The record at the cursor, checked; its position must be r->next, since
 * positions inside a segment have no holes. */
static enum look
cursor_look(struct journal_reader *r, bool again, const uint8_t **ret,
    struct record_header *h, struct err *err)
{
	const uint8_t *p;
	size_t n, length;
	struct rd rd;

	if (r->next >= r->end)
		return LOOK_NOTHING;
	if (cursor_fill(r, 4, again, &p, &n, err) < 0)
		return LOOK_ERROR;
	rd = rd_init(p, n);
	length = rd_u32(&rd);
	if (rd.failed || length == 0)
		return LOOK_NOTHING;
	if (length > RECORD_MAX) {
		(void)err_set(err, "record length is impossible");
		return LOOK_DAMAGED;
	}
	if (n < length && cursor_fill(r, length, false, &p, &n, err) < 0)
		return LOOK_ERROR;
	if (record_decode(p, n, h, &rd, err) < 0)
		return LOOK_DAMAGED;
	if (h->first != r->next) {
		(void)err_set(err, "record has position %" PRIu64 ", not %"
		    PRIu64, h->first, r->next);
		return LOOK_DAMAGED;
	}
	*ret = p;
	return LOOK_RECORD;
}

/* Whether the open file still is the segment of its name: a recycled one has
 * another's records. */
static bool
cursor_is_current(const struct journal_reader *r)
{
	char name[JOURNAL_FILE_NAME_MAX];
	struct stat open_file, named;

	if (r->fd < 0)
		return true;
	return fstat(r->fd, &open_file) == 0 &&
	    fstatat(r->directory, current_name(r, name), &named,
	    AT_SYMLINK_NOFOLLOW) == 0 &&
	    open_file.st_ino == named.st_ino &&
	    open_file.st_dev == named.st_dev;
}

/* Puts the cursor into the segment that may hold `want`. 1, 0 (there is no
 * segment at all, or it went away: try again), -1. */
static int
cursor_seek(struct journal_reader *r, uint64_t want, bool scan,
    struct err *err)
{
	if ((scan || !r->scanned || r->index.n == 0) && rescan(r, err) < 0)
		return -1;
	if (r->index.n == 0)
		return 0;
	return cursor_open(r, journal_index_at(&r->index, want), want, err);
}

/* --- reading ------------------------------------------------------------- */

static enum journal_next
damage(struct journal_reader *r, uint64_t *ret_first, struct err *err)
{
	char name[JOURNAL_FILE_NAME_MAX];

	(void)err_prefix(err, "%s/%s: at offset %" PRIu64, r->path,
	    current_name(r, name), r->offset);
	*ret_first = r->index.pinned + 1 < r->index.n ? current(r)[1].first :
	    0;
	return JOURNAL_ERROR;
}

/* The segment ends here: 1 = the cursor stands in the one that follows,
 * 0 = none follows yet, -1 = error. */
static int
cursor_follow(struct journal_reader *r, struct err *err)
{
	uint64_t next = r->next;
	int rc;

	if (r->index.pinned + 1 >= r->index.n) {
		uint64_t first = current(r)->first;

		if (rescan(r, err) < 0)
			return -1;
		/* It left meanwhile: what follows `next` is sought anew. */
		if (!cursor_is_open(r) || current(r)->first != first)
			return 1;
		if (r->index.pinned + 1 >= r->index.n)
			return 0;
		/* The follower may be newer than our look: look again. */
		r->n_bytes = 0;
		return 1;
	}
	rc = cursor_open(r, r->index.pinned + 1, 0, err);
	if (rc == 1 && r->next < next) {
		/* Overlapping segments: cannot be; be safe against loops. */
		return err_set(err, "%s: segments overlap at %" PRIu64,
		    r->path, next);
	}
	if (rc == 0)
		cursor_close(r);
	return rc < 0 ? -1 : 1;
}

struct step {
	uint64_t	want;
	const uint8_t	*bytes;
	size_t		n;
	uint64_t	first;
};

enum turn { TURN_AGAIN, TURN_DONE };

/* One move of the cursor; TURN_DONE sets *ret. */
static enum turn
step(struct journal_reader *r, struct step *s, enum journal_next *ret,
    struct err *err)
{
	struct record_header h;
	const uint8_t *p;
	enum look look;
	int rc;

	if (r->next > s->want) {
		s->first = r->next;
		*ret = JOURNAL_LOST;
		return TURN_DONE;
	}
	r->fresh = false;
	look = cursor_look(r, false, &p, &h, err);
	if (look != LOOK_RECORD && look != LOOK_ERROR && !r->fresh)
		look = cursor_look(r, true, &p, &h, err);
	switch (look) {
	case LOOK_RECORD:
		r->next = h.first + h.count;
		r->offset += h.length;
		journal_index_mark(&r->index, r->next, r->offset);
		if (r->next <= s->want)
			return TURN_AGAIN;
		s->bytes = p;
		s->n = h.length;
		*ret = JOURNAL_RECORD;
		return TURN_DONE;
	case LOOK_NOTHING:
		rc = cursor_follow(r, err);
		if (rc > 0)
			return TURN_AGAIN;
		*ret = rc < 0 ? JOURNAL_ERROR : JOURNAL_END;
		return TURN_DONE;
	case LOOK_DAMAGED:
		if (!cursor_is_current(r)) {
			cursor_close(r);
			if (rescan(r, err) == 0)
				return TURN_AGAIN;
			*ret = JOURNAL_ERROR;
			return TURN_DONE;
		}
		*ret = damage(r, &s->first, err);
		return TURN_DONE;
	case LOOK_ERROR:
		break;
	}
	*ret = JOURNAL_ERROR;
	return TURN_DONE;
}

enum journal_next
journal_reader_next(struct journal_reader *r, uint64_t after, uint64_t limit,
    const void **ret_bytes, size_t *ret_n, uint64_t *ret_first,
    struct err *err)
{
	struct step s = { .want = after + 1 };
	enum journal_next result = JOURNAL_END;
	bool scan = false;
	int rc;

	assert(r->magic == READER_MAGIC);
	*ret_first = 0;
	if (after >= limit)
		return JOURNAL_END;
	/* The record at the cursor holds `after + 1` in a sequential read. */
	if (cursor_is_open(r) && r->next != s.want)
		cursor_close(r);
	for (;;) {
		if (!cursor_is_open(r)) {
			rc = cursor_seek(r, s.want, scan, err);
			if (rc < 0)
				return JOURNAL_ERROR;
			if (rc == 0 && scan)
				return JOURNAL_END;
			scan = true;
			if (rc == 0)
				continue;
		}
		if (step(r, &s, &result, err) == TURN_AGAIN)
			continue;
		break;
	}
	if (result == JOURNAL_RECORD) {
		*ret_bytes = s.bytes;
		*ret_n = s.n;
	} else {
		*ret_first = s.first;
		cursor_close(r);
	}
	return result;
}
