/* topics: a key falls under itself and under each prefix that ends before
 * it. */
#include "gateway/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void
note_id(uint32_t id, void *arg)
{
	buf_addf(arg, "%u,", id);
}

static void
expect(struct topics *t, const char *tenant, const char *key,
    const char *want)
{
	struct buf ids = BUF_EMPTY;

	topics_match(t, slice_str(tenant), slice_str(key), note_id, &ids);
	assert_string_equal(buf_cstr(&ids), want);
	buf_free(&ids);
}

static void
add(struct topics *t, const char *selector, uint32_t id)
{
	topics_add(t, slice_str("-"), slice_str(selector), id);
}

static void
drop(struct topics *t, const char *selector, uint32_t id)
{
	topics_remove(t, slice_str("-"), slice_str(selector), id);
}

static void
test_a_key_falls_under_itself_and_its_prefixes(void **state)
{
	struct topics *t = topics_new();

	(void)state;
	add(t, "resource:a/pod/n/x", 1);
	add(t, "resource:a/pod/*", 2);
	add(t, "resource:a/*", 3);
	add(t, "resource:*", 4);
	expect(t, "-", "resource:a/pod/n/x", "1,4,3,2,");
	expect(t, "-", "resource:a/pod/n/y", "4,3,2,");
	expect(t, "-", "resource:a/podx/n/x", "4,3,");
	expect(t, "-", "resource:b/pod/n/x", "4,");
	expect(t, "-", "job:a", "");
	expect(t, "t2", "resource:a/pod/n/x", "");
	topics_free(t);
}

static void
test_a_key_is_not_taken_for_a_prefix_of_the_same_text(void **state)
{
	struct topics *t = topics_new();

	(void)state;
	add(t, "job:a", 1);
	add(t, "job:*", 2);
	expect(t, "-", "job:", "");
	expect(t, "-", "job:a", "1,2,");
	topics_free(t);
}

static void
test_a_topic_whose_ids_have_all_left_may_come_back(void **state)
{
	struct topics *t = topics_new();
	char key[32];

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "job:%u", i);
		add(t, key, i);
		add(t, key, i + 1);
		drop(t, key, i);
		drop(t, key, 12345);
		drop(t, "job:other", i + 1);
		drop(t, key, i + 1);
		expect(t, "-", key, "");
	}
	topics_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_key_falls_under_itself_and_its_prefixes),
		cmocka_unit_test(
		    test_a_key_is_not_taken_for_a_prefix_of_the_same_text),
		cmocka_unit_test(
	    test_a_topic_whose_ids_have_all_left_may_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
