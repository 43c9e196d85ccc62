#include "gateway/journal_tail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/journal.h"
#include "common/xmalloc.h"

#define SEGMENTS_MAX    4096u
#define SEGMENT_DIGITS  16u

struct segment {
	uint64_t	first;
	uint64_t	bytes;
};

static int
newest_first(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->first > y->first ? -1 : x->first < y->first;
}

/* "<16 hex digits>.seg" */
static bool
segment_name(const char *name, uint64_t *ret)
{
	char *end;

	if (strlen(name) != SEGMENT_DIGITS + 4 ||
	    strcmp(name + SEGMENT_DIGITS, ".seg") != 0)
		return false;
	errno = 0;
	*ret = strtoull(name, &end, 16);
	return errno == 0 && end == name + SEGMENT_DIGITS;
}

static size_t
list_segments(const char *directory, struct segment *ret)
{
	DIR *dir = opendir(directory);
	struct dirent *e;
	struct stat st;
	size_t n = 0;

	if (dir == NULL)
		return 0;
	while (n < SEGMENTS_MAX && (e = readdir(dir)) != NULL) {
		if (!segment_name(e->d_name, &ret[n].first) ||
		    fstatat(dirfd(dir), e->d_name, &st, 0) != 0)
			continue;
		ret[n++].bytes = (uint64_t)st.st_size;
	}
	(void)closedir(dir);
	return n;
}

/* The epoch in a segment's header; 0 when it cannot be read. */
static uint32_t
segment_epoch(const char *directory, uint64_t first)
{
	char *path = xasprintf("%s/%016llx.seg", directory,
	    (unsigned long long)first);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[12];
	ssize_t n = -1;
	struct rd rd;
	uint32_t magic, epoch;

	free(path);
	if (fd == -1)
		return 0;
	n = pread(fd, head, sizeof(head), 0);
	(void)close(fd);
	if (n != (ssize_t)sizeof(head))
		return 0;
	rd = rd_init(head, sizeof(head));
	magic = rd_u32(&rd);
	(void)rd_u32(&rd);
	epoch = rd_u32(&rd);
	return magic == JOURNAL_MAGIC ? epoch : 0;
}

struct position
journal_tail_start(const char *directory, size_t bytes)
{
	struct segment *list = xcalloc(SEGMENTS_MAX, sizeof(*list));
	struct position start = { 0, 0 };
	size_t i, n = list_segments(directory, list);
	uint64_t sum = 0;
	uint32_t epoch;

	qsort(list, n, sizeof(*list), newest_first);
	/* The newest is partly empty, so one more than the ring's size. */
	for (i = 0; i < n && (i == 0 || sum < bytes); i++) {
		epoch = segment_epoch(directory, list[i].first);
		if (epoch == 0 || (start.epoch != 0 && epoch != start.epoch))
			break;
		start = (struct position){ epoch, list[i].first - 1 };
		if (i > 0)
			sum += list[i].bytes;
	}
	/* Nothing is left out: from the oldest, whatever it is. */
	if (i == n)
		start = (struct position){ 0, 0 };
	free(list);
	return start;
}
