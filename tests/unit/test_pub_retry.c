/* How long a publisher waits after a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "lib/pub_retry.h"
#include "lib/sluice.h"

static void
test_waits_double_up_to_the_limit_with_jitter(void **unused UNUSED)
{
	for (uint32_t random = 0; random < 1000; random++) {
		struct pub_retry r = { .failures = 0 };
		int64_t whole = SLUICE_RETRY_FIRST_MS;

		for (int i = 0; i < 40; i++) {
			int64_t wait = pub_retry_failed(&r, 0,
			    random * 2654435761u + (uint32_t)i);

			assert_in_range(wait, whole / 2, whole);
			whole = MIN(whole * 2, SLUICE_RETRY_MAX_MS);
		}
		pub_retry_reset(&r);
		assert_true(pub_retry_failed(&r, 0, random) <=
		    SLUICE_RETRY_FIRST_MS);
	}
}

/* Of a thousand publishers that failed together about a hundred come back in
 * each tenth of the time that is drawn from, after whichever failure. */
static void
test_publishers_that_failed_together_come_back_apart(void **unused UNUSED)
{
	int64_t whole = SLUICE_RETRY_FIRST_MS;

	for (unsigned int before = 0; before < 12; before++) {
		int tenths[10] = { 0 };

		for (uint32_t i = 0; i < 1000; i++) {
			struct pub_retry r = { .failures = before };
			int64_t wait = pub_retry_failed(&r, 0,
			    i * 2654435761u);

			tenths[MIN((wait - whole / 2) * 20 / whole, 9)]++;
		}
		for (size_t i = 0; i < NELEM(tenths); i++)
			assert_in_range(tenths[i], 50, 150);
		whole = MIN(whole * 2, SLUICE_RETRY_MAX_MS);
	}
}

static void
test_retry_after_is_a_floor_with_a_limit(void **unused UNUSED)
{
	struct pub_retry r = { .failures = 0 };

	assert_int_equal(pub_retry_failed(&r, 7000, 5), 7000);
	assert_int_equal(pub_retry_failed(&r, INT64_MAX, 5),
	    SLUICE_RETRY_AFTER_MAX_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_waits_double_up_to_the_limit_with_jitter),
		cmocka_unit_test(
		    test_publishers_that_failed_together_come_back_apart),
		cmocka_unit_test(test_retry_after_is_a_floor_with_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
