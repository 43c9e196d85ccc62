/* subject_limit: how many streams one who asks may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/subject_limit.h"

static char eve[] = "eve", nobody[] = "";

static void
test_a_subject_counts_by_tenant_and_name_whatever_its_token(void **state)
{
	struct subject_limit *l = subject_limit_new(2);
	struct identity a = { .subject = eve, .tenant = "-" };
	struct identity b = { .subject = eve, .tenant = "-",
	    .issued_unix_ms = 7, .key = { 1 } };
	struct identity c = { .subject = eve, .tenant = "acme" };

	(void)state;
	assert_true(subject_limit_take(l, &a));
	assert_true(subject_limit_take(l, &b));
	assert_false(subject_limit_take(l, &a));
	assert_true(subject_limit_take(l, &c));
	assert_int_equal(subject_limit_count(l), 2);
	subject_limit_give(l, &b);
	assert_true(subject_limit_take(l, &a));
	subject_limit_give(l, &a);
	subject_limit_give(l, &a);
	subject_limit_give(l, &c);
	assert_int_equal(subject_limit_count(l), 0);
	subject_limit_free(l);
}

static void
test_without_a_subject_it_is_the_token_that_counts(void **state)
{
	struct subject_limit *l = subject_limit_new(1);
	struct identity a = { .subject = nobody, .tenant = "-",
	    .issued_unix_ms = 1, .key = { 1 } };
	struct identity later = a, other = a;

	(void)state;
	later.issued_unix_ms = 2;
	other.key[0] = 2;
	assert_true(subject_limit_take(l, &a));
	assert_false(subject_limit_take(l, &a));
	assert_true(subject_limit_take(l, &later));
	assert_true(subject_limit_take(l, &other));
	subject_limit_give(l, &a);
	subject_limit_give(l, &later);
	subject_limit_give(l, &other);
	assert_int_equal(subject_limit_count(l), 0);
	subject_limit_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_subject_counts_by_tenant_and_name_whatever_its_token),
		cmocka_unit_test(
		    test_without_a_subject_it_is_the_token_that_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
