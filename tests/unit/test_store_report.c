#include "tests/unit/store_fixture.h"

#include <jansson.h>

#include "store/store_report.h"

/* A store that is well. */
static struct store_report
well(void)
{
	return (struct store_report){
		.writer = { .applied = { 0xab, 40 }, .change = 7,
		    .queued = 5 },
		.heard = true,
		.tip = 41,
		.ready_tip = 40,
	};
}

static void
trouble(struct store_report *r, const char *text)
{
	(void)snprintf(r->writer.trouble, sizeof(r->writer.trouble), "%s",
	    text);
}

static void
test_the_worst_of_what_is_so_gives_the_state(void **state UNUSED)
{
	struct store_report r = well();

	assert_string_equal(store_report_state(&r), "running");
	r.ready_tip = 41;
	assert_string_equal(store_report_state(&r), "catching up");
	r.incomplete = 2;
	assert_string_equal(store_report_state(&r), "incomplete");
	r.heard = false;
	assert_string_equal(store_report_state(&r), "waiting");
	trouble(&r, "disk full");
	assert_string_equal(store_report_state(&r), "failing");
}

static void
test_the_line_says_where_it_stands_and_what_ails_it(void **state UNUSED)
{
	struct store_report r = well();
	char line[STORE_REPORT_LINE_MAX];

	store_report_line(&r, line);
	assert_non_null(strstr(line, "1 behind; 0 clusters incomplete; no "
	    "mongodb"));
	r.tip = 3;
	r.with_mongo = true;
	store_report_line(&r, line);
	assert_non_null(strstr(line, " 0 behind"));
	assert_non_null(strstr(line, "mongodb connecting, 0 written"));
	r.mongo_down = true;
	trouble(&r, "disk full");
	store_report_line(&r, line);
	assert_non_null(strstr(line, "mongodb away"));
	assert_string_equal(line + strlen(line) - 11, "; disk full");
	r.mongo = (struct mongo_status){ .connected = true, .written = 9,
		.missing = 2, .refused = 1 };
	store_report_line(&r, line);
	assert_non_null(strstr(line,
	    "mongodb ok, 9 written, 2 without a document, 1 refused"));
}

static void
test_a_state_or_a_line_that_changed_alone_is_news(void **state UNUSED)
{
	struct store_report r = well();
	struct store_said said = { 0 };

	/* Idle, and the broker not heard of yet. */
	r.tip = r.ready_tip = r.writer.applied.number;
	r.heard = false;
	assert_true(store_report_news(&r, &said));
	assert_string_equal(said.state, "waiting");
	assert_false(store_report_news(&r, &said));
	r.heard = true;
	assert_true(store_report_news(&r, &said));
	assert_string_equal(said.state, "running");
	assert_false(store_report_news(&r, &said));
	r.writer.applied.number++;
	assert_true(store_report_news(&r, &said));
	assert_non_null(strstr(said.line, "-41, 0 behind"));
	assert_false(store_report_news(&r, &said));
}

static void
test_the_facts_are_json_whatever_the_trouble_says(void **state UNUSED)
{
	struct store_report r = well();
	struct buf b = BUF_EMPTY;
	json_t *facts;

	trouble(&r, "a \"quoted\"\n\x01 place");
	store_report_facts(&r, &b);
	facts = json_loads(buf_cstr(&b), 0, NULL);
	assert_non_null(facts);
	assert_string_equal(json_string_value(json_object_get(facts,
	    "trouble")), "a \"quoted\"\n\x01 place");
	assert_int_equal(json_integer_value(json_object_get(facts, "behind")),
	    1);
	assert_true(json_is_null(json_object_get(facts, "mongodb")));
	json_decref(facts);
	buf_reset(&b);
	r.with_mongo = true;
	r.mongo.refused = 3;
	r.questions = 5;
	store_report_facts(&r, &b);
	facts = json_loads(buf_cstr(&b), 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(
	    facts, "mongodb"), "refused")), 3);
	assert_int_equal(json_integer_value(json_object_get(facts,
	    "questions")), 5);
	json_decref(facts);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_worst_of_what_is_so_gives_the_state),
		cmocka_unit_test(
		    test_the_line_says_where_it_stands_and_what_ails_it),
		cmocka_unit_test(
		    test_a_state_or_a_line_that_changed_alone_is_news),
		cmocka_unit_test(
		    test_the_facts_are_json_whatever_the_trouble_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
