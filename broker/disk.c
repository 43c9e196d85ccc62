#include "broker/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/macros.h"
#include "common/xmalloc.h"

#define ZERO_SLICE (256u * 1024)

bool
disk_is_full(int code)
{
	return code == ENOSPC || code == EDQUOT;
}

int
disk_write(int fd, const void *bytes, size_t n, uint64_t offset)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		ssize_t put = pwrite(fd, p, n, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			if (put == 0)
				errno = EIO;
			return -1;
		}
		p += put;
		n -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

int
disk_allocate(int fd, uint64_t bytes)
{
	if (fallocate(fd, 0, 0, (off_t)bytes) == 0)
		return 0;
	/* File systems without it: a hole instead. */
	if (errno == EOPNOTSUPP || errno == ENOSYS)
		return ftruncate(fd, (off_t)bytes);
	return -1;
}

int
disk_zero(int fd, uint64_t bytes)
{
	uint8_t *zeroes;
	int rc = 0;

	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, (off_t)bytes) == 0)
		return 0;
	zeroes = xcalloc(1, ZERO_SLICE);
	for (uint64_t at = 0; at < bytes && rc == 0; at += ZERO_SLICE)
		rc = disk_write(fd, zeroes, (size_t)MIN(bytes - at,
		    (uint64_t)ZERO_SLICE), at);
	free(zeroes);
	return rc;
}

int
disk_replace(int directory, const char *name, const char *temporary,
    const void *bytes, size_t n)
{
	int fd, code, rc;

	fd = openat(directory, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	rc = disk_write(fd, bytes, n, 0) < 0 || fsync(fd) < 0 ||
	    renameat(directory, temporary, directory, name) < 0 ||
	    fsync(directory) < 0 ? -1 : 0;
	code = errno;
	(void)close(fd);
	errno = code;
	return rc;
}

int
disk_memory(const char *name, const void *bytes, size_t n)
{
	int code, fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || disk_write(fd, bytes, n, 0) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	errno = code;
	return -1;
}

uint64_t
disk_limit(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur > wanted)
		return wanted;
	return limit.rlim_cur;
}
