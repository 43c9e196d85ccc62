#include "lib/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xmalloc.h"
#include "lib/spool_recover.h"

#define SPOOL_MAGIC 0x53504f4cu   /* "SPOL" */
#define READ_BYTES  (SLUICE_BATCH_BYTES + SPOOL_RECORD_HEAD + SLUICE_EVENT_MAX)

struct spool {
	uint32_t		 magic;
	int			 directory;
	int			 lock;
	int			 sent_fd;
	int			 write_fd;    /* of the last segment, or -1 */
	int			 read_fd;     /* of number `reading`, or -1 */
	uint64_t		 reading;
	uint64_t		 max_bytes;
	enum sluice_sync	 sync;
	bool			 dirty;
	bool			 broken;      /* see spool_is_broken() */
	struct spool_segment	*segments;    /* oldest first */
	size_t			 n;
	size_t			 room;
	size_t			 head;        /* before it: all was taken */
	uint64_t		 taken;       /* records of segments[head] */
	uint64_t		 offset;      /* in segments[head] */
	uint64_t		 next_number;
	uint64_t		 pending;
	uint64_t		 bytes;
	struct spool_sent	 sent;
	struct buf		 out;
	struct buf		 in;
};

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

/* --- opening -------------------------------------------------------------- */

static int
open_file(struct spool *s, const char *name, int exclusive)
{
	return openat(s->directory, name, exclusive |
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

static int
take_lock(struct spool *s, const char *directory, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	s->lock = open_file(s, "lock", 0);
	if (s->lock == -1)
		return err_errno(err, errno, "%s/lock", directory);
	/* Of the open file, not of the process: two handles of one process
	 * exclude each other as well. */
	if (fcntl(s->lock, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(err, "%s is in use: a spool belongs to one "
		    "handle of one process at a time", directory);
	return err_errno(err, errno, "%s/lock", directory);
}

static int
look_into(struct spool *s, const char *directory, char *damage,
    struct err *err)
{
	bool known;

	if (mkdir(directory, 0700) == -1 && errno != EEXIST)
		return err_errno(err, errno, "%s", directory);
	s->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->directory == -1)
		return err_errno(err, errno, "%s", directory);
	if (take_lock(s, directory, err) != 0)
		return -1;
	s->sent_fd = open_file(s, "sent", 0);
	if (s->sent_fd == -1)
		return err_errno(err, errno, "%s/sent", directory);
	known = spool_recover_sent(s->sent_fd, &s->sent);
	if (spool_recover(s->directory, known ? &s->sent : NULL, &s->segments,
	    &s->n, &s->next_number, damage, err) != 0)
		return err_prefix(err, "%s", directory);
	s->room = s->n;
	s->next_number = MAX(s->next_number, s->sent.segment + 1);
	s->offset = SPOOL_HEAD_SIZE;
	if (s->n > 0 && known && s->segments[0].number == s->sent.segment)
		s->offset = MAX(s->sent.offset, SPOOL_HEAD_SIZE);
	for (size_t i = 0; i < s->n; i++) {
		s->pending += s->segments[i].records;
		s->bytes += s->segments[i].file;
	}
	return 0;
}

struct spool *
spool_open(const char *directory, uint64_t max_bytes, enum sluice_sync sync,
    char *damage, struct err *err)
{
	struct spool *s = xcalloc(1, sizeof(*s));

	s->magic = SPOOL_MAGIC;
	s->directory = s->lock = s->sent_fd = s->write_fd = s->read_fd = -1;
	s->max_bytes = max_bytes;
	s->sync = sync;
	if (look_into(s, directory, damage, err) != 0) {
		s->sync = SLUICE_SYNC_NEVER;
		(void)spool_close(s);
		return NULL;
	}
	return s;
}

int
spool_close(struct spool *s)
{
	int rc = 0;

	if (s == NULL)
		return 0;
	assert(s->magic == SPOOL_MAGIC);
	if (s->dirty && s->sync != SLUICE_SYNC_NEVER)
		(void)spool_sync(s, NULL);
	for (size_t i = s->head; i < s->n; i++)
		if (s->segments[i].unsynced)
			rc = -1;
	close_fd(&s->write_fd);
	close_fd(&s->read_fd);
	close_fd(&s->sent_fd);
	close_fd(&s->lock);
	close_fd(&s->directory);
	free(s->segments);
	buf_free(&s->out);
	buf_free(&s->in);
	s->magic = 0;
	free(s);
	return rc;
}

/* --- writing -------------------------------------------------------------- */

static int
write_at(int fd, const struct buf *b, uint64_t offset, struct err *err)
{
	size_t done = 0;

	while (done < b->len) {
		ssize_t put = pwrite(fd, b->data + done, b->len - done,
		    (off_t)(offset + done));

		if (put == -1 && errno != EINTR)
			return err_errno(err, errno, "the spool");
		if (put > 0)
			done += (size_t)put;
	}
	return 0;
}

/* The bytes of s->out to the last segment, whole or not at all. */
static int
write_out(struct spool *s, struct err *err)
{
	struct spool_segment *g = &s->segments[s->n - 1];
	bool unsynced = false;

	if (write_at(s->write_fd, &s->out, g->size, err) != 0)
		goto cut;
	if (s->sync == SLUICE_SYNC_EACH && fdatasync(s->write_fd) != 0) {
		(void)err_errno(err, errno, "the spool: fdatasync");
		unsynced = true;
		goto cut;
	}
	s->dirty = true;
	g->size += s->out.len;
	g->file = g->size;
	s->bytes += s->out.len;
	return 0;
cut:
	/* Else a start would have to tell half a record from damage. If this
	 * fails, too, the next write begins at the same place. */
	if (ftruncate(s->write_fd, (off_t)g->size) != 0)
		(void)err_prefix(err, "not cut back");
	else if (unsynced)
		close_fd(&s->write_fd);   /* as spool_sync() does */
	return -1;
}

/* The segment that is written ends; nothing of it stays unsynced. */
static int
end_segment(struct spool *s, struct err *err)
{
	if (s->write_fd != -1 && spool_needs_sync(s) &&
	    spool_sync(s, err) != 0)
		return -1;
	close_fd(&s->write_fd);
	return 0;
}

static int
begin_segment(struct spool *s, struct err *err)
{
	char name[SPOOL_NAME_SIZE];

	if (end_segment(s, err) != 0)
		return -1;
	if (s->n == SPOOL_SEGMENTS_MAX)
		return err_set(err, "the spool has %u segments",
		    SPOOL_SEGMENTS_MAX);
	/* One that could not be removed is not written over. */
	while ((s->write_fd = open_file(s, spool_name(name, s->next_number),
	    O_EXCL)) == -1 && errno == EEXIST)
		s->next_number++;
	if (s->write_fd == -1)
		return err_errno(err, errno, "the spool's %s", name);
	if (s->n == s->room) {
		s->room = MAX(s->room * 2, 8);
		s->segments = xreallocarray(s->segments, s->room,
		    sizeof(*s->segments));
	}
	s->segments[s->n++] = (struct spool_segment){
		.number = s->next_number,
	};
	buf_reset(&s->out);
	spool_head_encode(&s->out, s->next_number);
	if (write_out(s, err) != 0)
		goto undo;
	if (s->sync != SLUICE_SYNC_NEVER && fsync(s->directory) != 0) {
		(void)err_errno(err, errno, "the spool's directory: fsync");
		goto undo;
	}
	s->next_number++;
	return 0;
undo:
	s->bytes -= s->segments[--s->n].size;
	close_fd(&s->write_fd);
	(void)unlinkat(s->directory, name, 0);
	return -1;
}

/* As many as one write to this segment and the limit allow, in s->out. */
static size_t
encode(struct spool *s, const struct slice *texts, size_t n)
{
	uint64_t size = s->segments[s->n - 1].size;
	size_t i;

	buf_reset(&s->out);
	for (i = 0; i < n; i++) {
		if (size + s->out.len >= SPOOL_SEGMENT_BYTES ||
		    s->bytes + s->out.len + SPOOL_RECORD_HEAD + texts[i].n >
		    s->max_bytes)
			break;
		spool_record_encode(&s->out, texts[i].p, texts[i].n);
	}
	return i;
}

size_t
spool_append(struct spool *s, const struct slice *texts, size_t n,
    struct err *err)
{
	size_t done = 0, some;

	while (done < n) {
		if ((s->write_fd == -1 ||
		    s->segments[s->n - 1].size >= SPOOL_SEGMENT_BYTES) &&
		    begin_segment(s, err) != 0)
			break;
		some = encode(s, texts + done, n - done);
		if (some == 0) {
			(void)err_set(err, "the spool has its limit of %"
			    PRIu64 " bytes", s->max_bytes);
			break;
		}
		if (write_out(s, err) != 0)
			break;
		s->segments[s->n - 1].records += some;
		s->pending += some;
		done += some;
	}
	return done;
}

bool
spool_needs_sync(const struct spool *s)
{
	return s->dirty && s->sync == SLUICE_SYNC_SECOND;
}

int
spool_sync(struct spool *s, struct err *err)
{
	if (s->write_fd != -1 && fdatasync(s->write_fd) != 0) {
		(void)err_errno(err, errno, "the spool: fdatasync: what was "
		    "written last may be lost with the machine");
		s->segments[s->n - 1].unsynced = true;
		close_fd(&s->write_fd);
		return -1;
	}
	if (fdatasync(s->sent_fd) != 0)
		return err_errno(err, errno, "the spool: fdatasync");
	s->dirty = false;
	return 0;
}

/* --- reading -------------------------------------------------------------- */

static void
next_segment(struct spool *s)
{
	s->head++;
	s->offset = SPOOL_HEAD_SIZE;
	s->taken = 0;
}

/* One that was begun, and nothing could be written to. pending > 0: so there is
 * one behind it. */
static void
skip_empty(struct spool *s)
{
	while (s->offset == s->segments[s->head].size)
		next_segment(s);
}

static int
open_read(struct spool *s, uint64_t number, struct err *err)
{
	char name[SPOOL_NAME_SIZE];

	if (s->read_fd != -1 && s->reading == number)
		return 0;
	close_fd(&s->read_fd);
	s->read_fd = openat(s->directory, spool_name(name, number),
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (s->read_fd == -1) {
		s->broken = spool_is_bad(errno);
		return err_errno(err, errno, "the spool's %s", name);
	}
	s->reading = number;
	return 0;
}

int
spool_read(struct spool *s, spool_read_cb cb, void *arg, struct err *err)
{
	const struct spool_segment *g;
	uint64_t at = 0, want;
	struct slice text;
	ssize_t got;

	s->broken = false;
	if (s->pending == 0)
		return 0;
	skip_empty(s);
	g = &s->segments[s->head];
	want = MIN(g->size - s->offset, READ_BYTES);
	if (open_read(s, g->number, err) != 0)
		return -1;
	buf_reset(&s->in);
	got = pread(s->read_fd, buf_reserve(&s->in, want), want,
	    (off_t)s->offset);
	if (got < (ssize_t)want) {
		s->broken = got != -1 || spool_is_bad(errno);
		return err_errno(err, got == -1 ? errno : EIO,
		    "the spool's segment %016" PRIx64, g->number);
	}
	buf_grew(&s->in, want);
	while (at < want) {
		enum spool_found found = spool_record_decode((struct slice){
		    (const char *)s->in.data + at, want - at }, &text);

		/* The next one is not whole in what was read. */
		if (found == SPOOL_CUT && at > 0)
			break;
		if (found != SPOOL_GOOD) {
			/* What stands before it is given first. */
			s->broken = at == 0;
			return at > 0 ? 0 : err_set(err, "the spool's segment "
			    "%016" PRIx64 " has changed at byte %" PRIu64,
			    g->number, s->offset);
		}
		if (!cb(text, arg))
			break;
		at += SPOOL_RECORD_HEAD + text.n;
	}
	return 0;
}

bool
spool_is_broken(const struct spool *s)
{
	return s->broken;
}

uint64_t
spool_set_aside(struct spool *s, char *damage)
{
	struct spool_segment *g = &s->segments[s->head];
	uint64_t left = g->records - s->taken;

	assert(s->pending > 0);
	(void)snprintf(damage, SPOOL_DAMAGE_MAX, "segment %016" PRIx64 " cannot"
	    " be read from byte %" PRIu64 " on: %" PRIu64 " events are not "
	    "sent; the file is kept as %016" PRIx64 ".damaged", g->number,
	    s->offset, left, g->number);
	g->damaged = true;
	if (s->head == s->n - 1)
		close_fd(&s->write_fd);
	s->pending -= left;
	next_segment(s);
	/* Where that cannot be written a start looks into the file again. */
	(void)spool_commit(s, NULL);
	return left;
}

void
spool_take(struct spool *s, size_t size)
{
	assert(s->pending > 0 && s->head < s->n);
	skip_empty(s);
	s->offset += SPOOL_RECORD_HEAD + size;
	s->pending--;
	s->taken++;
	assert(s->offset <= s->segments[s->head].size);
	if (s->offset == s->segments[s->head].size)
		next_segment(s);
}

/* What was taken whole leaves the disk. */
static void
retire(struct spool *s)
{
	if (s->head == s->n)
		close_fd(&s->write_fd);
	if (s->head > 0)
		close_fd(&s->read_fd);
	for (size_t i = 0; i < s->head; i++) {
		s->bytes -= s->segments[i].file;
		spool_retire(s->directory, &s->segments[i]);
	}
	s->n -= s->head;
	memmove(s->segments, s->segments + s->head,
	    s->n * sizeof(*s->segments));
	s->head = 0;
}

int
spool_commit(struct spool *s, struct err *err)
{
	int rc;

	if (s->n == 0)
		return 0;
	s->sent.generation++;
	if (s->head < s->n) {
		s->sent.segment = s->segments[s->head].number;
		s->sent.offset = s->offset;
	} else {
		s->sent.segment = s->segments[s->n - 1].number;
		s->sent.offset = s->segments[s->n - 1].size;
	}
	buf_reset(&s->out);
	spool_sent_encode(&s->out, &s->sent);
	rc = write_at(s->sent_fd, &s->out,
	    s->sent.generation % 2 * SPOOL_SENT_SIZE, err);
	s->dirty = true;
	retire(s);
	return rc;
}

uint64_t
spool_pending(const struct spool *s)
{
	return s->pending;
}

uint64_t
spool_bytes(const struct spool *s)
{
	return s->bytes;
}
