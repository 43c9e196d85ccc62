#include "ctl/ask_line.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"

/* connect(2), send(2) and recv(2) with a time-out do not begin again by
 * themselves when the shell stops and continues us. */
static int
connect_again(int fd, const struct sockaddr_un *sun)
{
	int rc;

	do
		rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	while (rc == -1 && errno == EINTR);
	return rc;
}

static bool
send_all(int fd, const char *line)
{
	size_t left = strlen(line);
	ssize_t n;

	while (left > 0) {
		n = send(fd, line, left, MSG_NOSIGNAL);
		if (n == -1 && errno != EINTR)
			return false;
		if (n > 0) {
			line += n;
			left -= (size_t)n;
		}
	}
	return true;
}

/* -1 with errno. */
static int
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = ASK_LINE_TIMEOUT };
	int fd, code;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The one for sending is connect(2)'s too: one that hangs leaves its
	 * queue full. */
	if (fd != -1 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv,
	    sizeof(tv)) == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv,
	    sizeof(tv)) == 0 && connect_again(fd, &sun) == 0)
		return fd;
	code = errno;
	if (fd != -1)
		(void)close(fd);
	errno = code;
	return -1;
}

/* All that is answered until the end: 0, or the errno of what came instead. */
static int
receive(int fd, struct buf *answer)
{
	ssize_t n;

	while (answer->len < ASK_LINE_ANSWER_MAX) {
		n = recv(fd, buf_reserve(answer, 65536), 65536, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		buf_grew(answer, (size_t)n);
	}
	return EFBIG;
}

json_t *
ask_line(const char *path, const char *line, int *ret_code)
{
	struct buf answer = BUF_EMPTY;
	int fd = connect_to(path), code = EPIPE;
	json_t *json = NULL;

	if (fd == -1) {
		*ret_code = errno;
		return NULL;
	}
	if (send_all(fd, line))
		code = receive(fd, &answer);
	(void)close(fd);
	/* Reset: it refused the request without reading all of it. */
	if ((code == 0 || code == ECONNRESET) && answer.len != 0)
		json = json_loadb((const char *)answer.data, answer.len, 0,
		    NULL);
	buf_free(&answer);
	if (json == NULL)
		*ret_code = code == EAGAIN ? EAGAIN : EPIPE;
	return json;
}
