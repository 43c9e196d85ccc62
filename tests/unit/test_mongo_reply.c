/* First: libbson takes a MAX that is there for its own. */
#include <bson/bson.h>

#include "tests/unit/store_fixture.h"

#include "store/mongo_checkpoint.h"
#include "store/mongo_reply.h"

static bson_t *
bson_of(const char *json)
{
	bson_error_t error;
	bson_t *b = bson_new_from_json((const uint8_t *)json, -1, &error);

	if (b == NULL)
		fail_msg("%s: %s", json, error.message);
	return b;
}

static bool
count(const char *reply, bool failed, uint64_t sent, struct mongo_tally *ret)
{
	bson_t *b = bson_of(reply);
	bool counted;

	*ret = (struct mongo_tally){ 100, 100, 100, "" };
	counted = mongo_reply_count(b, failed, sent, ret);
	bson_destroy(b);
	return counted;
}

static void
check_tally(const struct mongo_tally *t, uint64_t written, uint64_t missing,
    uint64_t refused)
{
	assert_int_equal(t->written, 100 + written);
	assert_int_equal(t->missing, 100 + missing);
	assert_int_equal(t->refused, 100 + refused);
}

static void
test_what_matched_is_written_and_the_rest_is_missing(void **state UNUSED)
{
	struct mongo_tally t;

	assert_true(count("{\"nMatched\":3,\"nUpserted\":1}", false, 6, &t));
	check_tally(&t, 4, 2, 0);
}

static void
test_single_documents_that_are_refused_do_not_fail_the_bulk(void **state
    UNUSED)
{
	struct mongo_tally t;

	assert_true(count("{\"nMatched\":3,\"writeErrors\":[{\"index\":0},"
	    "{\"index\":2}]}", true, 6, &t));
	check_tally(&t, 3, 1, 2);
}

static void
test_what_failed_as_a_whole_counts_nothing(void **state UNUSED)
{
	struct mongo_tally t;

	assert_false(count("{\"nMatched\":3}", true, 6, &t));
	assert_false(count("{}", true, 6, &t));
	assert_false(count("{\"nMatched\":3,\"writeErrors\":[{}],"
	    "\"writeConcernErrors\":[{}]}", true, 6, &t));
	check_tally(&t, 0, 0, 0);
}

static void
test_a_refusal_says_why(void **state UNUSED)
{
	struct mongo_tally t;

	assert_true(count("{\"writeErrors\":[{\"index\":0,\"code\":28,"
	    "\"errmsg\":\"Cannot create field\"}]}", true, 1, &t));
	check_tally(&t, 0, 0, 1);
	assert_string_equal(t.why, "Cannot create field");
}

static void
test_what_is_refused_for_the_state_of_the_server_is_tried_again(void **state
    UNUSED)
{
	struct mongo_tally t;

	assert_false(count("{\"nMatched\":3,\"writeErrors\":["
	    "{\"index\":0,\"code\":28},{\"index\":2,\"code\":14031}]}", true,
	    6, &t));
	assert_false(count("{\"writeErrors\":[{\"code\":"
	    "{\"$numberLong\":\"189\"}}]}", true, 1, &t));
	check_tally(&t, 0, 0, 0);
	/* Nonsense is no such code. */
	assert_true(count("{\"writeErrors\":[{\"code\":\"189\"},{},7]}",
	    true, 3, &t));
	check_tally(&t, 0, 0, 3);
}

static void
test_a_reply_that_counts_too_much_or_below_zero_is_bounded(void **state
    UNUSED)
{
	struct mongo_tally t;

	assert_true(count("{\"nMatched\":9,\"nUpserted\":-9}", false, 6, &t));
	check_tally(&t, 6, 0, 0);
	assert_true(count("{\"nMatched\":\"x\",\"writeErrors\":7}", false, 6,
	    &t));
	check_tally(&t, 0, 6, 0);
}

static void
test_a_checkpoint_reads_back_as_it_was_written(void **state UNUSED)
{
	const struct mongo_checkpoint c = {
		.projection = "0123456789abcdef0123456789abcdef",
		.change = 41,
		.registry = "fedcba9876543210fedcba9876543210",
		.workflow_change = 7,
		.position = { 0xab, 9 },
	};
	struct mongo_checkpoint back;
	struct mongo_write w;
	bson_iter_t iter;
	const uint8_t *bytes;
	uint32_t n;
	bson_t set;

	mongo_checkpoint_write(&w, &c, 1000);
	assert_true(bson_iter_init_find(&iter, &w.update, "$set"));
	bson_iter_document(&iter, &n, &bytes);
	assert_true(bson_init_static(&set, bytes, n));
	mongo_checkpoint_read(&set, &back);
	assert_string_equal(back.projection, c.projection);
	assert_string_equal(back.registry, c.registry);
	assert_int_equal(back.change, 41);
	assert_int_equal(back.workflow_change, 7);
	assert_true(bson_iter_init_find(&iter, &w.opts, "upsert"));
	mongo_write_clear(&w);
}

static void
test_a_checkpoint_of_other_types_means_from_the_beginning(void **state UNUSED)
{
	bson_t *b = bson_of("{\"_id\":\"store\",\"projection\":7,"
	    "\"registry\":\"0123456789abcdef0123456789abcdef and more\","
	    "\"change\":{\"$numberLong\":\"-1\"},\"workflow_change\":\"x\"}");
	struct mongo_checkpoint c;

	mongo_checkpoint_read(b, &c);
	assert_string_equal(c.projection, "");
	assert_int_equal(strlen(c.registry), 32);
	assert_int_equal(c.change, 0);
	assert_int_equal(c.workflow_change, 0);
	bson_destroy(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_matched_is_written_and_the_rest_is_missing),
		cmocka_unit_test(
		    test_single_documents_that_are_refused_do_not_fail_the_bulk),
		cmocka_unit_test(test_a_refusal_says_why),
		cmocka_unit_test(
		    test_what_is_refused_for_the_state_of_the_server_is_tried_again),
		cmocka_unit_test(test_what_failed_as_a_whole_counts_nothing),
		cmocka_unit_test(
		    test_a_reply_that_counts_too_much_or_below_zero_is_bounded),
		cmocka_unit_test(
		    test_a_checkpoint_reads_back_as_it_was_written),
		cmocka_unit_test(
		    test_a_checkpoint_of_other_types_means_from_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
