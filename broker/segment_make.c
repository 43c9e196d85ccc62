#include "broker/segment_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/disk.h"

/* Closes, removes, and leaves errno as it was. */
static int
undo(int directory, int fd, uint64_t first)
{
	char name[JOURNAL_FILE_NAME_MAX];
	int code = errno;

	if (fd >= 0)
		(void)close(fd);
	(void)unlinkat(directory, journal_file_name(name, first, "seg.new"),
	    0);
	errno = code;
	return -1;
}

int
segment_make_new(int directory, uint64_t first, uint64_t bytes)
{
	char name[JOURNAL_FILE_NAME_MAX];
	int fd;

	fd = openat(directory, journal_file_name(name, first, "seg.new"),
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || disk_allocate(fd, bytes) == 0)
		return fd;
	return undo(directory, fd, first);
}

int
segment_make_again(int directory, uint64_t first, uint64_t oldest,
    uint64_t bytes, bool *ret_kept)
{
	char name[JOURNAL_FILE_NAME_MAX], temporary[JOURNAL_FILE_NAME_MAX];
	int fd;

	(void)journal_file_name(name, oldest, "seg");
	(void)journal_file_name(temporary, first, "seg.new");
	*ret_kept = renameat(directory, name, directory, temporary) < 0;
	if (*ret_kept)
		return -1;
	fd = openat(directory, temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && disk_zero(fd, bytes) == 0)
		return fd;
	return undo(directory, fd, first);
}

int
segment_make_finish(int directory, int fd,
    const struct journal_segment *header)
{
	char name[JOURNAL_FILE_NAME_MAX], temporary[JOURNAL_FILE_NAME_MAX];
	struct buf b = BUF_EMPTY;
	int rc;

	(void)journal_file_name(name, header->first, "seg");
	(void)journal_file_name(temporary, header->first, "seg.new");
	journal_file_header_encode(&b, header);
	rc = disk_write(fd, b.data, b.len, 0);
	buf_free(&b);
	if (rc < 0 || fdatasync(fd) < 0 ||
	    renameat(directory, temporary, directory, name) < 0 ||
	    fsync(directory) < 0)
		return undo(directory, fd, header->first);
	return 0;
}

int
segment_make_memory(const struct journal_segment *header,
    uint64_t files_end)
{
	struct buf b = BUF_EMPTY;
	int fd;

	journal_file_header_encode(&b, header);
	journal_file_files_end_encode(&b, files_end);
	fd = disk_memory("sluice-journal", b.data, b.len);
	buf_free(&b);
	return fd;
}
