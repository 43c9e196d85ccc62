#include "common/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

int
sealed_new(const char *name, struct err *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_errno(err, errno, "memfd_create");
	return fd;
}

int
sealed_write(int fd, const void *bytes, size_t n, struct err *err)
{
	size_t done = 0;
	ssize_t put;

	while (done < n) {
		put = write(fd, (const uint8_t *)bytes + done, n - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return err_errno(err, put < 0 ? errno : EIO,
			    "memfd: write");
		done += (size_t)put;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) != 0)
		return err_errno(err, errno, "memfd: seal");
	return 0;
}

int
sealed_read(int fd, void *bytes, size_t max, size_t *ret_n, struct err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	size_t n = 0;
	ssize_t got;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(err, "it is not sealed");
	while (n < max) {
		got = pread(fd, (uint8_t *)bytes + n, max - n, (off_t)n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "memfd: read");
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
	return 0;
}
