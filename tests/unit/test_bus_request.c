/* A question is asked until it is answered, and only its own answer counts. */
#include <ftw.h>
#include <nanomsg/nn.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bus_request.h"
#include "common/macros.h"

#define WAIT_MS 10000
#define LONG    40000   /* no answer that nanomsg keeps without a chunk */

static char directory[32];
static char address[BUS_ADDRESS_SIZE];
static char text[LONG];
static struct bus_request asking;
static struct err err;

static int
remove_one(const char *path, const struct stat *st UNUSED, int flag UNUSED,
    struct FTW *ftw UNUSED)
{
	return remove(path);
}

static int
setup(void **state UNUSED)
{
	(void)snprintf(directory, sizeof(directory), "/tmp/sl-XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	memset(text, 'a', sizeof(text));
	return bus_address(address, sizeof(address), directory, "other.rep",
	    &err) == 0 ? bus_request_open(&asking, directory, "other.rep",
	    &err) : -1;
}

static int
teardown(void **state UNUSED)
{
	bus_request_close(&asking);
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Who answers. */
static int
other(void)
{
	int s = bus_open(BUS_REP, &err);

	assert_true(s >= 0);
	assert_int_equal(bus_bind(s, address, &err), 0);
	return s;
}

static void
await_connection(void)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (bus_connections(asking.socket) == 0) {
		assert_true(mono_before(mono_now(), end));
		poll(NULL, 0, 2);
	}
}

static void
put(const char *question)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (bus_request_put(&asking, question, strlen(question), &err) < 0) {
		assert_true(mono_before(mono_now(), end));
		poll(NULL, 0, BUS_REQUEST_RETRY_MS);
	}
}

/* The next one that `s` is asked. */
static struct bus_message
asked(int s, const char *question)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	struct bus_message m;

	while (bus_receive(s, &m, &err) != 1) {
		assert_true(mono_before(mono_now(), end));
		poll(NULL, 0, 2);
	}
	assert_int_equal(m.n, strlen(question));
	assert_memory_equal(m.bytes, question, m.n);
	return m;
}

static void
answer(int s, struct bus_message *m, char first)
{
	text[0] = first;
	assert_int_equal(bus_reply(s, m, text, sizeof(text), &err), 0);
}

/* The first letter of the next answer that counts; 0: none within `ms`. */
static char
answered(int64_t ms)
{
	struct mono end = mono_add_ms(mono_now(), ms);
	struct bus_message m;
	char first;

	while (bus_request_answer(&asking, &m, &err) != 1) {
		if (!mono_before(mono_now(), end))
			return 0;
		poll(NULL, 0, 2);
	}
	assert_int_equal(m.n, sizeof(text));
	first = *(const char *)m.bytes;
	bus_message_free(&m);
	return first;
}

static void
test_a_question_is_due_until_it_was_sent_and_for_every_new_other(
    void **state UNUSED)
{
	struct bus_message m;
	struct mono end;
	int s;

	bus_request_begin(&asking);
	assert_true(bus_request_due(&asking, mono_now()));
	assert_int_equal(bus_request_put(&asking, "q", 1, &err), -1);
	assert_true(bus_request_due(&asking, mono_now()));
	s = other();
	await_connection();
	put("q");
	assert_false(bus_request_due(&asking, asking.sent_at));
	assert_true(bus_request_due(&asking,
	    mono_add_ms(asking.sent_at, BUS_REQUEST_RESEND_MS)));

	/* It dies with the question; the next one is asked at once. */
	bus_close(s);
	s = other();
	end = mono_add_ms(mono_now(), WAIT_MS);
	while (!bus_request_due(&asking, asking.sent_at)) {
		assert_true(mono_before(mono_now(), end));
		poll(NULL, 0, 2);
	}
	put("q");
	m = asked(s, "q");
	answer(s, &m, 'n');
	assert_int_equal(answered(WAIT_MS), 'n');
	bus_close(s);
}

static void
test_both_answers_to_a_question_sent_twice_are_whole(void **state UNUSED)
{
	struct bus_message one, two;
	int s = other();

	bus_request_begin(&asking);
	put("q");
	put("q");
	one = asked(s, "q");
	two = asked(s, "q");
	answer(s, &one, '1');
	answer(s, &two, '2');
	assert_int_equal(answered(WAIT_MS), '1');
	assert_int_equal(answered(WAIT_MS), '2');
	bus_close(s);
}

static void
test_an_answer_to_an_earlier_question_is_nobodys(void **state UNUSED)
{
	struct bus_message first, second;
	int s = other();

	bus_request_begin(&asking);
	put("first");
	first = asked(s, "first");
	bus_request_begin(&asking);
	put("second");
	second = asked(s, "second");
	answer(s, &first, '1');
	answer(s, &second, '2');
	assert_int_equal(answered(WAIT_MS), '2');
	assert_int_equal(answered(50), 0);
	bus_close(s);
}

/* nanomsg's own REQ ended the process here, by an assertion at the close. */
static void
test_a_close_after_a_late_answer_is_a_close(void **state UNUSED)
{
	struct bus_message first, second;
	int s = other();

	bus_request_begin(&asking);
	put("q");
	put("q");
	first = asked(s, "q");
	second = asked(s, "q");
	answer(s, &first, '1');
	assert_int_equal(answered(WAIT_MS), '1');
	answer(s, &second, '2');
	/* It has come, and nobody reads it. */
	assert_int_equal(nn_poll(&(struct nn_pollfd){ .fd = asking.socket,
	    .events = NN_POLLIN }, 1, WAIT_MS), 1);
	bus_close(s);
}

/* --- who answers, byte by byte -------------------------------------------- */

static int
listener(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(s >= 0);
	memcpy(sun.sun_path, address + strlen("ipc://"),
	    strlen(address + strlen("ipc://")) + 1);
	(void)unlink(sun.sun_path);
	assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(s, 8), 0);
	return s;
}

static void
read_all(int fd, void *p, size_t n)
{
	assert_int_equal(recv(fd, p, n, MSG_WAITALL), (ssize_t)n);
}

/* Puts the question over this connection; false: it was given up meanwhile. */
static bool
put_over(int fd, const char *question)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	char byte;

	while (bus_request_put(&asking, question, strlen(question), &err) < 0) {
		if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
			return false;
		assert_true(mono_before(mono_now(), end));
		poll(NULL, 0, BUS_REQUEST_RETRY_MS);
	}
	return true;
}

/* A connection with nanomsg's headers of both sides, and the question that
 * came over it: type, length, number, "q". One of which the headers take more
 * than a second nanomsg gives up, and makes another. */
static int
greeted(int s, uint8_t question[14])
{
	static const uint8_t rep[8] = { 0, 'S', 'P', 0, 0, 0x31, 0, 0 };
	uint8_t req[8];
	int fd;

	for (;;) {
		assert_int_equal(poll(&(struct pollfd){ .fd = s,
		    .events = POLLIN }, 1, WAIT_MS), 1);
		fd = accept4(s, NULL, NULL, SOCK_CLOEXEC);
		assert_true(fd >= 0);
		if (send(fd, rep, sizeof(rep), MSG_NOSIGNAL) ==
		    (ssize_t)sizeof(rep) && recv(fd, req, sizeof(req),
		    MSG_WAITALL) == (ssize_t)sizeof(req) &&
		    put_over(fd, "q"))
			break;
		(void)close(fd);
	}
	read_all(fd, question, 14);
	return fd;
}

/* Two answers come together, as from one that was woken to die; the second is
 * not looked at before the end. Its 14 bytes are no two headers. */
static void
test_what_a_dead_other_left_does_not_bar_the_next(void **state UNUSED)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	int s = listener(), fd;
	struct bus_message m;
	uint8_t q[14], both[28];
	uint64_t broken;

	bus_request_begin(&asking);
	fd = greeted(s, q);
	memcpy(both, q, 14);
	memcpy(both + 14, q, 14);
	assert_int_equal(send(fd, both, sizeof(both), MSG_NOSIGNAL),
	    (ssize_t)sizeof(both));
	assert_int_equal(nn_poll(&(struct nn_pollfd){ .fd = asking.socket,
	    .events = NN_POLLIN }, 1, WAIT_MS), 1);
	broken = nn_get_statistic(asking.socket, NN_STAT_BROKEN_CONNECTIONS);
	(void)close(fd);
	(void)close(s);
	while (nn_get_statistic(asking.socket,
	    NN_STAT_BROKEN_CONNECTIONS) == broken) {
		assert_true(mono_before(mono_now(), end));
		poll(NULL, 0, 2);
	}
	while (bus_request_answer(&asking, &m, &err) == 1)
		bus_message_free(&m);

	s = other();
	bus_request_begin(&asking);
	put("next");
	while (bus_receive(s, &m, &err) != 1) {
		assert_true(mono_before(mono_now(), end));
		if (bus_request_due(&asking, mono_now()))
			put("next");
		poll(NULL, 0, 2);
	}
	answer(s, &m, 'n');
	assert_int_equal(answered(WAIT_MS), 'n');
	bus_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_question_is_due_until_it_was_sent_and_for_every_new_other,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_both_answers_to_a_question_sent_twice_are_whole,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_an_answer_to_an_earlier_question_is_nobodys,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_close_after_a_late_answer_is_a_close,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_a_dead_other_left_does_not_bar_the_next,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
