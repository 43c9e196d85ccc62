#include "lib/spool_recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "common/xmalloc.h"
#include "lib/sluice.h"

#define NAME_DIGITS 16
/* A segment is closed when it has passed SPOOL_SEGMENT_BYTES. */
#define FILE_MAX (SPOOL_SEGMENT_BYTES + SPOOL_HEAD_SIZE + SPOOL_RECORD_HEAD + \
	SLUICE_EVENT_MAX)

const char *
spool_name(char name[SPOOL_NAME_SIZE], uint64_t number)
{
	(void)snprintf(name, SPOOL_NAME_SIZE, "%016" PRIx64 ".spool", number);
	return name;
}

bool
spool_is_bad(int code)
{
	switch (code) {
	case EACCES:
	case EAGAIN:
	case EINTR:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EPERM:
		return false;
	default:
		return true;
	}
}

/* Of a name that has the digits, and this behind them. */
static bool
number_of(const char *name, const char *end, uint64_t *ret)
{
	uint64_t number = 0;

	if (strlen(name) != NAME_DIGITS + strlen(end) ||
	    strcmp(name + NAME_DIGITS, end) != 0)
		return false;
	for (int i = 0; i < NAME_DIGITS; i++) {
		int digit = text_hex(name[i]);

		if (digit < 0)
			return false;
		number = number << 4 | (uint64_t)digit;
	}
	*ret = number;
	return true;
}

void
spool_retire(int directory, const struct spool_segment *segment)
{
	char name[SPOOL_NAME_SIZE], aside[SPOOL_NAME_SIZE];

	(void)spool_name(name, segment->number);
	(void)snprintf(aside, sizeof(aside), "%016" PRIx64 ".damaged",
	    segment->number);
	/* Where neither works the next start does it: `sent` is ahead. */
	if (segment->damaged)
		(void)renameat(directory, name, directory, aside);
	else
		(void)unlinkat(directory, name, 0);
}

static int
by_number(const void *a, const void *b)
{
	const struct spool_segment *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* --- what there is -------------------------------------------------------- */

static DIR *
open_list(int directory, struct err *err)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd != -1 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		(void)err_errno(err, errno, "the spool's directory");
		if (fd != -1)
			(void)close(fd);
	}
	return dir;
}

/* Only the numbers are known yet; *ret_next is past all that are in use. */
static int
list(int directory, struct spool_segment **ret, size_t *ret_n,
    uint64_t *ret_next, struct err *err)
{
	DIR *dir = open_list(directory, err);
	struct spool_segment *found = NULL;
	struct dirent *entry;
	size_t n = 0;
	uint64_t number;

	if (dir == NULL)
		return -1;
	*ret_next = 1;
	while (n < SPOOL_SEGMENTS_MAX && (entry = readdir(dir)) != NULL) {
		bool aside = number_of(entry->d_name, ".damaged", &number);

		if (!aside && !number_of(entry->d_name, ".spool", &number))
			continue;
		*ret_next = MAX(*ret_next, number + 1);
		if (aside)
			continue;
		if ((n & (n - 1)) == 0)
			found = xreallocarray(found, n > 0 ? n * 2 : 1,
			    sizeof(*found));
		found[n++] = (struct spool_segment){ .number = number };
	}
	(void)closedir(dir);
	if (n > 0)
		qsort(found, n, sizeof(*found), by_number);
	*ret = found;
	*ret_n = n;
	return 0;
}

/* The whole file; larger than any segment is cut there, and so damaged. */
static int
load(int fd, struct buf *b, struct err *err)
{
	ssize_t got;

	do {
		size_t room = FILE_MAX + 1 - b->len;

		got = pread(fd, buf_reserve(b, room), room, (off_t)b->len);
		if (got > 0)
			buf_grew(b, (size_t)got);
	} while ((got > 0 && b->len <= FILE_MAX) ||
	    (got == -1 && errno == EINTR));
	return got == -1 ? err_errno(err, errno, "read") : 0;
}

/* Goes over the records from `at`; what it finds at the end of them. */
static enum spool_found
scan(struct spool_segment *g, const struct buf *b, uint64_t at)
{
	enum spool_found found = SPOOL_GOOD;
	struct slice text;

	while (at < b->len) {
		found = spool_record_decode((struct slice){
		    (const char *)b->data + at, b->len - at }, &text);
		if (found != SPOOL_GOOD)
			break;
		at += SPOOL_RECORD_HEAD + text.n;
		g->records++;
	}
	g->size = at;
	return found;
}

static void
say_damage(char damage[SPOOL_DAMAGE_MAX], const struct spool_segment *g)
{
	char name[SPOOL_NAME_SIZE];

	if (damage[0] == '\0')
		(void)snprintf(damage, SPOOL_DAMAGE_MAX, "%s is damaged at "
		    "byte %" PRIu64 " of %" PRIu64 ": what stands behind is "
		    "not sent; the file is kept as %016" PRIx64 ".damaged",
		    spool_name(name, g->number), g->size, g->file, g->number);
}

/* A whole record stands somewhere behind `at`. (No other bytes look like one:
 * JSON has no NUL, which each record's size has.) */
static bool
goes_on(const struct buf *b, uint64_t at)
{
	struct slice text;
	uint64_t end = 0;   /* of the zeros that `at` is one of */

	while (++at + SPOOL_RECORD_HEAD < b->len) {
		if (end <= at)
			for (end = at; end < b->len && b->data[end] == 0;)
				end++;
		/* No record begins with a size of 0. There may be megabytes of
		 * them: in one step. */
		if (end - at >= sizeof(uint32_t))
			at = end - (sizeof(uint32_t) - 1);
		if (spool_record_decode((struct slice){
		    (const char *)b->data + at, b->len - at }, &text) ==
		    SPOOL_GOOD)
			return true;
	}
	return false;
}

/* What the bytes of a segment hold. */
static enum spool_found
judge(struct spool_segment *g, const struct buf *b, uint64_t from, bool newest)
{
	enum spool_found found = SPOOL_DAMAGED;

	if (spool_head_decode((struct slice){ (const char *)b->data, b->len },
	    g->number))
		found = scan(g, b, from);
	else if (b->len < SPOOL_HEAD_SIZE)
		found = SPOOL_CUT;
	if (found == SPOOL_ZEROS)
		return newest ? SPOOL_CUT : SPOOL_DAMAGED;
	if (found == SPOOL_CUT && (!newest || goes_on(b, g->size)))
		return SPOOL_DAMAGED;
	return found;
}

/* One segment whose records from `from` on were not sent. */
static int
examine(int directory, struct spool_segment *g, uint64_t from, bool newest,
    char damage[SPOOL_DAMAGE_MAX], struct err *err)
{
	char name[SPOOL_NAME_SIZE];
	struct err why = { .code = 0 };
	struct buf b = BUF_EMPTY;
	enum spool_found found = SPOOL_DAMAGED;
	int fd = openat(directory, spool_name(name, g->number),
	    O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd == -1)
		rc = err_errno(&why, errno, "the spool's %s", name);
	else if ((rc = load(fd, &b, &why)) != 0)
		(void)err_prefix(&why, "the spool's %s", name);
	g->file = b.len;
	/* What the disk gave back of a file is used. */
	if (rc == 0 || b.len > 0)
		found = judge(g, &b, from, newest && rc == 0);
	if (rc != 0 || found == SPOOL_DAMAGED) {
		g->damaged = true;
		say_damage(damage, g);
	} else if (found == SPOOL_CUT && ftruncate(fd, (off_t)g->size) == 0) {
		g->file = g->size;
	}
	if (fd != -1)
		(void)close(fd);
	buf_free(&b);
	if (rc == 0 || spool_is_bad(why.code))
		return 0;
	if (err != NULL)
		*err = why;
	return -1;
}

bool
spool_recover_sent(int fd, struct spool_sent *ret)
{
	char bytes[2 * SPOOL_SENT_SIZE] = { 0 };
	struct spool_sent sent;
	bool known = false;

	/* Unreadable counts as not known: what was sent is sent again, and
	 * recognised by its keys. */
	if (pread(fd, bytes, sizeof(bytes), 0) <= 0)
		return false;
	for (size_t i = 0; i < 2; i++) {
		if (!spool_sent_decode((struct slice){
		    bytes + i * SPOOL_SENT_SIZE, SPOOL_SENT_SIZE }, &sent))
			continue;
		if (!known || sent.generation > ret->generation)
			*ret = sent;
		known = true;
	}
	return known;
}

int
spool_recover(int directory, const struct spool_sent *sent,
    struct spool_segment **ret, size_t *ret_n, uint64_t *ret_next,
    char damage[SPOOL_DAMAGE_MAX], struct err *err)
{
	struct spool_segment *all;
	size_t n, kept = 0;

	damage[0] = '\0';
	if (list(directory, &all, &n, ret_next, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct spool_segment *g = &all[i];
		uint64_t from = SPOOL_HEAD_SIZE;

		if (sent != NULL && g->number == sent->segment)
			from = MAX(from, sent->offset);
		if ((sent == NULL || g->number >= sent->segment) &&
		    examine(directory, g, from, i == n - 1, damage, err) != 0) {
			free(all);
			return -1;
		}
		if (g->records > 0)
			all[kept++] = *g;
		else
			spool_retire(directory, g);
	}
	*ret = all;
	*ret_n = kept;
	return 0;
}
