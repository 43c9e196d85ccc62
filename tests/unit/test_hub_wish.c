/* hub_wish: equal wishes have one text, and it is all that is kept of them. */
#include "gateway/hub_wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

static struct hub_subscription
wish(const char *tenant, const struct slice *selectors, size_t n,
    const struct slice *types, size_t n_types)
{
	struct hub_subscription s = { .id = 0 };

	hub_wish_set(&s, slice_str(tenant), selectors, n, types, n_types);
	return s;
}

static void
clear(struct hub_subscription *s)
{
	buf_free(&s->canon);
	free(s->selectors);
}

static bool
same(const struct hub_subscription *a, const struct hub_subscription *b)
{
	return a->canon.len == b->canon.len &&
	    memcmp(a->canon.data, b->canon.data, a->canon.len) == 0;
}

static void
test_order_and_repeats_make_no_other_wish(void **state UNUSED)
{
	struct slice one[] = { slice_str("job:b"), slice_str("job:a"),
		slice_str("job:b") };
	struct slice other[] = { slice_str("job:a"), slice_str("job:b") };
	struct slice types[] = { slice_str("x.n"), slice_str("x.m"),
		slice_str("x.n") };
	struct hub_subscription a = wish("-", one, 3, types, 3);
	struct hub_subscription b = wish("-", other, 2, types, 2);

	assert_int_equal(a.n_selectors, 2);
	assert_int_equal(a.n_types, 2);
	assert_true(slice_eq(a.selectors[0], slice_str("job:a")));
	assert_true(slice_eq(a.types[0], slice_str("x.m")));
	assert_true(same(&a, &b));
	clear(&a);
	clear(&b);
}

/* A tenant, a selector and a type of the same name are not the same. */
static void
test_wishes_that_differ_have_other_texts(void **state UNUSED)
{
	struct slice texts[] = { slice_str("a"), slice_str("b") };
	struct hub_subscription s[] = {
		wish("t", texts, 2, NULL, 0),
		wish("t", texts, 1, texts + 1, 1),
		wish("t", texts, 1, NULL, 0),
		wish("t", texts + 1, 1, texts, 1),
		wish("a", texts, 2, NULL, 0),
	};

	for (size_t i = 0; i < NELEM(s); i++)
		for (size_t k = 0; k < i; k++)
			assert_false(same(&s[i], &s[k]));
	for (size_t i = 0; i < NELEM(s); i++)
		clear(&s[i]);
}

static void
test_what_is_owned_outlives_the_texts_it_was_made_of(void **state UNUSED)
{
	char tenant[] = "red", key[] = "job:a", type[] = "x.n";
	struct slice selectors[] = { slice_str(key), slice_str("a:b") };
	struct slice types[] = { slice_str(type) };
	struct hub_subscription s = wish(tenant, selectors, 2, types, 1);

	hub_wish_own(&s);
	memset(tenant, '?', sizeof(tenant));
	memset(key, '?', sizeof(key));
	memset(type, '?', sizeof(type));
	assert_true(slice_eq(s.tenant, slice_str("red")));
	assert_true(slice_eq(s.selectors[0], slice_str("a:b")));
	assert_true(slice_eq(s.selectors[1], slice_str("job:a")));
	assert_true(slice_eq(s.types[0], slice_str("x.n")));
	clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_repeats_make_no_other_wish),
		cmocka_unit_test(test_wishes_that_differ_have_other_texts),
		cmocka_unit_test(
		    test_what_is_owned_outlives_the_texts_it_was_made_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
