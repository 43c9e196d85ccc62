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
#include <unistd.h>

#include <cmocka.h>

#include "common/bus_request.h"
#include "common/macros.h"

#define WAIT_MS 10000
#define LONG    40000   /* no answer that nanomsg keeps without a chunk */

static char directory[32];
static char address[BUS_PATH_MAX + 8];
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
