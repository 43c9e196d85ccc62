#include "common/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd;

	if ((path[0] != '/' && path[0] != '@') || n >= sizeof(sun.sun_path))
		return -1;
	memcpy(sun.sun_path, path, n);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int64_t
number_from(const char *variable)
{
	const char *text = getenv(variable);
	int64_t v = 0;

	if (text == NULL || *text == '\0')
		return 0;
	for (; *text != '\0'; text++)
		if (*text < '0' || *text > '9' || CKD_MUL(&v, v, 10) ||
		    CKD_ADD(&v, v, *text - '0'))
			return 0;
	return v;
}

void
notify_init(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int64_t pid = number_from("WATCHDOG_PID");

	n->fd = path != NULL ? connect_to(path) : -1;
	n->watchdog_ms = number_from("WATCHDOG_USEC") / 1000;
	if (pid != 0 && pid != getpid())
		n->watchdog_ms = 0;
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void
notify_free(struct notify *n)
{
	if (n->fd != -1)
		(void)close(n->fd);
	n->fd = -1;
}

bool
notify_send(const struct notify *n, const char *fmt, ...)
{
	char text[NOTIFY_TEXT_MAX];
	va_list ap;

	if (n->fd == -1)
		return true;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return send(n->fd, text, strlen(text), MSG_NOSIGNAL) >= 0;
}
