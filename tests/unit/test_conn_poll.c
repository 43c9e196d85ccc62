/* conn_poll: what the kernel cannot wait for is said, and ends nothing else;
 * and no turn of the loop is longer for how many are told again. */
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
#include "common/mono.h"

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

struct busy {
	struct conn_poll	*poll;
	int64_t			 ms;        /* that each takes */
	bool			 more;      /* asks for itself again */
	uint32_t		 told[16];
	size_t			 n;
};

static void
busy_cb(uint32_t id, unsigned int what, void *arg)
{
	struct busy *b = arg;
	struct mono end = mono_add_ms(mono_now(), b->ms);

	assert_int_equal(what, CONN_POLL_READ);
	if (b->n < NELEM(b->told))
		b->told[b->n] = id;
	b->n++;
	while (mono_before(mono_now(), end))
		;
	if (b->more && b->n < 1000)   /* fails rather than hangs */
		conn_poll_again(b->poll, id);
}

/* As every process's loop is. */
static struct event_base *
limited_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	assert_int_equal(event_config_set_max_dispatch_interval(config, NULL,
	    512, 0), 0);
	base = event_base_new_with_config(config);
	event_config_free(config);
	assert_non_null(base);
	return base;
}

static void
begin_busy(struct busy *b, struct event_base *base)
{
	struct err err;

	b->poll = conn_poll_new(base, busy_cb, b, &err);
	assert_non_null(b->poll);
}

static void
test_who_asks_again_while_it_is_told_has_the_next_turn(void **state UNUSED)
{
	struct event_base *base = limited_base();
	struct busy b = { .more = true };

	begin_busy(&b, base);
	conn_poll_again(b.poll, 3);
	for (size_t i = 1; i <= 5; i++) {
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
		assert_int_equal(b.n, i);
	}
	conn_poll_free(b.poll);
	event_base_free(base);
}

static void
test_whom_a_turn_has_no_time_for_are_told_later_in_order_and_once(void **state
    UNUSED)
{
	static const uint32_t ids[] = { 9, 1000, 0, 7, 20000 };
	struct event_base *base = limited_base();
	struct busy b = { .ms = CONN_POLL_TURN_MS };

	begin_busy(&b, base);
	for (size_t i = 0; i < 2 * NELEM(ids); i++)
		conn_poll_again(b.poll, ids[i % NELEM(ids)]);
	for (size_t i = 0; i < NELEM(ids); i++) {
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
		assert_int_equal(b.n, i + 1);
		assert_int_equal(b.told[i], ids[i]);
	}
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
	assert_int_equal(b.n, NELEM(ids));
	conn_poll_free(b.poll);
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		test_a_socket_without_room_is_refused_and_the_others_are_heard),
		cmocka_unit_test(
		test_who_asks_again_while_it_is_told_has_the_next_turn),
		cmocka_unit_test(
		test_whom_a_turn_has_no_time_for_are_told_later_in_order_and_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
