#include "common/bus.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <nanomsg/ipc.h>
#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/macros.h"

#define BUS_RECONNECT_MS    10
#define BUS_ASK_SMALL       4096u
#define BUS_SNDBUF_DEFAULT  212992   /* stock net.core.wmem_max */
#define BUS_SCHEME          "ipc://"

int
bus_address(char *buf, size_t size, const char *directory, const char *leaf,
    struct err *err)
{
	size_t n = strlen(directory) + 1 + strlen(leaf);

	if (n > BUS_PATH_MAX)
		return err_set(err, "bus socket path %s/%s has %zu bytes, a "
		    "Unix socket's may have %u: set runtime_directory to a "
		    "shorter path", directory, leaf, n, BUS_PATH_MAX);
	if (n + sizeof(BUS_SCHEME) > size)
		return err_set(err, "bus address of %zu bytes does not fit",
		    n);
	(void)snprintf(buf, size, BUS_SCHEME "%s/%s", directory, leaf);
	return 0;
}

int
bus_address_reader(char *buf, size_t size, const char *directory,
    const char *name, uint64_t incarnation, struct err *err)
{
	char leaf[BUS_PATH_MAX + 1];
	int n;

	n = snprintf(leaf, sizeof(leaf), "%s.%" PRIu64 ".sub", name,
	    incarnation);
	if (n < 0 || (size_t)n >= sizeof(leaf))
		return err_set(err, "subscriber name %s is too long", name);
	for (char *c = leaf; *c != '\0'; c++) {
		if (*c == '/')
			*c = '-';
	}
	return bus_address(buf, size, directory, leaf, err);
}

/* What the kernel lets a socket buffer be: more absorbs a longer stall of a
 * reader before its tail must come from the file. */
static int
read_sndbuf(void)
{
	char text[32];
	ssize_t n;
	char *end;
	long v;
	int fd;

	fd = open("/proc/sys/net/core/wmem_max", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return BUS_SNDBUF_DEFAULT;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return BUS_SNDBUF_DEFAULT;
	text[n] = '\0';
	errno = 0;
	v = strtol(text, &end, 10);
	if (errno != 0 || end == text || v <= 0 || v > INT_MAX / 2)
		return BUS_SNDBUF_DEFAULT;
	return (int)v;
}

static int
bus_sndbuf(void)
{
	static int known;   /* 0: not yet */
	int n = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (n == 0) {
		n = read_sndbuf();
		__atomic_store_n(&known, n, __ATOMIC_RELAXED);
	}
	return n;
}

void
bus_read_limits(void)
{
	(void)bus_sndbuf();
}

static int
set_option(int s, int level, int option, int value, const char *name,
    struct err *err)
{
	if (nn_setsockopt(s, level, option, &value, sizeof(value)) < 0)
		return err_errno(err, nn_errno(), "bus: option %s", name);
	return 0;
}

static int
set_options(int s, enum bus_kind kind, struct err *err)
{
	if (set_option(s, NN_SOL_SOCKET, NN_RECONNECT_IVL, BUS_RECONNECT_MS,
	    "NN_RECONNECT_IVL", err) < 0 ||
	    set_option(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, -1, "NN_RCVMAXSIZE",
	    err) < 0 ||
	    set_option(s, NN_SOL_SOCKET, NN_SNDBUF, bus_sndbuf(),
	    "NN_SNDBUF", err) < 0)
		return -1;
	/* Everything is received; filtering is the owner's. */
	if (kind == BUS_SUB &&
	    nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "", 0) < 0)
		return err_errno(err, nn_errno(), "bus: subscribe");
	return 0;
}

int
bus_open(enum bus_kind kind, struct err *err)
{
	static const struct {
		int	domain;
		int	protocol;
	} kinds[] = {
		[BUS_REQ] = { AF_SP_RAW, NN_REQ },
		[BUS_REP] = { AF_SP_RAW, NN_REP },
		[BUS_PUB] = { AF_SP, NN_PUB },
		[BUS_SUB] = { AF_SP, NN_SUB },
	};
	int s;

	s = nn_socket(kinds[kind].domain, kinds[kind].protocol);
	if (s < 0)
		return err_errno(err, nn_errno(), "bus: socket");
	if (set_options(s, kind, err) < 0) {
		(void)nn_close(s);
		return -1;
	}
	return s;
}

int
bus_bind(int s, const char *address, struct err *err)
{
	mode_t before;
	int rc;

	/* nanomsg has no option for the mode: nobody else may connect. */
	before = umask(0077);
	rc = nn_bind(s, address);
	(void)umask(before);
	if (rc < 0)
		return err_errno(err, nn_errno(), "bus: bind %s", address);
	return 0;
}

int
bus_connect(int s, const char *address, struct err *err)
{
	int endpoint = nn_connect(s, address);

	if (endpoint < 0)
		return err_errno(err, nn_errno(), "bus: connect %s", address);
	return endpoint;
}

void
bus_disconnect(int s, int endpoint)
{
	(void)nn_shutdown(s, endpoint);
}

void
bus_close(int s)
{
	if (s >= 0)
		(void)nn_close(s);
}

uint64_t
bus_connections(int s)
{
	return nn_get_statistic(s, NN_STAT_ESTABLISHED_CONNECTIONS);
}

struct event *
bus_event(struct event_base *base, int s, event_callback_fn cb, void *arg)
{
	size_t n = sizeof(int);
	int fd;

	if (nn_getsockopt(s, NN_SOL_SOCKET, NN_RCVFD, &fd, &n) < 0)
		return NULL;
	return event_new(base, fd, EV_READ | EV_PERSIST, cb, arg);
}

int
bus_receive(int s, struct bus_message *ret, struct err *err)
{
	void *bytes = NULL, *control = NULL;
	struct nn_iovec iov = { .iov_base = &bytes, .iov_len = NN_MSG };
	struct nn_msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = NN_MSG,
	};
	int n;

	n = nn_recvmsg(s, &hdr, NN_DONTWAIT);
	if (n < 0) {
		if (nn_errno() == EAGAIN || nn_errno() == EINTR)
			return 0;
		return err_errno(err, nn_errno(), "bus: receive");
	}
	*ret = (struct bus_message){ bytes, (size_t)n, control };
	return 1;
}

void
bus_message_free(struct bus_message *m)
{
	if (m->bytes != NULL)
		(void)nn_freemsg(m->bytes);
	if (m->control != NULL)
		(void)nn_freemsg(m->control);
	*m = (struct bus_message){ NULL, 0, NULL };
}

int
bus_send(int s, const void *p, size_t n, struct err *err)
{
	if (nn_send(s, p, n, NN_DONTWAIT) < 0)
		return err_errno(err, nn_errno(), "bus: send");
	return 0;
}

/* One message with its header; nanomsg's iovec is not const, it reads only. */
static int
send_with(int s, void *control, size_t control_len, const void *p, size_t n)
{
	struct nn_iovec iov = { .iov_len = n };
	struct nn_msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = control_len };

	memcpy(&iov.iov_base, &p, sizeof(p));
	return nn_sendmsg(s, &hdr, NN_DONTWAIT);
}

int
bus_reply(int s, struct bus_message *request, const void *p, size_t n,
    struct err *err)
{
	int rc = send_with(s, &request->control, NN_MSG, p, n);

	/* It took the return path, also when it failed. */
	request->control = NULL;
	bus_message_free(request);
	if (rc < 0)
		return err_errno(err, nn_errno(), "bus: reply");
	return 0;
}

/* --- numbers: nanomsg's header of a request, in a control message --------- */

struct number_header {
	size_t		size;
	unsigned char	number[4];   /* big-endian, the highest bit set */
};

#define NUMBER_BYTES (sizeof(size_t) + 4)

int
bus_ask(int s, uint32_t number, const void *p, size_t n, struct err *err)
{
	union {
		struct nn_cmsghdr	head;
		unsigned char		room[NN_CMSG_SPACE(NUMBER_BYTES)];
	} control = { .room = { 0 } };
	struct number_header h = { .size = sizeof(h.number) };
	uint32_t wire = htobe32(number | ~BUS_NUMBER_MAX);

	/* Else it is copied whole, only to hear that nobody takes it; which of
	 * a small one is less than to ask. */
	if (n > BUS_ASK_SMALL && nn_poll(&(struct nn_pollfd){ .fd = s,
	    .events = NN_POLLOUT }, 1, 0) == 0)
		return err_errno(err, EAGAIN, "bus: ask");
	memcpy(h.number, &wire, sizeof(wire));
	control.head.cmsg_len = NN_CMSG_LEN(NUMBER_BYTES);
	control.head.cmsg_level = PROTO_SP;
	control.head.cmsg_type = SP_HDR;
	memcpy(NN_CMSG_DATA(&control.head), &h, NUMBER_BYTES);
	if (send_with(s, &control, sizeof(control), p, n) < 0)
		return err_errno(err, nn_errno(), "bus: ask");
	return 0;
}

int
bus_answer_number(const struct bus_message *answer, uint32_t *ret)
{
	struct nn_cmsghdr head;
	struct number_header h;
	uint32_t wire;

	if (answer->control == NULL)
		return -1;
	memcpy(&head, answer->control, sizeof(head));
	if (head.cmsg_level != PROTO_SP || head.cmsg_type != SP_HDR ||
	    head.cmsg_len < NN_CMSG_LEN(NUMBER_BYTES))
		return -1;
	memcpy(&h, (const unsigned char *)answer->control +
	    NN_CMSG_LEN(0), NUMBER_BYTES);
	if (h.size != sizeof(h.number))
		return -1;
	memcpy(&wire, h.number, sizeof(wire));
	*ret = be32toh(wire) & BUS_NUMBER_MAX;
	return 0;
}
