#include "gateway/journal_tail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/journal_file.h"

/* A segment's epoch and bytes; epoch 0 when it cannot be read. */
static uint32_t
look_at(int directory, uint64_t first, uint64_t *ret_bytes)
{
	char name[JOURNAL_FILE_NAME_MAX];
	struct journal_segment h = { .epoch = 0 };
	struct stat st;
	int fd;

	fd = openat(directory, journal_file_name(name, first, "seg"),
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return 0;
	if (fstat(fd, &st) == 0 &&
	    journal_file_header_read(fd, &h, NULL) == 0)
		*ret_bytes = (uint64_t)st.st_size;
	(void)close(fd);
	return h.epoch;
}

static struct position
start_in(int directory, size_t bytes)
{
	struct position start = { 0, 0 };
	uint64_t *firsts = NULL, sum = 0, size = 0;
	ssize_t n = journal_file_list(directory, "seg", &firsts, NULL);
	ssize_t i = n;
	uint32_t epoch;

	/* The newest is partly empty, so one more than the ring's size. */
	while (i > 0 && (i == n || sum < bytes)) {
		epoch = look_at(directory, firsts[i - 1], &size);
		if (epoch == 0 || (start.epoch != 0 && epoch != start.epoch))
			break;
		start = (struct position){ epoch, firsts[i - 1] - 1 };
		if (i < n)
			sum += size;
		i--;
	}
	free(firsts);
	/* Nothing is left out: from the oldest, whatever it is. */
	return i > 0 ? start : (struct position){ 0, 0 };
}

struct position
journal_tail_start(const char *directory, size_t bytes)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct position start = { 0, 0 };

	if (fd == -1)
		return start;
	start = start_in(fd, bytes);
	(void)close(fd);
	return start;
}
