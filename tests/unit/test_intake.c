/* Requests that wait for the journal: what is sent again is not kept twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <nanomsg/nn.h>

#include <cmocka.h>

#include "broker/intake.h"

static struct publish_request
request(enum publish_op op, uint64_t incarnation, uint64_t batch)
{
	return (struct publish_request){ .op = op,
		.publisher = slice_str("gateway/0"),
		.incarnation = incarnation, .batch = batch };
}

static struct bus_message
message(void)
{
	return (struct bus_message){ nn_allocmsg(8, 0), 8, NULL };
}

static void
add(struct intake *in, const struct publish_request *q)
{
	const struct publish_outcome nothing = { .first = { 5, 9 } };
	struct bus_message m = message();

	intake_add(in, &m, q, &nothing);
}

static bool
again(struct intake *in, struct publish_request q)
{
	struct bus_message m = message();

	if (intake_replace(in, &m, &q))
		return true;
	bus_message_free(&m);
	return false;
}

static void
test_what_is_sent_again_takes_the_place_of_what_waits(void **state)
{
	struct publish_request batch = request(PUBLISH_OP_EVENTS, 1, 7);
	struct publish_request reg = request(PUBLISH_OP_REGISTER, 1, 0);
	struct intake in = { 0 };

	(void)state;
	add(&in, &batch);
	add(&in, &reg);
	for (int i = 0; i < 100; i++) {
		assert_true(again(&in, batch));
		assert_true(again(&in, reg));
	}
	assert_int_equal(in.n, 2);
	intake_clear(&in);
}

/* A new incarnation's tip must include what the old one published. */
static void
test_another_incarnation_or_batch_is_another_request(void **state)
{
	struct publish_request old = request(PUBLISH_OP_REGISTER, 1, 0);
	struct publish_request batch = request(PUBLISH_OP_EVENTS, 1, 1);
	struct intake in = { 0 };

	(void)state;
	add(&in, &old);
	add(&in, &batch);
	assert_false(again(&in, request(PUBLISH_OP_REGISTER, 2, 0)));
	assert_false(again(&in, request(PUBLISH_OP_EVENTS, 2, 1)));
	assert_false(again(&in, request(PUBLISH_OP_EVENTS, 1, 2)));
	assert_int_equal(in.n, 2);
	intake_clear(&in);
}

/* Sent again, it is answered whatever it said at first. */
static void
test_a_record_is_the_answer_to_who_reads_unless_there_is_none(void **state)
{
	struct publish_request batch = request(PUBLISH_OP_EVENTS, 1, 7);
	struct buf record = BUF_EMPTY;
	struct publish_outcome o = { .first = { 5, 9 }, .count = 1,
		.record = &record };
	struct bus_message m = message();
	struct intake in = { 0 };

	(void)state;
	buf_adds(&record, "a record");
	batch.reads = true;
	intake_add(&in, &m, &batch, &o);
	assert_true(in.requests[0].reads);
	assert_true(again(&in, request(PUBLISH_OP_EVENTS, 1, 7)));
	assert_false(in.requests[0].reads);
	batch.batch = 8;
	add(&in, &batch);
	assert_false(in.requests[1].reads);
	buf_free(&record);
	intake_clear(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_is_sent_again_takes_the_place_of_what_waits),
		cmocka_unit_test(
		    test_another_incarnation_or_batch_is_another_request),
		cmocka_unit_test(
		test_a_record_is_the_answer_to_who_reads_unless_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
