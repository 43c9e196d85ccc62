/* jwks_file: which files are taken to begin with, and what a change does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/jwks_file.h"
#include "tests/unit/jwt_fixture.h"

#define EC_SET "{\"keys\":[" JWT_EC "]}"

struct bed {
	char			 dir[32];
	char			 path[64];
	struct event_base	*base;
};

/* With this text, of this mode, last changed `age` seconds ago. */
static void
put(const struct bed *bed, const char *text, mode_t mode, int age)
{
	struct timespec at[2];
	FILE *f = fopen(bed->path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
	assert_int_equal(chmod(bed->path, mode), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &at[0]), 0);
	at[0].tv_sec -= age;
	at[1] = at[0];
	assert_int_equal(utimensat(AT_FDCWD, bed->path, at, 0), 0);
}

static int
set_up(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	assert_non_null(bed);
	(void)snprintf(bed->dir, sizeof(bed->dir), "/tmp/sl-jwks-XXXXXX");
	assert_non_null(mkdtemp(bed->dir));
	(void)snprintf(bed->path, sizeof(bed->path), "%s/keys", bed->dir);
	bed->base = event_base_new();
	assert_non_null(bed->base);
	*state = bed;
	return 0;
}

static int
tear_down(void **state)
{
	struct bed *bed = *state;

	(void)unlink(bed->path);
	(void)rmdir(bed->dir);
	event_base_free(bed->base);
	free(bed);
	return 0;
}

/* Refused to begin with, with this in the text and this code. */
static void
refused(const struct bed *bed, const char *want, int code)
{
	struct err err = { 0 };
	struct jwks_file *f = jwks_file_open(bed->base, bed->path, &err);

	if (f != NULL || strstr(err.text, want) == NULL)
		fail_msg("\"%s\"; want \"%s\"", err.text, want);
	assert_non_null(strstr(err.text, bed->path));
	assert_int_equal(err.code, code);
}

static void
test_what_others_may_write_or_a_secret_they_read_is_refused(void **state)
{
	const struct bed *bed = *state;
	struct err err = { 0 };
	struct jwks_file *f;

	put(bed, EC_SET, 0646, 60);
	refused(bed, "every user may write it", 0);
	put(bed, "{\"keys\":[" JWT_OCT "]}", 0644, 60);
	refused(bed, "every user may read it", 0);
	put(bed, EC_SET, 0644, 60);
	f = jwks_file_open(bed->base, bed->path, &err);
	assert_non_null(f);
	/* Nor is it taken from one later. */
	put(bed, "{\"keys\":[" JWT_RSA "]}", 0666, 60);
	jwks_file_reload(f);
	assert_int_equal(jwks_file_keys(f)->keys[0].alg, JWKS_ES256);
	jwks_file_close(f);
}

static void
test_a_file_that_is_being_written_is_worth_another_try(void **state)
{
	const struct bed *bed = *state;

	refused(bed, "cannot be opened", ENOENT);
	put(bed, "{\"keys\":[", 0600, 0);
	refused(bed, "is no JSON", EAGAIN);
	put(bed, "", 0600, 0);
	refused(bed, "is empty", EAGAIN);
	put(bed, "{\"keys\":[", 0600, 60);
	refused(bed, "is no JSON", 0);
	put(bed, "{\"keys\":[7]}", 0600, 0);
	refused(bed, "keys[0]", 0);
}

static void
test_a_set_without_keys_puts_all_out_of_force(void **state)
{
	const struct bed *bed = *state;
	struct err err = { 0 };
	struct jwks_file *f;

	put(bed, "{\"keys\":[]}", 0600, 60);
	refused(bed, "has no key", 0);
	put(bed, EC_SET, 0600, 60);
	f = jwks_file_open(bed->base, bed->path, &err);
	assert_non_null(f);
	assert_int_equal(jwks_file_keys(f)->n, 1);
	put(bed, "{\"keys\":[]}", 0600, 60);
	jwks_file_reload(f);
	assert_int_equal(jwks_file_keys(f)->n, 0);
	put(bed, "", 0600, 0);
	jwks_file_reload(f);
	assert_int_equal(jwks_file_keys(f)->n, 0);
	put(bed, EC_SET, 0600, 60);
	jwks_file_reload(f);
	assert_int_equal(jwks_file_keys(f)->n, 1);
	jwks_file_close(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_what_others_may_write_or_a_secret_they_read_is_refused,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_a_file_that_is_being_written_is_worth_another_try,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_a_set_without_keys_puts_all_out_of_force,
		    set_up, tear_down),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	libevent_global_shutdown();
	return failed;
}
