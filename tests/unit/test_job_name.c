/* job_name: keys of job streams, both ways, and whose an event is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/job_name.h"

static const uint8_t uid[JOB_UID_SIZE] = { 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45,
	0x46, 0x78, 0x89, 0x9a, 0, 1, 2, 3, 4, 5 };

static void
test_a_uid_is_written_as_kubernetes_does(void **state)
{
	char text[JOB_UID_TEXT];

	(void)state;
	job_name_uid(uid, text);
	assert_string_equal(text, "abcdef01-2345-4678-899a-000102030405");
}

static void
round_trip(const uint8_t *suffix, const char *wanted)
{
	struct buf key = BUF_EMPTY;
	size_t namespace_len = 0;
	bool suffixed = false;
	char *path;

	buf_adds(&key, "job:");
	job_name_add(&key, "prod", "ns/migrate", suffix);
	assert_true(slice_is((struct slice){ (char *)key.data, key.len },
	    wanted));
	path = job_name_path((struct slice){ (char *)key.data, key.len },
	    "prod", uid, &namespace_len, &suffixed);
	assert_non_null(path);
	assert_string_equal(path, "ns/migrate");
	assert_int_equal(namespace_len, 2);
	assert_int_equal(suffixed, suffix != NULL);
	free(path);
	buf_free(&key);
}

static void
test_a_key_is_read_as_it_was_written(void **state)
{
	(void)state;
	round_trip(NULL, "job:prod/ns/migrate");
	round_trip(uid, "job:prod/ns/migrate:abcdef01");
}

static void
test_keys_that_are_none_of_a_job_here_are_refused(void **state)
{
	static const char *const keys[] = { "", "job:", "job:prod",
		"job:prod/", "job:prod/migrate", "job:production/ns/migrate",
		"run:prod/ns/migrate", "job:prod/ns/migrate:",
		"job:prod/ns/migrate:abcdef0", "job:prod/ns/migrate:abcdef012",
		"job:prod/ns/migrate:ABCDEF01", "job:prod/ns/migrate:abcdef02",
		"job:prod/ns/a:b:abcdef01" };

	(void)state;
	for (size_t i = 0; i < NELEM(keys); i++) {
		size_t n;
		bool suffixed;

		assert_null(job_name_path(slice_str(keys[i]), "prod", uid, &n,
		    &suffixed));
	}
}

static void
test_a_name_must_leave_room_for_the_suffix(void **state)
{
	char name[EVENT_NAME_MAX];
	struct slice s = { name, EVENT_NAME_MAX - strlen("prod/ns/:abcdef01") };

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_true(job_name_fits("prod", slice_str("ns"), s));
	s.n++;
	assert_false(job_name_fits("prod", slice_str("ns"), s));
}

static void
test_a_mark_tells_a_job_from_others_and_from_other_publishers(void **state)
{
	uint8_t mark[EVENT_HASH_SIZE], other[JOB_UID_SIZE];
	static const uint8_t none[EVENT_HASH_SIZE], hash[] = { 0x9f, 1, 2, 3,
		4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

	(void)state;
	job_name_mark(uid, mark);
	assert_int_equal(job_name_whose(uid, mark), JOB_WHOSE_OWN);
	for (size_t i = 0; i < JOB_UID_SIZE; i++) {
		memcpy(other, uid, sizeof(other));
		other[i] ^= 0x10;
		assert_int_equal(job_name_whose(other, mark),
		    JOB_WHOSE_EARLIER);
	}
	assert_int_equal(job_name_whose(uid, hash), JOB_WHOSE_OTHERS);
	/* Of a watcher that made no marks. */
	assert_int_equal(job_name_whose(uid, none), JOB_WHOSE_OTHERS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_uid_is_written_as_kubernetes_does),
		cmocka_unit_test(test_a_key_is_read_as_it_was_written),
		cmocka_unit_test(
		    test_keys_that_are_none_of_a_job_here_are_refused),
		cmocka_unit_test(test_a_name_must_leave_room_for_the_suffix),
		cmocka_unit_test(
		    test_a_mark_tells_a_job_from_others_and_from_other_publishers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
