/* Whole messages and file descriptors over a pair, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/channel.h"

struct seen {
	struct event_base	*base;
	enum msg_type		 types[600];
	size_t			 n;
	size_t			 bytes;       /* of the last payload */
	uint8_t			 sum;         /* of its bytes */
	int			 fd;          /* of the last message */
	int			 code;        /* of the last error */
	bool			 lost;
	bool			 free_it;     /* in the callback */
};

static void
seen_cb(struct channel *c, enum msg_type type, const void *payload, size_t n,
    int fd, const struct err *err, void *arg)
{
	struct seen *s = arg;

	if (s->n < 600)
		s->types[s->n] = type;
	s->n++;
	s->bytes = n;
	s->sum = 0;
	for (size_t i = 0; i < n; i++)
		s->sum = (uint8_t)(s->sum + ((const uint8_t *)payload)[i]);
	if (fd != -1) {
		if (s->fd != -1)
			(void)close(s->fd);
		s->fd = fd;
	}
	if (type == MSG_TYPE_MAX) {
		s->code = err->code;
		s->lost = err->code != EBADMSG;
	}
	if (s->free_it)
		channel_free(c);
}

static void
turn(struct seen *s, int times)
{
	for (int i = 0; i < times; i++)
		(void)event_base_loop(s->base, EVLOOP_NONBLOCK);
}

/* Supervisor's and child's end, both here. */
struct pair {
	struct seen	 a, b;
	struct channel	*supervisor, *child;
	int		 raw;    /* the child's socket */
};

static void
open_pair(struct pair *p)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(channel_pair(fds, NULL), 0);
	p->a.fd = p->b.fd = -1;
	p->a.base = p->b.base = event_base_new();
	p->raw = fds[1];
	p->supervisor = channel_new(p->a.base, fds[0], MSG_FROM_CHILD,
	    seen_cb, &p->a);
	p->child = channel_new(p->a.base, fds[1], MSG_FROM_SUPERVISOR,
	    seen_cb, &p->b);
}

static void
close_pair(struct pair *p)
{
	if (p->a.fd != -1)
		(void)close(p->a.fd);
	if (p->b.fd != -1)
		(void)close(p->b.fd);
	channel_free(p->supervisor);
	channel_free(p->child);
	event_base_free(p->a.base);
}

static void
test_messages_arrive_whole_and_in_order(void **unused UNUSED)
{
	uint8_t *large = calloc(1, MSG_PAYLOAD_MAX);
	struct pair p;

	open_pair(&p);
	memset(large, 3, MSG_PAYLOAD_MAX);
	assert_int_equal(channel_send(p.supervisor, MSG_PING, NULL, 0, -1,
	    NULL), 0);
	assert_int_equal(channel_send(p.supervisor, MSG_PEER_UP, large,
	    MSG_PAYLOAD_MAX, -1, NULL), 0);
	turn(&p.b, 4);
	assert_int_equal(p.b.n, 2);
	assert_int_equal(p.b.types[0], MSG_PING);
	assert_int_equal(p.b.types[1], MSG_PEER_UP);
	assert_int_equal(p.b.bytes, MSG_PAYLOAD_MAX);
	assert_int_equal(p.b.sum, (uint8_t)(3 * MSG_PAYLOAD_MAX));
	free(large);
	close_pair(&p);
}

static void
test_a_descriptor_comes_with_its_message_and_the_sender_keeps_its_own(
    void **unused UNUSED)
{
	struct pair p;
	char text[4] = "";
	int fd = memfd_create("test", MFD_CLOEXEC);

	open_pair(&p);
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(channel_send(p.supervisor, MSG_CONFIG, NULL, 0, fd,
	    NULL), 0);
	turn(&p.b, 2);
	assert_int_equal(p.b.types[0], MSG_CONFIG);
	assert_int_not_equal(p.b.fd, -1);
	assert_int_not_equal(p.b.fd, fd);
	assert_int_equal(fcntl(p.b.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(pread(p.b.fd, text, 3, 0), 3);
	assert_string_equal(text, "abc");
	assert_int_equal(close(fd), 0);
	close_pair(&p);
}

static void
test_what_the_kernel_does_not_take_waits_and_the_queue_has_an_end(
    void **unused UNUSED)
{
	uint8_t *large = calloc(1, MSG_PAYLOAD_MAX);
	struct pair p;
	struct err err;
	size_t sent = 0;
	int fd = memfd_create("test", MFD_CLOEXEC);

	open_pair(&p);
	while (channel_send(p.supervisor, MSG_SEGMENT, large,
	    MSG_PAYLOAD_MAX, fd, &err) == 0)
		sent++;
	assert_true(sent > CHANNEL_QUEUE_MAX);
	assert_non_null(strstr(err.text, "does not read"));
	turn(&p.b, 600);
	assert_int_equal(p.b.n, sent);
	assert_int_equal(channel_send(p.supervisor, MSG_PING, NULL, 0, -1,
	    &err), 0);
	(void)close(fd);
	free(large);
	close_pair(&p);
}

static void
test_what_may_not_be_said_is_refused_and_the_channel_goes_on(void **u UNUSED)
{
	static const struct {
		uint8_t	bytes[10];
		size_t	n;
	} bad[] = {
		{ { 1, 0 }, 2 },                                /* short */
		{ { 9, 0, MSG_PONG, 0, 0, 0, 0, 0 }, 8 },       /* version */
		{ { 1, 0, 99, 0, 0, 0, 0, 0 }, 8 },             /* type */
		{ { 1, 0, MSG_PONG, 0, 1, 0, 0, 0 }, 8 },       /* length */
		{ { 1, 0, MSG_READY, 0, 0, 0, 0, 0, 7 }, 9 },   /* length */
		{ { 1, 0, MSG_STOP, 0, 0, 0, 0, 0 }, 8 },       /* sender */
		{ { 1, 0, MSG_SEGMENT, 0, 0, 0, 0, 0 }, 8 },    /* no fd */
	};
	struct pair p;

	open_pair(&p);
	for (size_t i = 0; i < NELEM(bad); i++) {
		assert_int_equal(send(p.raw, bad[i].bytes, bad[i].n, 0),
		    bad[i].n);
		turn(&p.a, 2);
		assert_int_equal(p.a.n, i + 1);
		assert_int_equal(p.a.types[i], MSG_TYPE_MAX);
		assert_int_equal(p.a.code, EBADMSG);
	}
	assert_int_equal(channel_send(p.child, MSG_READY, NULL, 0, -1, NULL),
	    0);
	turn(&p.a, 2);
	assert_int_equal(p.a.types[NELEM(bad)], MSG_READY);
	close_pair(&p);
}

static void
test_an_unwanted_descriptor_is_closed(void **unused UNUSED)
{
	union {
		char		buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr	align;
	} control = { { 0 } };
	uint8_t ready[] = { 1, 0, MSG_READY, 0, 0, 0, 0, 0 };
	struct iovec iov = { ready, sizeof(ready) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int fd = memfd_create("test", MFD_CLOEXEC), probe, after;
	struct pair p;

	open_pair(&p);
	probe = dup(fd);
	(void)close(probe);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	assert_int_equal(sendmsg(p.raw, &mh, 0), sizeof(ready));
	turn(&p.a, 2);
	assert_int_equal(p.a.code, EBADMSG);
	after = dup(fd);
	assert_int_equal(after, probe);   /* nothing new is open */
	(void)close(after);
	(void)close(fd);
	close_pair(&p);
}

static void
test_a_lost_peer_is_told_once_through_the_same_callback(void **u UNUSED)
{
	struct pair p;
	struct err err;

	open_pair(&p);
	channel_free(p.child);
	p.child = NULL;
	turn(&p.a, 4);
	assert_int_equal(p.a.n, 1);
	assert_true(p.a.lost);
	assert_int_equal(channel_send(p.supervisor, MSG_PING, NULL, 0, -1,
	    &err), -1);
	assert_int_equal(err.code, EPIPE);
	close_pair(&p);
}

static void
test_the_callback_may_free_the_channel(void **unused UNUSED)
{
	struct pair p;

	open_pair(&p);
	p.b.free_it = true;
	assert_int_equal(channel_send(p.supervisor, MSG_PING, NULL, 0, -1,
	    NULL), 0);
	assert_int_equal(channel_send(p.supervisor, MSG_PING, NULL, 0, -1,
	    NULL), 0);
	turn(&p.b, 3);
	assert_int_equal(p.b.n, 1);
	p.child = NULL;
	close_pair(&p);
}

static void
test_the_last_words_of_a_peer_are_there_before_the_loop_turns(void **u UNUSED)
{
	struct pair p;

	open_pair(&p);
	for (int i = 0; i < 40; i++)
		assert_int_equal(channel_send(p.child, MSG_READY, NULL, 0, -1,
		    NULL), 0);
	channel_free(p.child);
	p.child = NULL;
	channel_drain(p.supervisor);
	assert_int_equal(p.a.n, 41);
	assert_int_equal(p.a.types[39], MSG_READY);
	assert_true(p.a.lost);
	close_pair(&p);
}

static void
test_the_last_words_of_a_peer_that_read_nothing_arrive_too(void **u UNUSED)
{
	struct pair p;

	open_pair(&p);
	assert_int_equal(channel_send(p.supervisor, MSG_PING, NULL, 0, -1,
	    NULL), 0);
	assert_int_equal(channel_send(p.child, MSG_READY, NULL, 0, -1, NULL),
	    0);
	channel_free(p.child);
	p.child = NULL;
	turn(&p.a, 4);
	assert_int_equal(p.a.n, 2);
	assert_int_equal(p.a.types[0], MSG_READY);
	assert_true(p.a.lost);
	close_pair(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_arrive_whole_and_in_order),
		cmocka_unit_test(
	test_a_descriptor_comes_with_its_message_and_the_sender_keeps_its_own),
		cmocka_unit_test(
	    test_what_the_kernel_does_not_take_waits_and_the_queue_has_an_end),
		cmocka_unit_test(
	    test_what_may_not_be_said_is_refused_and_the_channel_goes_on),
		cmocka_unit_test(test_an_unwanted_descriptor_is_closed),
		cmocka_unit_test(
		    test_a_lost_peer_is_told_once_through_the_same_callback),
		cmocka_unit_test(test_the_callback_may_free_the_channel),
		cmocka_unit_test(
	    test_the_last_words_of_a_peer_are_there_before_the_loop_turns),
		cmocka_unit_test(
		    test_the_last_words_of_a_peer_that_read_nothing_arrive_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
