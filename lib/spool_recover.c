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

static bool
number_of(const char *name, uint64_t *ret)
{
	uint64_t number = 0;

	if (strlen(name) != NAME_DIGITS + 6 ||
	    strcmp(name + NAME_DIGITS, ".spool") != 0)
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

/* Only the numbers are known yet. */
static int
list(int directory, struct spool_segment **ret, size_t *ret_n,
    struct err *err)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd != -1 ? fdopendir(fd) : NULL;
	struct spool_segment *found = NULL;
	struct dirent *entry;
	size_t n = 0;
	uint64_t number;

	if (dir == NULL) {
		(void)err_errno(err, errno, "the spool's directory");
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	while (n < SPOOL_SEGMENTS_MAX && (entry = readdir(dir)) != NULL) {
		if (!number_of(entry->d_name, &number))
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

/* One segment whose records from `from` on were not sent. */
static int
examine(int directory, struct spool_segment *g, uint64_t from,
    char damage[SPOOL_DAMAGE_MAX], struct err *err)
{
	char name[SPOOL_NAME_SIZE];
	struct buf b = BUF_EMPTY;
	enum spool_found found = SPOOL_DAMAGED;
	int fd = openat(directory, spool_name(name, g->number),
	    O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc = -1;

	if (fd == -1)
		return err_errno(err, errno, "the spool's %s", name);
	if (load(fd, &b, err) != 0) {
		(void)err_prefix(err, "the spool's %s", name);
		goto out;
	}
	g->file = b.len;
	if (spool_head_decode((struct slice){ (const char *)b.data, b.len },
	    g->number))
		found = scan(g, &b, from);
	else if (b.len < SPOOL_HEAD_SIZE)
		found = SPOOL_CUT;
	if (found == SPOOL_DAMAGED) {
		g->damaged = true;
		say_damage(damage, g);
	} else if (found == SPOOL_CUT && ftruncate(fd, (off_t)g->size) == 0) {
		g->file = g->size;
	}
	rc = 0;
out:
	(void)close(fd);
	buf_free(&b);
	return rc;
}

int
spool_recover(int directory, const struct spool_sent *sent,
    struct spool_segment **ret, size_t *ret_n, char damage[SPOOL_DAMAGE_MAX],
    struct err *err)
{
	struct spool_segment *all;
	size_t n, kept = 0;

	damage[0] = '\0';
	if (list(directory, &all, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct spool_segment *g = &all[i];
		uint64_t from = SPOOL_HEAD_SIZE;

		if (sent != NULL && g->number == sent->segment)
			from = MAX(from, sent->offset);
		if ((sent == NULL || g->number >= sent->segment) &&
		    examine(directory, g, from, damage, err) != 0) {
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
