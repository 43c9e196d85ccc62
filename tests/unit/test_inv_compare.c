/* inv_compare: what a watch did not tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/inventory_fixture.h"
#include "watcher/inv_compare.h"

static struct inv_compare c;

static struct kube_object
pod(const char *name, const char *uid, const char *version)
{
	return (struct kube_object){ .uid = slice_str(uid),
		.namespace = slice_str("ns"), .name = slice_str(name),
		.resource_version = slice_str(version), .generation = -1,
		.spec = slice_str("{}"), .status = slice_str("{}") };
}

static void
seen(const char *name, const char *uid, const char *version)
{
	struct kube_object o = pod(name, uid, version);

	assert_true(inventory_seen(inv, POD, &o, 1000));
}

static void
listed(const char *name, const char *uid, const char *version)
{
	struct kube_object o = pod(name, uid, version);

	inv_compare_item(&c, inv, &o);
}

static void
deleted(const char *name, const char *uid, const char *version)
{
	struct kube_object o = pod(name, uid, version);

	inventory_deleted(inv, POD, &o, 1001);
}

static void
begin(void)
{
	inv_compare_begin(&c, inv, POD, SLICE_NONE);
}

static void
test_a_list_older_or_newer_than_the_watch_is_no_difference(void **state)
{
	(void)state;
	seen("a", "u1", "10");
	seen("new", "u2", "30");
	begin();
	listed("a", "u1", "8");
	assert_false(inv_compare_end(&c, inv, slice_str("9")));
	/* The list knows more: the watch brings it in its time. */
	begin();
	listed("a", "u1", "40");
	listed("new", "u2", "30");
	assert_true(inv_compare_end(&c, inv, slice_str("41")));
	seen("a", "u1", "40");
	assert_false(inv_compare_again(&c, inv));
	assert_false(inv_compare_differs(&c, inv));
	inv_compare_clear(&c);
}

static void
test_what_the_watch_never_brings_is_a_difference(void **state)
{
	(void)state;
	seen("a", "u1", "10");
	begin();
	listed("a", "u1", "10");
	listed("b", "u2", "11");
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	assert_true(inv_compare_again(&c, inv));
	listed("b", "u2", "11");
	assert_true(inv_compare_differs(&c, inv));
	begin();
	listed("a", "u1", "15");
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	assert_true(inv_compare_again(&c, inv));
	listed("a", "u1", "16");
	assert_true(inv_compare_differs(&c, inv));
	/* Another object of the same name. */
	begin();
	listed("a", "u9", "10");
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	assert_true(inv_compare_again(&c, inv));
	listed("a", "u9", "10");
	assert_true(inv_compare_differs(&c, inv));
	inv_compare_clear(&c);
}

/* The watch tells before the list is read: its item is suspect for ever. */
static void
test_what_is_deleted_while_a_list_comes_is_no_difference(void **state)
{
	(void)state;
	seen("a", "u1", "10");
	seen("b", "u2", "11");
	seen("c", "u3", "12");
	begin();
	deleted("b", "u2", "21");
	deleted("c", "u3", "22");
	seen("c", "u4", "23");   /* as a StatefulSet does */
	listed("a", "u1", "10");
	listed("b", "u2", "11");
	listed("c", "u3", "12");
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	assert_true(inv_compare_again(&c, inv));
	listed("a", "u1", "10");
	listed("c", "u4", "23");
	assert_false(inv_compare_differs(&c, inv));
	inv_compare_clear(&c);
}

static void
test_what_came_in_its_time_is_not_suspected_again(void **state)
{
	(void)state;
	begin();
	listed("a", "u1", "10");
	listed("b", "u2", "11");
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	seen("a", "u1", "10");
	assert_true(inv_compare_again(&c, inv));
	assert_int_equal(c.n, 1);
	deleted("a", "u1", "30");
	listed("a", "u1", "10");
	assert_false(inv_compare_differs(&c, inv));
	/* Nor is what the second list brings for the first time. */
	listed("new", "u5", "31");
	assert_false(inv_compare_differs(&c, inv));
	inv_compare_clear(&c);
}

static void
test_a_deletion_that_was_not_told_is_a_difference(void **state)
{
	(void)state;
	seen("a", "u1", "10");
	seen("b", "u2", "11");
	begin();
	listed("a", "u1", "10");
	/* Came while the list was under way. */
	seen("c", "u3", "12");
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	assert_int_equal(c.n, 1);
	assert_true(inv_compare_again(&c, inv));
	listed("a", "u1", "10");
	assert_true(inv_compare_differs(&c, inv));
	/* A list that was behind the watch. */
	listed("b", "u2", "11");
	assert_false(inv_compare_differs(&c, inv));
	begin();
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	assert_true(inv_compare_again(&c, inv));
	deleted("a", "u1", "22");
	deleted("b", "u2", "21");
	deleted("c", "u3", "23");
	assert_false(inv_compare_differs(&c, inv));
	inv_compare_clear(&c);
}

/* An etcd restored, that has passed the watch's version since. */
static void
test_an_object_that_went_back_is_a_difference(void **state)
{
	(void)state;
	seen("a", "u1", "900");
	seen("b", "u2", "1300");
	begin();
	listed("a", "u1", "750");
	listed("b", "u2", "740");   /* newer here than the list: no wonder */
	assert_true(inv_compare_end(&c, inv, slice_str("1200")));
	assert_int_equal(c.n, 1);
	assert_true(inv_compare_again(&c, inv));
	listed("a", "u1", "750");
	assert_true(inv_compare_differs(&c, inv));
	/* The second list has it as it is here. */
	begin();
	listed("a", "u1", "750");
	listed("b", "u2", "1300");
	assert_true(inv_compare_end(&c, inv, slice_str("1300")));
	assert_true(inv_compare_again(&c, inv));
	listed("a", "u1", "900");
	assert_false(inv_compare_differs(&c, inv));
	/* The watch told in its time. */
	begin();
	listed("a", "u1", "750");
	listed("b", "u2", "1300");
	assert_true(inv_compare_end(&c, inv, slice_str("1300")));
	seen("a", "u1", "1201");
	assert_false(inv_compare_again(&c, inv));
	inv_compare_clear(&c);
}

/* What was listed as it had been is told before the list ends. */
static void
test_an_older_item_is_none_when_its_object_is_told_meanwhile(void **state)
{
	(void)state;
	seen("a", "u1", "10");
	begin();
	listed("a", "u1", "9");
	seen("a", "u1", "15");
	assert_false(inv_compare_end(&c, inv, slice_str("20")));
	begin();
	listed("a", "u1", "9");
	deleted("a", "u1", "16");
	assert_false(inv_compare_end(&c, inv, slice_str("20")));
	inv_compare_clear(&c);
}

static void
test_suspects_are_bounded_and_other_places_are_left_out(void **state)
{
	char name[16];
	unsigned i;

	(void)state;
	seen("a", "u1", "10");
	inv_compare_begin(&c, inv, POD, slice_str("other"));
	assert_false(inv_compare_end(&c, inv, slice_str("20")));
	begin();
	for (i = 0; i < 2 * INV_COMPARE_SUSPECTS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "p%u", i);
		listed(name, name, "11");
	}
	assert_true(inv_compare_end(&c, inv, slice_str("20")));
	assert_int_equal(c.n, INV_COMPARE_SUSPECTS_MAX);
	inv_compare_clear(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_list_older_or_newer_than_the_watch_is_no_difference),
		CASE(test_what_the_watch_never_brings_is_a_difference),
		CASE(test_what_is_deleted_while_a_list_comes_is_no_difference),
		CASE(test_what_came_in_its_time_is_not_suspected_again),
		CASE(test_a_deletion_that_was_not_told_is_a_difference),
		CASE(test_an_object_that_went_back_is_a_difference),
		CASE(test_an_older_item_is_none_when_its_object_is_told_meanwhile),
		CASE(test_suspects_are_bounded_and_other_places_are_left_out),
	};

	return cmocka_run_group_tests_name("inv_compare", tests, NULL, NULL);
}
