/* health/quantity: what Kubernetes writes, and what it never would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "health/quantity.h"

static const struct {
	const char	*text;
	int64_t		 milli;
	int64_t		 value;
} good[] = {
	{ "0", 0, 0 },
	{ "4", 4000, 4 },
	{ "100m", 100, 1 },
	{ "1500m", 1500, 2 },
	{ "0.5", 500, 1 },
	{ ".5", 500, 1 },
	{ "5.", 5000, 5 },
	{ "+2", 2000, 2 },
	{ "-2", -2000, -2 },
	{ "-100m", -100, -1 },
	{ "1u", 1, 1 },
	{ "1n", 1, 1 },
	{ "250000u", 250, 1 },
	{ "3k", 3000000, 3000 },
	{ "16Ki", 16384000, 16384 },
	{ "0.5Gi", 536870912000, 536870912 },
	{ "16393244Ki", 16786681856000, 16786681856 },
	{ "1e3", 1000000, 1000 },
	{ "12E2", 1200000, 1200 },
	{ "1e-3", 1, 1 },
	{ "1.234e+2", 123400, 124 },
	{ "1Pi", 1125899906842624000, 1125899906842624 },
	{ "8E", INT64_MAX, 8000000000000000000 },
	{ "8Ei", INT64_MAX, INT64_MAX },
	{ "1e400", INT64_MAX, INT64_MAX },
	{ "-1e400", -INT64_MAX, -INT64_MAX },
	{ "1e-400", 1, 1 },
	{ "0e400", 0, 0 },
	{ "000000000000000000000000000001", 1000, 1 },
	{ "1.0000000000000000000000", 1000, 1 },
	{ "1.0000000000000000000001", 1001, 2 },
	{ "99999999999999999999999", INT64_MAX, INT64_MAX },
};

static const char *const bad[] = {
	"", "m", "Ki", "-", ".", "1KI", "1ki", "1K", "1i", "1mi", "1 ", " 1",
	"1..2", "1.2.3", "1e", "1e+", "1e1.5", "1e3k", "1Gi1", "0x10", "1,5",
	"--1", "+-1", "NaN",
	"11111111111111111111111111111111111111111111111111111111111111111",
};

static void
test_quantities_are_read_as_kubernetes_means_them(void **state UNUSED)
{
	int64_t v;

	for (size_t i = 0; i < NELEM(good); i++) {
		assert_int_equal(quantity_milli(slice_str(good[i].text), &v),
		    0);
		assert_int_equal(v, good[i].milli);
		assert_int_equal(quantity_value(slice_str(good[i].text), &v),
		    0);
		assert_int_equal(v, good[i].value);
	}
}

static void
test_what_is_no_quantity_is_refused(void **state UNUSED)
{
	int64_t v = 7;

	for (size_t i = 0; i < NELEM(bad); i++) {
		assert_int_equal(quantity_milli(slice_str(bad[i]), &v), -1);
		assert_int_equal(quantity_value(slice_str(bad[i]), &v), -1);
	}
	assert_int_equal(v, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_quantities_are_read_as_kubernetes_means_them),
		cmocka_unit_test(test_what_is_no_quantity_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
