/* conn_poll: what the kernel cannot wait for is said, and ends nothing else. */
#include "gateway/conn_poll.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/macros.h"

static uint32_t told;
static unsigned int told_what;

static void
polled_cb(uint32_t id, unsigned int what, void *arg UNUSED)
{
	told = id;
	told_what = what;
}

static void
test_a_socket_without_room_is_refused_and_the_others_are_heard(void **state
    UNUSED)
{
	struct event_base *base = event_base_new();
	struct conn_poll *p;
	struct err err;
	int pair[2], file;

	p = conn_poll_new(base, polled_cb, NULL, &err);
	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, pair), 0);
	assert_true(conn_poll_change(p, pair[0], 7, 0, CONN_POLL_READ));
	/* epoll takes no plain file: it stands for any one it refuses. */
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	assert_false(conn_poll_change(p, file, 8, 0, CONN_POLL_READ));
	assert_int_equal(errno, EPERM);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_int_equal(told, 7);
	assert_int_equal(told_what, CONN_POLL_READ);
	assert_true(conn_poll_change(p, pair[0], 7, CONN_POLL_READ, 0));
	(void)close(file);
	(void)close(pair[0]);
	(void)close(pair[1]);
	conn_poll_free(p);
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		test_a_socket_without_room_is_refused_and_the_others_are_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
