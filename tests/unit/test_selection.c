#include "tests/unit/store_fixture.h"

#include "store/selection.h"

static void
check_ranges(const char *const *in, size_t n, const char *const *want,
    size_t n_want)
{
	struct slice selectors[16];
	struct selection s;
	struct err err;
	char text[64];
	size_t i;

	for (i = 0; i < n; i++)
		selectors[i] = slice_str(in[i]);
	assert_int_equal(selection_make(selectors, n, &s, &err), 0);
	assert_int_equal(s.n, n_want);
	for (i = 0; i < n_want; i++) {
		(void)snprintf(text, sizeof(text), "%.*s%s",
		    (int)s.ranges[i].text.n, s.ranges[i].text.p,
		    s.ranges[i].prefix ? "*" : "");
		assert_string_equal(text, want[i]);
	}
	selection_clear(&s);
}

static void
test_keys_and_prefixes_come_sorted_and_once(void **state UNUSED)
{
	const char *const in[] = { "job:b", "run:*", "job:a", "job:b",
		"run:x" };
	const char *const want[] = { "job:a", "job:b", "run:*" };

	check_ranges(in, 5, want, 3);
}

static void
test_a_narrower_prefix_is_covered_by_a_wider_one(void **state UNUSED)
{
	const char *const in[] = { "resource:a/pod/*", "resource:a/*",
		"resource:b/*", "resource:a/pod/x/y" };
	const char *const want[] = { "resource:a/*", "resource:b/*" };

	check_ranges(in, 4, want, 2);
}

static void
test_a_key_that_ends_like_a_prefix_is_not_covered_by_it(void **state UNUSED)
{
	const char *const in[] = { "job:a/*", "job:a/", "job:a/b", "job:a/" };
	const char *const want[] = { "job:a/", "job:a/*" };
	const char *const covered[] = { "job:a/*", "job:*", "job:a/" };
	const char *const all[] = { "job:*" };

	check_ranges(in, 4, want, 2);
	check_ranges(covered, 3, all, 1);
}

static void
test_a_key_inside_a_prefix_is_still_known_by_name(void **state UNUSED)
{
	struct slice in[] = { slice_str("job:*"), slice_str("job:a") };
	struct selection s;
	struct err err;

	assert_int_equal(selection_make(in, 2, &s, &err), 0);
	assert_true(selection_names(&s, slice_str("job:a")));
	assert_false(selection_names(&s, slice_str("job:b")));
	selection_clear(&s);
}

static void
test_what_is_no_selector_is_refused(void **state UNUSED)
{
	struct slice in[] = { slice_str("job:a"), slice_str("what?") };
	struct selection s;
	struct err err;

	assert_int_equal(selection_make(in, 2, &s, &err), -1);
	assert_non_null(strstr(err.text, "selector 2: "));
}

static void
check_lies_in(const char *text, bool prefix, enum stream_type type,
    const char *cluster)
{
	struct selection_range range = { slice_str(text), prefix };
	struct slice found;
	bool in_one;

	assert_int_equal(selection_type(&range), type);
	in_one = selection_cluster(&range, &found);
	assert_int_equal(in_one, cluster != NULL);
	if (in_one)
		assert_true(slice_is(found, cluster));
}

static void
test_a_range_knows_its_type_and_its_one_cluster(void **state UNUSED)
{
	check_lies_in("resource:a/pod/x/y", false, STREAM_RESOURCE, "a");
	check_lies_in("resource:a/", true, STREAM_RESOURCE, "a");
	check_lies_in("resource:a", true, STREAM_RESOURCE, NULL);
	check_lies_in("resource:", true, STREAM_RESOURCE, NULL);
	check_lies_in("watcher:a", false, STREAM_WATCHER, "a");
	check_lies_in("watcher:A/", true, STREAM_WATCHER, NULL);
	check_lies_in("run", false, STREAM_TYPE_MAX, NULL);
}

static void
test_a_prefix_ends_before_the_next_text(void **state UNUSED)
{
	char buf[8];

	assert_true(slice_is(selection_end(slice_str("job:"), buf), "job;"));
	assert_true(slice_is(selection_end(slice_str("r:a/"), buf), "r:a0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_and_prefixes_come_sorted_and_once),
		cmocka_unit_test(
		    test_a_narrower_prefix_is_covered_by_a_wider_one),
		cmocka_unit_test(
		    test_a_key_that_ends_like_a_prefix_is_not_covered_by_it),
		cmocka_unit_test(
		    test_a_key_inside_a_prefix_is_still_known_by_name),
		cmocka_unit_test(test_what_is_no_selector_is_refused),
		cmocka_unit_test(
		    test_a_range_knows_its_type_and_its_one_cluster),
		cmocka_unit_test(test_a_prefix_ends_before_the_next_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
