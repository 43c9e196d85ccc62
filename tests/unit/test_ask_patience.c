/* ask_patience: how long a request is waited for, and what that means then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/ask_patience.h"

#define S INT64_C(1000)

static const struct conf conf = { .watch = { .stale_ms = 150 * S,
	.timeout_ms = 300 * S, .slow_list_ms = 60 * S } };
static const struct mono begin = { 5 };

static struct ask_patience
asking(enum ask_what what)
{
	struct ask_patience p;

	ask_patience_init(&p, &conf);
	ask_patience_begin(&p, what);
	return p;
}

static void
test_a_request_waits_as_its_kind_may(void **state)
{
	static const struct {
		enum ask_what	what;
		int64_t		silence, limit;
	} cases[] = {
		{ ASK_LIST, -1, 60 * S },
		{ ASK_WATCH, 150 * S, 410 * S },
		{ ASK_STREAM, 30 * S, 300 * S },
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		struct ask_patience p = asking(cases[i].what);

		assert_int_equal(ask_patience_silence(&p), cases[i].silence);
		assert_int_equal(ask_patience_limit(&p, 400, begin),
		    cases[i].limit);
	}
}

static void
test_the_servers_end_of_a_watch_is_spread_over_its_double(void **state)
{
	struct ask_patience p = asking(ASK_WATCH);

	(void)state;
	assert_int_equal(ask_patience_timeout_s(&p, 0), 300);
	assert_int_equal(ask_patience_timeout_s(&p, 300), 600);
	assert_int_equal(ask_patience_timeout_s(&p, 301), 300);
}

static void
test_silence_is_a_dead_connection_but_of_an_answered_stream(void **state)
{
	struct ask_patience watch = asking(ASK_WATCH);
	struct ask_patience stream = asking(ASK_STREAM);
	struct watch_outcome a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	ask_patience_silent(&watch, true, &a);
	assert_int_equal(a.input, WATCH_IN_STALE);
	assert_string_equal(a.why.reason, "Stale");
	assert_string_equal(a.why.message, "no byte came within 150 s "
	    "(watch.stale); does the API server hang, or something on the way "
	    "to it?");
	ask_patience_silent(&stream, false, &b);
	assert_int_equal(b.input, WATCH_IN_STALE);
	assert_non_null(strstr(b.why.message, "within 30 s (a fifth of"));
	ask_patience_silent(&stream, true, &c);
	assert_int_equal(c.input, WATCH_IN_UNSUPPORTED);
}

static void
test_a_list_that_comes_on_has_as_long_again(void **state)
{
	struct ask_patience p = asking(ASK_LIST);
	struct watch_outcome o = { 0 };

	(void)state;
	ask_patience_heard(&p, 1);
	ask_patience_heard(&p, ASK_PATIENCE_LIST_BYTES - 1);
	assert_false(ask_patience_over(&p, &o));
	assert_false(o.decided);
	ask_patience_heard(&p, ASK_PATIENCE_LIST_BYTES - 1);
	assert_true(ask_patience_over(&p, &o));
	assert_int_equal(o.input, WATCH_IN_STALE);
	assert_string_equal(o.why.reason, "SlowList");
}

static void
test_an_event_that_was_skipped_has_a_list_in_its_time(void **state)
{
	struct ask_patience p = asking(ASK_WATCH);
	struct watch_outcome o = { 0 };
	struct mono later = mono_add_ms(begin, 40 * S);

	(void)state;
	assert_true(ask_patience_missed(&p, begin));
	assert_int_equal(ask_patience_limit(&p, 400, begin), 60 * S);
	/* Neither a second one nor a new watch puts it off. */
	assert_false(ask_patience_missed(&p, later));
	ask_patience_begin(&p, ASK_WATCH);
	assert_int_equal(ask_patience_limit(&p, 400, later), 20 * S);
	assert_int_equal(ask_patience_limit(&p, 400,
	    mono_add_ms(later, 30 * S)), 0);
	assert_true(ask_patience_over(&p, &o));
	assert_int_equal(o.input, WATCH_IN_MISSED);
	ask_patience_begin(&p, ASK_LIST);
	ask_patience_begin(&p, ASK_WATCH);
	assert_int_equal(ask_patience_limit(&p, 400, later), 410 * S);
}

static void
test_a_watch_that_outlives_its_end_has_ended(void **state)
{
	struct ask_patience p = asking(ASK_STREAM);
	struct watch_outcome a = { 0 }, b = { 0 };

	(void)state;
	assert_false(ask_patience_missed(&p, begin));
	assert_true(ask_patience_over(&p, &a));
	assert_int_equal(a.input, WATCH_IN_UNSUPPORTED);
	ask_patience_follow(&p);
	assert_int_equal(ask_patience_limit(&p, 600, begin), 610 * S);
	assert_true(ask_patience_over(&p, &b));
	assert_int_equal(b.input, WATCH_IN_ENDED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_waits_as_its_kind_may),
		cmocka_unit_test(
		    test_the_servers_end_of_a_watch_is_spread_over_its_double),
		cmocka_unit_test(
		    test_silence_is_a_dead_connection_but_of_an_answered_stream),
		cmocka_unit_test(test_a_list_that_comes_on_has_as_long_again),
		cmocka_unit_test(
		    test_an_event_that_was_skipped_has_a_list_in_its_time),
		cmocka_unit_test(test_a_watch_that_outlives_its_end_has_ended),
	};

	return cmocka_run_group_tests_name("ask_patience", tests, NULL, NULL);
}
