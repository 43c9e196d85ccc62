/* revocations: whose tokens are refused, for all who map the file. */
#include <errno.h>
#include <pthread.h>
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
refused(struct revocations *r, const char *tenant,
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

	(void)state;
	add(one, NULL, "eve", NOW);
	assert_true(refused(two, "-", "eve", NOW));
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

static bool
looked(struct revocations *r)
{
	struct err err = { 0 };
	bool fresh;

	if (revocations_look(r, &fresh, &err) == -1)
		fail_msg("%s", err.text);
	return fresh;
}

static bool
ends(const struct revocations *r, const char *subject, int64_t issued)
{
	char name[32];
	struct identity id = { .subject = name, .issued_unix_ms = issued,
	    .tenant = "-" };

	(void)snprintf(name, sizeof(name), "%s", subject);
	return revocations_ends(r, &id);
}

static void
test_what_is_open_ends_once_whatever_its_token_s_time(void **state)
{
	struct revocations *one = opened(), *two;

	(void)state;
	add(one, NULL, "old", NOW);
	two = opened();
	/* What was there before it opened has nothing open. */
	assert_false(looked(two));
	add(one, "-", "eve", NOW);
	/* Judged first by a request, then by a look. */
	assert_true(refused(two, "-", "eve", NOW));
	assert_true(looked(two));
	assert_true(ends(two, "eve", NOW + 29000));
	assert_false(ends(two, "old", NOW - 1));
	assert_false(ends(two, "bob", NOW - 1));
	revocations_ended(two);
	assert_false(looked(two));
	/* Who came back with a newer token is not ended by another's end. */
	add(one, NULL, "bob", NOW + 1000);
	assert_true(looked(two));
	assert_false(ends(two, "eve", NOW + 29000));
	assert_true(ends(two, "bob", NOW));
	revocations_ended(two);
	add(one, "-", "eve", NOW + 2000);
	assert_true(looked(two));
	assert_true(ends(two, "eve", NOW + 29000));
	assert_false(ends(two, "bob", NOW));
	revocations_close(one);
	revocations_close(two);
}

/* The file with all its places taken, at the time of the number's place. */
static void
fill(void)
{
	FILE *f = fopen(path, "r+e");
	uint64_t head[2] = { 1, REVOCATIONS_MAX };
	char key[17];
	int64_t at;

	assert_non_null(f);
	assert_int_equal(fseek(f, sizeof(uint64_t), SEEK_SET), 0);
	assert_int_equal(fwrite(head, sizeof(head), 1, f), 1);
	for (unsigned int i = 0; i < REVOCATIONS_MAX; i++) {
		at = NOW + i;
		(void)snprintf(key, sizeof(key), "%16u", i);
		assert_int_equal(fwrite(key, 16, 1, f), 1);
		assert_int_equal(fwrite(&at, sizeof(at), 1, f), 1);
	}
	assert_int_equal(fclose(f), 0);
}

static void
test_of_a_full_file_only_one_that_is_over_makes_way(void **state)
{
	struct revocations *r = opened();
	struct err err = { 0 };

	(void)state;
	fill();
	assert_int_equal(revocations_add(r, NULL, "eve", NOW + 5000, &err),
	    -1);
	assert_non_null(strstr(err.text, "jwt.jwks_file"));
	assert_int_equal(err.code, 0);
	add(r, NULL, "eve", NOW + REVOCATION_KEEP_MS + 1);
	assert_true(refused(r, "-", "eve", NOW));
	/* Who is in it already can be revoked again. */
	add(r, NULL, "eve", NOW + REVOCATION_KEEP_MS + 1);
	assert_int_equal(revocations_add(r, NULL, "mallory",
	    NOW + REVOCATION_KEEP_MS + 1, &err), -1);
	assert_true(refused(r, "-", "eve", NOW));
	revocations_close(r);
}

#define WRITERS 4u
#define EACH    48u

static void *
revoke_many(void *arg)
{
	struct revocations *r = opened();
	const unsigned int *me = arg;
	char name[32];

	for (unsigned int i = 0; i < EACH; i++) {
		(void)snprintf(name, sizeof(name), "w%u-%u", *me, i);
		add(r, NULL, name, NOW + 2 * REVOCATION_KEEP_MS);
	}
	revocations_close(r);
	return NULL;
}

static void
test_none_that_was_acknowledged_is_lost_to_another_writer(void **state)
{
	struct revocations *r = opened();
	unsigned int number[WRITERS];
	pthread_t thread[WRITERS];
	char name[32];

	(void)state;
	fill();
	for (unsigned int i = 0; i < WRITERS; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, revoke_many,
		    &number[i]), 0);
	}
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (unsigned int i = 0; i < WRITERS * EACH; i++) {
		(void)snprintf(name, sizeof(name), "w%u-%u", i / EACH,
		    i % EACH);
		assert_true(refused(r, "-", name, NOW));
	}
	revocations_close(r);
}

static void
test_a_file_that_is_cut_short_changes_nothing_that_is_known(void **state)
{
	struct revocations *r = opened();
	struct err err = { 0 };
	bool fresh;

	(void)state;
	add(r, NULL, "eve", NOW);
	assert_true(refused(r, "-", "eve", NOW));
	assert_int_equal(truncate(path, 0), 0);
	assert_true(refused(r, "-", "eve", NOW));
	assert_false(refused(r, "-", "bob", NOW));
	assert_int_equal(revocations_look(r, &fresh, &err), -1);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(revocations_add(r, NULL, "bob", NOW, &err), -1);
	assert_int_equal(err.code, EIO);
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
		T(test_what_is_open_ends_once_whatever_its_token_s_time),
		T(test_of_a_full_file_only_one_that_is_over_makes_way),
		T(test_none_that_was_acknowledged_is_lost_to_another_writer),
		T(test_a_file_that_is_cut_short_changes_nothing_that_is_known),
		T(test_another_file_is_refused_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
