/*
 * connection and conn_table: who is heard and written to when many are there.
 * The sockets are real; what requests and streams mean is made up here.
 */
#include "gateway/connection.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/access.h"
#include "gateway/conn_poll.h"
#include "gateway/conn_private.h"
#include "gateway/conn_read.h"
#include "gateway/replay.h"
#include "gateway/stream_log.h"

#define CROWD (4u * CONN_POLL_TURN)   /* more than three turns hear */

static struct role role;
static struct gateway gateway;
static int listener;
static struct sockaddr_un address;
static socklen_t address_size;
static int clients[CROWD];
static unsigned int heard[CROWD];     /* by id */
static unsigned int turns_asked_for;
static int64_t now_ms;

/* --- what connection calls ------------------------------------------------ */

int64_t
gateway_now_ms(void)
{
	return now_ms;
}

void
conn_read(struct conn *c)
{
	heard[c->id]++;
}

void
conn_read_discard(struct conn *c)
{
	heard[c->id]++;
}

void
replay_add(struct replay *r UNUSED, struct conn *c UNUSED)
{
	turns_asked_for++;
}

void
access_forget(struct conn *c UNUSED)
{
}

void
stream_log_ended(struct conn *c UNUSED, enum metrics_close cause UNUSED)
{
}

void
stream_release(struct conn *c UNUSED)
{
}

void
stream_tick(struct conn *c UNUSED, int64_t now UNUSED)
{
}

/* --- clients -------------------------------------------------------------- */

static void
turn(void)
{
	assert_int_not_equal(event_base_loop(role.base,
	    EVLOOP_ONCE | EVLOOP_NONBLOCK), -1);
}

static struct conn *
conn_at(uint32_t id)
{
	return connections_get(gateway.connections, id);
}

/* Ids are given in the order in which they come. */
static void
come(uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
		assert_int_equal(connect(clients[i],
		    (struct sockaddr *)(void *)&address, address_size), 0);
		while (connections_count(gateway.connections) <= i)
			turn();
	}
}

static void
say(uint32_t id)
{
	assert_int_equal(write(clients[id], "x", 1), 1);
}

static int
setup(void **state UNUSED)
{
	struct err err;

	role = (struct role){ .incarnation = 1,
	    .base = event_base_new() };
	gateway = (struct gateway){ .magic = GATEWAY_MAGIC, .role = &role };
	memset(heard, 0, sizeof(heard));
	memset(clients, -1, sizeof(clients));
	turns_asked_for = 0;
	now_ms = 1000;
	gateway.connections = connections_new(&gateway, &err);
	if (gateway.connections == NULL)
		return -1;
	/* Named by the kernel, in no directory. */
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	address_size = sizeof(address);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)(void *)&address,
	    sizeof(sa_family_t)) == -1 || listen(listener, 16) == -1 ||
	    getsockname(listener, (struct sockaddr *)(void *)&address,
	    &address_size) == -1)
		return -1;
	connections_listen(gateway.connections, 0, listener);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	connections_free(gateway.connections);
	event_base_free(role.base);
	for (uint32_t i = 0; i < CROWD; i++)
		if (clients[i] != -1)
			(void)close(clients[i]);
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static void
test_who_had_an_answer_is_heard_beside_a_crowd_that_is_new(void **state UNUSED)
{
	struct conn *regular;
	unsigned int others = 0;

	come(0, CROWD);
	regular = conn_at(0);
	conn_set_state(regular, CONN_WAITING);
	regular->keep_alive = true;
	conn_answered(regular);
	for (uint32_t i = 1; i < CROWD; i++)
		say(i);
	say(0);
	turn();
	for (uint32_t i = 1; i < CROWD; i++)
		others += heard[i];
	assert_in_range(others, 1, CONN_POLL_TURN);
	assert_int_equal(heard[0], 1);
}

static void
test_a_stream_after_an_answer_is_one_of_the_crowd_again(void **state UNUSED)
{
	struct conn *c;

	come(0, CROWD);
	c = conn_at(0);
	conn_set_state(c, CONN_WAITING);
	c->keep_alive = true;
	conn_answered(c);
	conn_begin_stream(c);
	for (uint32_t i = 1; i < CROWD; i++)
		say(i);
	say(0);
	for (unsigned int i = 0; i < CROWD / CONN_POLL_TURN - 1; i++)
		turn();
	assert_int_equal(heard[0], 0);
	/* A turn that had no time is no turn less for anybody. */
	for (unsigned int i = 0; i < CROWD && heard[0] == 0; i++)
		turn();
	assert_int_equal(heard[0], 1);
}

/* Until the socket takes no more. */
static void
fill(struct conn *c)
{
	static char bytes[1 << 20];
	struct iovec iov = { bytes, sizeof(bytes) };
	size_t taken;

	while (conn_writev(c, &iov, 1, sizeof(bytes), &taken) == 1)
		;
	assert_true(c->want_write);
}

static void
drain(uint32_t id)
{
	static char bytes[1 << 16];

	while (read(clients[id], bytes, sizeof(bytes)) > 0)
		;
}

static void
test_a_stream_that_was_full_waits_for_its_turn_and_is_asked_once(void **state
    UNUSED)
{
	struct conn *c;
	uint64_t before;

	come(0, 1);
	c = conn_at(0);
	conn_begin_stream(c);
	fill(c);
	turn();
	assert_int_equal(turns_asked_for, 0);
	drain(0);
	before = c->bytes;
	turn();
	turn();
	assert_int_equal(turns_asked_for, 1);
	assert_int_equal(c->bytes, before);
	assert_false(c->want_write);
}

static void
test_a_stall_goes_on_until_something_is_taken(void **state UNUSED)
{
	struct conn *c;

	come(0, 1);
	c = conn_at(0);
	conn_begin_stream(c);
	fill(c);
	assert_int_equal(c->blocked_ms, 1000);
	/* Called writable, it takes nothing: in its turn, and when its time
	 * has come. */
	for (now_ms = 2000; now_ms <= 5000; now_ms += 1000) {
		conn_polled(c, CONN_POLL_WRITE);
		assert_false(c->want_write);
		fill(c);
		assert_int_equal(c->blocked_ms, 1000);
		assert_int_equal(c->progress_ms, 1000);
	}
	/* A part that is taken is the begin of another. */
	drain(0);
	fill(c);
	assert_int_equal(c->blocked_ms, now_ms);
}

static void
test_a_stall_begins_when_something_waits_and_not_before(void **state UNUSED)
{
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct conn *c;
	size_t taken;

	come(0, 1);
	c = conn_at(0);
	conn_begin_stream(c);
	fill(c);
	/* All is taken at the very time at which it was full. */
	drain(0);
	assert_int_equal(conn_writev(c, &iov, 1, 1, &taken), 1);
	assert_int_equal(c->blocked_ms, 0);
	/* Filled to the last byte while nothing waits. */
	while (write(c->fd, &byte, 1) == 1)
		;
	now_ms = 60000;
	fill(c);
	assert_int_equal(c->progress_ms, 1000);
	assert_int_equal(c->blocked_ms, 60000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_who_had_an_answer_is_heard_beside_a_crowd_that_is_new,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_stream_after_an_answer_is_one_of_the_crowd_again,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
	    test_a_stream_that_was_full_waits_for_its_turn_and_is_asked_once,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_stall_goes_on_until_something_is_taken,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_stall_begins_when_something_waits_and_not_before,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
