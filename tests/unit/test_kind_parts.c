/* kind_parts: how a kind stands that is watched in namespaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/kind_parts.h"

static struct kind_part
part(const char *namespace, enum watch_state state, const char *reason,
    const char *message)
{
	return (struct kind_part){ namespace, { .state = state,
		.reason = reason, .message = message } };
}

static void
test_namespaces_that_are_all_watched_are_named(void **state)
{
	const struct kind_part parts[] = {
		part("a", WATCH_WATCHING, "", ""),
		part("b", WATCH_WATCHING, "", ""),
	};
	char text[KIND_PARTS_TEXT_MAX];
	struct list_watch_view v = kind_parts_view(parts, 2);

	(void)state;
	kind_parts_text(parts, 2, text);
	assert_int_equal(v.state, WATCH_WATCHING);
	assert_string_equal(v.reason, "NamespacesOnly");
	assert_int_equal(v.code, 403);
	assert_true(v.tried);
	assert_false(v.skipped);
	assert_string_equal(text, "not allowed in the whole cluster; watched "
	    "in namespaces a, b");
}

static void
test_skipped_objects_are_not_hidden_by_what_is_known_already(void **state)
{
	struct kind_part parts[] = {
		part("a", WATCH_WATCHING, "", ""),
		part("b", WATCH_WATCHING, "ObjectsSkipped", "some are not "
		    "shown"),
	};
	char text[KIND_PARTS_TEXT_MAX];
	struct list_watch_view v;

	(void)state;
	parts[1].view.skipped = true;
	v = kind_parts_view(parts, 2);
	assert_string_equal(v.reason, "ObjectsSkipped");
	assert_true(v.skipped);
	kind_parts_text(parts, 2, text);
	assert_string_equal(text, "in namespace b: some are not shown; not "
	    "allowed in the whole cluster; watched in namespaces a, b");
}

static void
test_the_namespace_that_stands_worst_speaks_for_the_kind(void **state)
{
	struct kind_part parts[] = {
		part("a", WATCH_WATCHING, "ObjectsSkipped", "some"),
		part("b", WATCH_WAIT_LIST, "Timeout", "no answer"),
		part("c", WATCH_LISTING, "", ""),
	};
	char text[KIND_PARTS_TEXT_MAX];
	struct list_watch_view v;

	(void)state;
	parts[0].view.skipped = true;
	v = kind_parts_view(parts, 3);
	assert_int_equal(v.state, WATCH_WAIT_LIST);
	assert_string_equal(v.reason, "Timeout");
	assert_true(v.skipped);   /* of the kind */
	kind_parts_text(parts, 3, text);
	assert_string_equal(text, "in namespace b: no answer");
}

/* Its end names the remedy. */
static void
test_a_long_message_is_told_to_its_end(void **state)
{
	char long_text[401], text[KIND_PARTS_TEXT_MAX];
	struct kind_part p = part("b", WATCH_FULL, "TooManyObjects", long_text);

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	kind_parts_text(&p, 1, text);
	assert_int_equal(strlen(text), strlen("in namespace b: ") + 400);
	/* Where all are watched, they are named behind it. */
	p.view.state = WATCH_WATCHING;
	p.view.skipped = true;
	kind_parts_text(&p, 1, text);
	assert_non_null(strstr(text, "x; not allowed in the whole cluster; "
	    "watched in namespaces b"));
}

static void
test_a_kind_of_no_namespace_lacks_the_right_to_see_it(void **state)
{
	const struct kind_part p = part("a", WATCH_ABSENT, "NotInNamespaces",
	    "the kind belongs to no namespace");
	struct list_watch_view v = kind_parts_view(&p, 1);

	(void)state;
	assert_int_equal(v.state, WATCH_FORBIDDEN);
	assert_int_equal(v.code, 403);
}

static void
test_more_namespaces_than_fit_are_cut(void **state)
{
	static const char name[] = "a-namespace-of-a-rather-long-name";
	struct kind_part parts[CONF_NAMESPACES_MAX];
	char text[KIND_PARTS_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < CONF_NAMESPACES_MAX; i++)
		parts[i] = part(name, WATCH_WATCHING, "", "");
	kind_parts_text(parts, CONF_NAMESPACES_MAX, text);
	assert_int_equal(strlen(text), KIND_PARTS_TEXT_MAX - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_namespaces_that_are_all_watched_are_named),
		cmocka_unit_test(
		    test_skipped_objects_are_not_hidden_by_what_is_known_already),
		cmocka_unit_test(
		    test_the_namespace_that_stands_worst_speaks_for_the_kind),
		cmocka_unit_test(
		    test_a_kind_of_no_namespace_lacks_the_right_to_see_it),
		cmocka_unit_test(test_a_long_message_is_told_to_its_end),
		cmocka_unit_test(test_more_namespaces_than_fit_are_cut),
	};

	return cmocka_run_group_tests_name("kind_parts", tests, NULL, NULL);
}
