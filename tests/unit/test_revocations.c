/* revocations: whose tokens are refused, for all who map the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/revocations.h"

#define NOW INT64_C(1700000000000)

static char path[] = "/tmp/sluice-revoked-XXXXXX";

static int
begin(void **state)
{
	int fd;

	(void)state;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	return fd == -1 ? -1 : close(fd);
}

static int
end(void **state)
{
	(void)state;
	return unlink(path);
}

static struct revocations *
opened(void)
{
	struct err err = { 0 };
	struct revocations *r = revocations_open(path, &err);

	if (r == NULL)
		fail_msg("%s", err.text);
	return r;
}

static bool
refused(const struct revocations *r, const char *tenant,
    const char *subject, int64_t issued)
{
	char name[32];
	struct identity id = { .subject = name, .issued_unix_ms = issued };

	(void)snprintf(name, sizeof(name), "%s", subject);
	(void)snprintf(id.tenant, sizeof(id.tenant), "%s", tenant);
	return revocations_has(r, &id);
}

static void
add(struct revocations *r, const char *tenant, const char *subject,
    int64_t now)
{
	struct err err = { 0 };

	if (revocations_add(r, tenant, subject, now, &err) == -1)
		fail_msg("%s", err.text);
}

static void
test_what_was_issued_up_to_now_is_refused(void **state)
{
	struct revocations *r = opened();

	(void)state;
	assert_false(refused(r, "-", "eve", NOW));
	add(r, NULL, "eve", NOW);
	assert_true(refused(r, "-", "eve", NOW));
	assert_true(refused(r, "acme", "eve", NOW - 1));
	assert_true(refused(r, "-", "eve", 0));      /* without iat */
	assert_false(refused(r, "-", "eve", NOW + 1));
	assert_false(refused(r, "-", "ev", NOW));
	assert_false(refused(r, "-", "", 0));
	revocations_close(r);
}

static void
test_one_tenant_s_subject_is_no_other_s(void **state)
{
	struct revocations *r = opened();

	(void)state;
	add(r, "acme", "eve", NOW);
	assert_true(refused(r, "acme", "eve", NOW));
	assert_false(refused(r, "-", "eve", NOW));
	/* The border between the two names is no part of either. */
	assert_false(refused(r, "acm", "eeve", NOW));
	revocations_close(r);
}

static void
test_all_who_map_the_file_know_it_and_it_outlives_them(void **state)
{
	struct revocations *one = opened(), *two = opened();
	uint64_t before = revocations_changes(two);

	(void)state;
	add(one, NULL, "eve", NOW);
	assert_true(refused(two, "-", "eve", NOW));
	assert_int_not_equal(revocations_changes(two), before);
	revocations_close(one);
	revocations_close(two);
	one = opened();
	assert_true(refused(one, "-", "eve", NOW));
	/* Again, later: what was issued between is refused too. */
	assert_false(refused(one, "-", "eve", NOW + 5));
	add(one, NULL, "eve", NOW + 10);
	assert_true(refused(one, "-", "eve", NOW + 5));
	/* And never back. */
	add(one, NULL, "eve", NOW);
	assert_true(refused(one, "-", "eve", NOW + 5));
	revocations_close(one);
}

static void
test_of_a_full_file_only_one_that_is_over_makes_way(void **state)
{
	struct revocations *r = opened();
	struct err err = { 0 };
	char name[32];

	(void)state;
	for (unsigned int i = 0; i < REVOCATIONS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "s%u", i);
		add(r, NULL, name, NOW + i);
	}
	assert_int_equal(revocations_add(r, NULL, "eve", NOW + 5000, &err),
	    -1);
	assert_non_null(strstr(err.text, "jwt.jwks_file"));
	/* Who is in it already can be revoked again. */
	add(r, NULL, "s1", NOW + 6000);
	add(r, NULL, "eve", NOW + REVOCATION_KEEP_MS + 1);
	assert_true(refused(r, "-", "eve", NOW));
	(void)snprintf(name, sizeof(name), "s0");
	assert_false(refused(r, "-", name, NOW));
	(void)snprintf(name, sizeof(name), "s1");
	assert_true(refused(r, "-", name, NOW));
	assert_int_equal(revocations_add(r, NULL, "mallory",
	    NOW + REVOCATION_KEEP_MS + 1, &err), -1);
	revocations_close(r);
}

static void
test_another_file_is_refused_and_named(void **state)
{
	FILE *f = fopen(path, "we");
	struct err err = { 0 };

	(void)state;
	assert_non_null(f);
	assert_int_equal(fputs("something else altogether", f) >= 0, true);
	assert_int_equal(fclose(f), 0);
	assert_null(revocations_open(path, &err));
	assert_non_null(strstr(err.text, path));
	assert_int_equal(err.code, 0);
	assert_null(revocations_open("/nonexistent/revoked", &err));
	assert_non_null(strstr(err.text, "/nonexistent/revoked"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_what_was_issued_up_to_now_is_refused),
		T(test_one_tenant_s_subject_is_no_other_s),
		T(test_all_who_map_the_file_know_it_and_it_outlives_them),
		T(test_of_a_full_file_only_one_that_is_over_makes_way),
		T(test_another_file_is_refused_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
