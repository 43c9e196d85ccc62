/* kind_set: what an operator reads of all the kinds of a cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/kind_set.h"
#include "watcher/watch_words.h"

static const uint64_t objects[KINDS_MAX] = { 3, 4 };

static struct kind_watch_view
view(unsigned kind, enum watch_state state, const char *reason,
    const char *message)
{
	return (struct kind_watch_view){ .kind = kind, .state = state,
		.reason = reason, .message = message };
}

static void
test_kinds_that_are_all_well_are_counted(void **state)
{
	const struct kind_watch_view views[] = {
		view(0, WATCH_WATCHING, "", ""),
		view(1, WATCH_WATCHING, "", ""),
	};
	struct kind_set_summary s;

	(void)state;
	kind_set_summary(views, 2, objects, &s);
	assert_string_equal(s.state, "watching");
	assert_string_equal(s.text, "2 kinds, 7 objects");
	kind_set_summary(views, 0, objects, &s);
	assert_string_equal(s.text, "0 kinds, 0 objects");
}

static void
test_a_kind_of_which_objects_were_skipped_is_named(void **state)
{
	struct kind_watch_view v = view(0, WATCH_WATCHING, "", "");
	char expected[128];
	struct kind_set_summary s;

	(void)state;
	v.skipped = true;
	kind_set_summary(&v, 1, objects, &s);
	assert_string_equal(s.state, "watching");
	(void)snprintf(expected, sizeof(expected),
	    "1 kinds, 3 objects; %s: ObjectsSkipped", kinds[0].name);
	assert_string_equal(s.text, expected);
}

static void
test_the_first_kind_that_is_not_well_is_named_with_its_reason(void **state)
{
	const struct kind_watch_view views[] = {
		view(0, WATCH_FORBIDDEN, "Forbidden", "no list"),
		view(1, WATCH_WAIT_LIST, "Timeout", ""),
	};
	char expected[128];
	struct kind_set_summary s;

	(void)state;
	kind_set_summary(views, 2, objects, &s);
	assert_string_equal(s.state, watch_words_shown(WATCH_FORBIDDEN));
	(void)snprintf(expected, sizeof(expected),
	    "0 of 2 kinds, 7 objects; %s: Forbidden: no list", kinds[0].name);
	assert_string_equal(s.text, expected);
	kind_set_summary(&views[1], 1, objects, &s);
	(void)snprintf(expected, sizeof(expected),
	    "0 of 1 kinds, 4 objects; %s: Timeout", kinds[1].name);
	assert_string_equal(s.text, expected);
}

static void
test_a_kind_that_has_not_begun_says_its_state(void **state)
{
	const struct kind_watch_view v = view(0, WATCH_IDLE, "", "");
	char expected[128];
	struct kind_set_summary s;

	(void)state;
	kind_set_summary(&v, 1, objects, &s);
	(void)snprintf(expected, sizeof(expected),
	    "0 of 1 kinds, 3 objects; %s: %s", kinds[0].name,
	    watch_words_shown(WATCH_IDLE));
	assert_string_equal(s.text, expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_that_are_all_well_are_counted),
		cmocka_unit_test(
		    test_a_kind_of_which_objects_were_skipped_is_named),
		cmocka_unit_test(
		    test_the_first_kind_that_is_not_well_is_named_with_its_reason),
		cmocka_unit_test(test_a_kind_that_has_not_begun_says_its_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
