#include "gateway/install_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xmalloc.h"

/* A whole file or none: the others see it by its name only when it is full. */
static int
make_file(const char *path, struct err *err)
{
	uint8_t key[INSTALL_KEY_SIZE];
	char *tmp = xasprintf("%s.%d", path, (int)getpid());
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	int rc = -1;

	if (fd == -1 ||
	    getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key) ||
	    write(fd, key, sizeof(key)) != (ssize_t)sizeof(key) ||
	    fsync(fd) != 0 || (link(tmp, path) != 0 && errno != EEXIST))
		(void)err_errno(err, errno, "%s: cannot be made", path);
	else
		rc = 0;
	explicit_bzero(key, sizeof(key));
	if (fd != -1) {
		(void)close(fd);
		(void)unlink(tmp);
	}
	free(tmp);
	return rc;
}

static int
read_whole(int fd, uint8_t ret[INSTALL_KEY_SIZE], struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size != INSTALL_KEY_SIZE)
		return err_set(err, "is no file of %u bytes, as head -c %u "
		    "/dev/urandom makes it", INSTALL_KEY_SIZE,
		    INSTALL_KEY_SIZE);
	if ((st.st_mode & S_IRWXO) != 0)
		return err_set(err, "every user may read or write it: chmod "
		    "0600");
	if (read(fd, ret, INSTALL_KEY_SIZE) != (ssize_t)INSTALL_KEY_SIZE)
		return err_errno(err, errno, "cannot be read");
	return 0;
}

int
install_key_read(const char *path, bool make, uint8_t ret[INSTALL_KEY_SIZE],
    struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd == -1 && errno == ENOENT && make) {
		if (make_file(path, err) == -1)
			return -1;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd == -1)
		return err_errno(err, errno, "%s: cannot be opened (head -c %u "
		    "/dev/urandom makes one, to be of mode 0600 and the "
		    "service's user's)", path, INSTALL_KEY_SIZE);
	rc = read_whole(fd, ret, err);
	(void)close(fd);
	return rc == 0 ? 0 : err_prefix(err, "%s", path);
}
