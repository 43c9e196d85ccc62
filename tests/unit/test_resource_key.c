/* resource_key: the key of a watched object, cut into its parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/resource_key.h"

static void
test_a_key_is_cut_into_its_parts(void **state)
{
	struct resource_key k;

	(void)state;
	assert_true(resource_key_parse(slice_str("resource:c/pod/ns/a/b"),
	    &k));
	assert_true(slice_is(k.cluster, "c"));
	assert_true(slice_is(k.kind, "pod"));
	assert_true(slice_is(k.namespace, "ns"));
	assert_true(slice_is(k.name, "a/b"));
}

static void
test_a_cluster_wide_object_has_no_namespace(void **state)
{
	struct resource_key k;

	(void)state;
	assert_true(resource_key_parse(slice_str("resource:c/things.a.b/x"),
	    &k));
	assert_true(slice_is(k.kind, "things.a.b"));
	assert_int_equal(k.namespace.n, 0);
	assert_true(slice_is(k.name, "x"));
}

static void
test_keys_of_another_form_are_left_alone(void **state)
{
	static const char *const keys[] = { "", "resource:",
		"resource:0123456789ab", "resource:c/pod", "resource:c/pod/",
		"resource:c/pod/ns/", "job:c/pod/ns/a", "resourc" };
	struct resource_key k = { .name = slice_str("kept") };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(keys); i++)
		assert_false(resource_key_parse(slice_str(keys[i]), &k));
	assert_false(resource_key_parse(SLICE_NONE, &k));
	assert_true(slice_is(k.name, "kept"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_cut_into_its_parts),
		cmocka_unit_test(test_a_cluster_wide_object_has_no_namespace),
		cmocka_unit_test(test_keys_of_another_form_are_left_alone),
	};

	return cmocka_run_group_tests_name("resource_key", tests, NULL, NULL);
}
