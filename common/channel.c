#include "common/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xmalloc.h"

#define CHANNEL_MAGIC    0x4c4e4843u   /* "CHNL" */
#define HEADER_SIZE      8u
#define MESSAGE_MAX      (HEADER_SIZE + MSG_PAYLOAD_MAX)
/* Messages taken in one loop turn: a chatty peer does not starve others. */
#define RECEIVE_TURN_MAX 32

struct pending {
	uint8_t	*bytes;
	size_t	 n;
	int	 fd;    /* -1, or a duplicate of our own */
};

struct channel {
	uint32_t		 magic;
	int			 fd;
	enum msg_sender		 receive_from;
	channel_cb		 cb;
	void			*arg;
	struct event		*readable;
	struct event		*writable;
	struct pending		 queue[CHANNEL_QUEUE_MAX];
	size_t			 first;
	size_t			 count;
	bool			 receiving;  /* a callback is under way */
	bool			 freed;      /* by it: memory goes afterwards */
};

int
channel_pair(int ret_fds[2], struct err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, fds) != 0)
		return err_errno(err, errno, "socketpair");
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

/* --- receiving ----------------------------------------------------------- */

static void
lost(struct channel *c, struct err *err)
{
	(void)event_del(c->readable);
	(void)event_del(c->writable);
	c->cb(c, MSG_TYPE_MAX, NULL, 0, -1, err, c->arg);
}

/* Takes the first descriptor, closes any other a liar may have added. */
static int
take_fd(struct msghdr *mh)
{
	int fd = -1, fds[8];

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm != NULL;
	    cm = CMSG_NXTHDR(mh, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET ||
		    cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = MIN((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int),
		    NELEM(fds));
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			if (fd == -1)
				fd = fds[i];
			else
				(void)close(fds[i]);
		}
	}
	return fd;
}

static int
check(const struct channel *c, struct rd *r, int fd, enum msg_type *ret_type,
    struct err *err)
{
	uint16_t version = rd_u16(r), type = rd_u16(r);
	uint32_t length = rd_u32(r);

	if (r->failed)
		return err_set(err, "message shorter than its header");
	if (version != MSG_VERSION)
		return err_set(err, "message of protocol version %u, ours is "
		    "%u: install one version of all binaries", version,
		    MSG_VERSION);
	if (type >= MSG_TYPE_MAX)
		return err_set(err, "message of unknown type %u", type);
	if (length != r->left)
		return err_set(err, "%s: length says %u, %zu bytes came",
		    msg_name((enum msg_type)type), length, r->left);
	if ((msg_sender((enum msg_type)type) & c->receive_from) == 0)
		return err_set(err, "%s: not for this side",
		    msg_name((enum msg_type)type));
	if (msg_has_fd((enum msg_type)type) != (fd != -1))
		return err_set(err, "%s: %s file descriptor",
		    msg_name((enum msg_type)type),
		    fd != -1 ? "unexpected" : "missing");
	*ret_type = (enum msg_type)type;
	return 0;
}

/* One message; false when there is none, or the channel is no more. */
static bool
receive(struct channel *c)
{
	union {
		char		buf[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr	align;
	} control;
	uint8_t bytes[MESSAGE_MAX];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	enum msg_type type;
	struct err err;
	struct rd r;
	ssize_t n;
	int fd;

	n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	/* Told once, and before what the peer has sent, where it went without
	 * reading all of ours: its last words come after it. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		if (n == 0)
			(void)err_set(&err, "closed by the other side");
		else
			(void)err_errno(&err, errno, "recvmsg");
		lost(c, &err);
		return false;
	}
	fd = take_fd(&mh);
	r = rd_init(bytes, (size_t)n);
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		(void)err_set(&err, "message cut: larger than %u bytes, or no "
		    "file descriptor was free", MESSAGE_MAX);
	else if (check(c, &r, fd, &type, &err) == 0) {
		c->cb(c, type, r.p, r.left, fd, NULL, c->arg);
		return !c->freed;
	}
	if (fd != -1)
		(void)close(fd);
	err.code = EBADMSG;
	c->cb(c, MSG_TYPE_MAX, NULL, 0, -1, &err, c->arg);
	return !c->freed;
}

static void
receive_several(struct channel *c, size_t max)
{
	assert(!c->receiving);
	c->receiving = true;
	for (size_t i = 0; i < max; i++)
		if (!receive(c))
			break;
	c->receiving = false;
	if (c->freed)
		free(c);
}

static void
channel_read_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct channel *c = arg;

	assert(c->magic == CHANNEL_MAGIC);
	receive_several(c, RECEIVE_TURN_MAX);
}

void
channel_drain(struct channel *c)
{
	assert(c->magic == CHANNEL_MAGIC);
	receive_several(c, CHANNEL_QUEUE_MAX);
}

/* --- sending ------------------------------------------------------------- */

/* 1: sent, 0: the kernel has no room now, -1: error. */
static int
transmit(struct channel *c, const uint8_t *bytes, size_t n, int fd,
    struct err *err)
{
	union {
		char		buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr	align;
	} control;
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	memset(&control, 0, sizeof(control));
	memcpy(&iov.iov_base, &bytes, sizeof(bytes));
	iov.iov_len = n;
	if (fd != -1) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	if (sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 1;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return 0;
	return err_errno(err, errno, "sendmsg");
}

static void
pending_clear(struct pending *p)
{
	free(p->bytes);
	if (p->fd != -1)
		(void)close(p->fd);
}

static void
channel_write_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct channel *c = arg;

	assert(c->magic == CHANNEL_MAGIC);
	while (c->count != 0) {
		struct pending *p = &c->queue[c->first];

		/* An error is seen, and told, by the reading side. */
		if (transmit(c, p->bytes, p->n, p->fd, NULL) == 0)
			return;
		pending_clear(p);
		c->first = (c->first + 1) % CHANNEL_QUEUE_MAX;
		c->count--;
	}
	(void)event_del(c->writable);
}

static int
enqueue(struct channel *c, const struct buf *b, int fd, struct err *err)
{
	struct pending *p;
	int own = -1;

	if (c->count == CHANNEL_QUEUE_MAX)
		return err_set(err, "%u messages wait: the other side does not "
		    "read", CHANNEL_QUEUE_MAX);
	if (fd != -1) {
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (own == -1)
			return err_errno(err, errno, "dup");
	}
	p = &c->queue[(c->first + c->count) % CHANNEL_QUEUE_MAX];
	*p = (struct pending){ xmemdup(b->data, b->len), b->len, own };
	c->count++;
	(void)event_add(c->writable, NULL);
	return 0;
}

int
channel_send(struct channel *c, enum msg_type type, const void *payload,
    size_t n, int fd, struct err *err)
{
	struct buf b = BUF_EMPTY;
	int sent = 0;

	assert(c->magic == CHANNEL_MAGIC && n <= MSG_PAYLOAD_MAX);
	assert(msg_has_fd(type) == (fd != -1));
	buf_u16(&b, MSG_VERSION);
	buf_u16(&b, (uint16_t)type);
	buf_u32(&b, (uint32_t)n);
	buf_add(&b, payload, n);
	if (c->count == 0)
		sent = transmit(c, b.data, b.len, fd, err);
	if (sent == 0)
		sent = enqueue(c, &b, fd, err);
	buf_free(&b);
	if (sent < 0)
		return err_prefix(err, "sending %s", msg_name(type));
	return 0;
}

size_t
channel_waiting(const struct channel *c)
{
	return c->count;
}

/* --- life ---------------------------------------------------------------- */

struct channel *
channel_new(struct event_base *base, int fd, enum msg_sender receive_from,
    channel_cb cb, void *arg)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	c->magic = CHANNEL_MAGIC;
	c->fd = fd;
	c->receive_from = receive_from;
	c->cb = cb;
	c->arg = arg;
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST,
	    channel_read_cb, c);
	c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST,
	    channel_write_cb, c);
	if (c->readable == NULL || c->writable == NULL)
		abort();
	(void)event_add(c->readable, NULL);
	return c;
}

void
channel_free(struct channel *c)
{
	if (c == NULL)
		return;
	assert(c->magic == CHANNEL_MAGIC);
	for (; c->count != 0; c->count--) {
		pending_clear(&c->queue[c->first]);
		c->first = (c->first + 1) % CHANNEL_QUEUE_MAX;
	}
	event_free(c->readable);
	event_free(c->writable);
	(void)close(c->fd);
	c->magic = 0;
	c->freed = true;
	if (!c->receiving)
		free(c);
}
