#include "supervisor/keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

union address {
	struct sockaddr		sa;
	struct sockaddr_in	four;
	struct sockaddr_in6	six;
};

static socklen_t
address_of(const struct conf *conf, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, conf->listen_host, &ret->six.sin6_addr) == 1) {
		ret->six.sin6_family = AF_INET6;
		ret->six.sin6_port = htons(conf->listen_port);
		return sizeof(ret->six);
	}
	(void)inet_pton(AF_INET, conf->listen_host, &ret->four.sin_addr);
	ret->four.sin_family = AF_INET;
	ret->four.sin_port = htons(conf->listen_port);
	return sizeof(ret->four);
}

static int
bound_socket(const union address *a, socklen_t n, bool share)
{
	int on = 1, code;
	int fd = socket(a->sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
	    sizeof(on)) == 0) &&
	    bind(fd, &a->sa, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	errno = code;
	return -1;
}

static int
explain(const struct conf *conf, int code, struct err *err)
{
	const char *remedy = code == EADDRINUSE
	    ? "another program listens there (ss -ltnp shows which): stop it, "
	      "or write another port in sluice.yaml: listen: 127.0.0.1:PORT"
	    : code == EMFILE || code == ENFILE
	    ? "allow more open files (LimitNOFILE= of the unit, ulimit -n), "
	      "or fewer gateway.processes in sluice.yaml"
	    : code == EACCES
	    ? "ports below 1024 need a right: write a higher one in "
	      "sluice.yaml: listen: 127.0.0.1:PORT"
	    : "write an address of this machine in sluice.yaml: listen: "
	      "127.0.0.1:PORT";

	return err_set(err, "listen %s port %u: %s; %s", conf->listen_host,
	    conf->listen_port, strerrordesc_np(code), remedy);
}

int
keeper_open(struct keeper *k, const struct conf *conf, struct err *err)
{
	union address a;
	socklen_t n = address_of(conf, &a);
	int fd;

	k->n = 0;
	/* Sharing would be granted to two programs of one user: so first ask
	 * for the address alone. */
	fd = bound_socket(&a, n, false);
	if (fd == -1)
		return explain(conf, errno, err);
	(void)close(fd);
	while (k->n < conf->gateway.processes) {
		fd = bound_socket(&a, n, true);
		if (fd == -1) {
			int code = errno;

			keeper_close(k);
			return explain(conf, code, err);
		}
		k->fds[k->n++] = fd;
	}
	return 0;
}

void
keeper_close(struct keeper *k)
{
	for (size_t i = 0; i < k->n; i++)
		(void)close(k->fds[i]);
	k->n = 0;
}
