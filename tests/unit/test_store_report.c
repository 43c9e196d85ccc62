#include "tests/unit/store_fixture.h"

#include <jansson.h>
#include <sys/mman.h>

#include "common/xmalloc.h"
#include "store/store_notices.h"
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
	r.writer.runs.uncounted.count = 4;
	store_report_facts(&r, &b);
	facts = json_loads(buf_cstr(&b), 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(
	    facts, "mongodb"), "refused")), 3);
	assert_int_equal(json_integer_value(json_object_get(facts,
	    "questions")), 5);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(
	    facts, "runs"), "uncounted")), 4);
	json_decref(facts);
	buf_free(&b);
}

/* --- the log -------------------------------------------------------------- */

/* What this tells the log, to be freed. */
static char *
said_of_runs(struct store_notices *n, const struct run_losses *losses,
    int64_t at_ms)
{
	struct mono now = mono_add_ms((struct mono){ 0 }, at_ms);
	int before = dup(STDERR_FILENO);
	int fd = memfd_create("log", MFD_CLOEXEC);
	char *text = xcalloc(1, 4096);

	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	store_notices_runs(n, losses, now);
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	(void)close(before);
	assert_true(pread(fd, text, 4095, 0) >= 0);
	(void)close(fd);
	return text;
}

static void
check_said(struct store_notices *n, const struct run_losses *losses,
    int64_t at_ms, const char *want)
{
	char *text = said_of_runs(n, losses, at_ms);

	if (want == NULL)
		assert_string_equal(text, "");
	else
		assert_non_null(strstr(text, want));
	free(text);
}

static void
test_what_is_left_out_of_runs_is_logged_once_in_a_while(void **state UNUSED)
{
	struct store_notices n = { .in_trouble = false };
	struct run_losses losses = { .gone = 0 };

	check_said(&n, &losses, 1, NULL);
	losses.pushed_out = (struct run_loss){ 1, "acme run:a" };
	check_said(&n, &losses, 2, "the last: acme run:a");
	losses.pushed_out.count = 8;
	losses.uncounted = (struct run_loss){ 3, "acme run:b" };
	losses.gone = 4;
	check_said(&n, &losses, STORE_NOTICES_MS, NULL);
	check_said(&n, &losses, STORE_NOTICES_MS + 3, "of 7 more runs");
	losses.uncounted.count = 5;
	losses.gone = 6;
	check_said(&n, &losses, INT64_C(2) * STORE_NOTICES_MS + 4,
	    "2 more changes of jobs");
	losses.gone = 7;
	check_said(&n, &losses, INT64_C(3) * STORE_NOTICES_MS + 5,
	    "of 1 runs is not derived any more: events");
	check_said(&n, &losses, INT64_C(9) * STORE_NOTICES_MS, NULL);
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
		cmocka_unit_test(
		    test_what_is_left_out_of_runs_is_logged_once_in_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
