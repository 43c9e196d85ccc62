/* The spool: in order, once, through every kind of end. */
#include "tests/unit/spool_fixture.h"

#include <signal.h>
#include <sys/resource.h>

static void
test_what_was_not_taken_is_there_at_the_next_start(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, LIMIT);

	assert_int_equal(append(s, p, 0, 100, NULL), 100);
	assert_int_equal(take(s, p, 0, 30), 30);
	spool_close(s);
	s = open_at(p, LIMIT);
	assert_string_equal(p->damage, "");
	assert_int_equal(spool_pending(s), 70);
	assert_int_equal(append(s, p, 100, 10, NULL), 10);
	assert_int_equal(take_all(s, p, 30), 110);
	assert_int_equal(spool_bytes(s), 0);
	spool_close(s);
	s = open_at(p, LIMIT);
	assert_int_equal(spool_pending(s), 0);
	spool_close(s);
}

static void
test_segments_rotate_and_leave_when_they_are_sent(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, LIMIT);
	char *first = segment_path(p, 1), *third = segment_path(p, 3);

	p->size = 40000;
	for (unsigned int i = 0; i < 300; i += 100)
		assert_int_equal(append(s, p, i, 100, NULL), 100);
	assert_int_equal(access(first, F_OK), 0);
	assert_int_equal(access(third, F_OK), 0);
	assert_true(spool_bytes(s) > 300 * 40000);
	for (unsigned int n = 0; n < 150; )
		n += (unsigned int)take(s, p, n, 150 - n);
	assert_int_equal(access(first, F_OK), -1);
	assert_true(spool_bytes(s) < 200 * 41000);
	spool_close(s);
	s = open_at(p, LIMIT);
	assert_int_equal(take_all(s, p, 150), 300);
	assert_int_equal(access(third, F_OK), -1);
	spool_close(s);
	free(first);
	free(third);
}

/* A process may be killed at any byte of a write. */
static void
test_a_segment_cut_at_any_byte_keeps_its_whole_records(void **state)
{
	struct place *p = *state;
	const off_t record = 8 + 40;
	char *path = segment_path(p, 1);

	for (off_t cut = 0; cut < 3 * record + 16; cut++) {
		struct spool *s = open_at(p, LIMIT);
		unsigned int whole = cut < 16 ? 0 :
		    (unsigned int)((cut - 16) / record);

		assert_int_equal(append(s, p, 0, 3, NULL), 3);
		spool_close(s);
		assert_int_equal(truncate(path, cut), 0);
		s = open_at(p, LIMIT);
		assert_string_equal(p->damage, "");
		assert_int_equal(spool_pending(s), whole);
		assert_int_equal(take_all(s, p, 0), whole);
		spool_close(s);
		forget(p);
	}
	free(path);
}

static void
test_of_two_marks_the_newer_whole_one_counts(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, LIMIT);
	char path[160];

	assert_int_equal(append(s, p, 0, 10, NULL), 10);
	assert_int_equal(take(s, p, 0, 3), 3);   /* generation 1 */
	assert_int_equal(take(s, p, 3, 3), 3);   /* generation 2 */
	spool_close(s);
	(void)snprintf(path, sizeof(path), "%s/sent", p->directory);
	s = open_at(p, LIMIT);
	assert_int_equal(spool_pending(s), 4);
	spool_close(s);
	flip(path, 0 * SPOOL_SENT_SIZE + 20, 1);
	s = open_at(p, LIMIT);
	assert_int_equal(spool_pending(s), 7);
	spool_close(s);
	flip(path, 1 * SPOOL_SENT_SIZE + 20, 1);
	s = open_at(p, LIMIT);
	assert_int_equal(take_all(s, p, 0), 10);
	spool_close(s);
}

static void
test_the_limit_is_kept_and_room_comes_back(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, 4096);
	struct err err;
	size_t n = append(s, p, 0, 1000, &err);

	assert_int_equal(n, (4096 - 16) / 48);
	assert_non_null(strstr(err.text, "limit of 4096 bytes"));
	assert_true(spool_bytes(s) <= 4096);
	assert_int_equal(take_all(s, p, 0), n);
	assert_int_equal(append(s, p, 0, 10, &err), 10);
	spool_close(s);
}

/* As a full disk does: what fits is written, the rest refused, and no half
 * record stays. */
static void
test_a_write_that_fails_leaves_whole_records(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, LIMIT);
	struct rlimit before;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	struct err err;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	(void)sigaction(SIGXFSZ, &ignore, &old);
	assert_int_equal(append(s, p, 0, 5, NULL), 5);
	(void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1000,
	    before.rlim_max });
	assert_int_equal(append(s, p, 5, 100, &err), 0);
	assert_non_null(strstr(err.text, "File too large"));
	assert_int_equal(append(s, p, 5, 2, NULL), 2);
	(void)setrlimit(RLIMIT_FSIZE, &before);
	(void)sigaction(SIGXFSZ, &old, NULL);
	assert_int_equal(append(s, p, 7, 100, NULL), 100);
	spool_close(s);
	s = open_at(p, LIMIT);
	assert_string_equal(p->damage, "");
	assert_int_equal(take_all(s, p, 0), 107);
	spool_close(s);
}

static void
test_two_handles_exclude_each_other(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, LIMIT);
	struct err err;

	assert_null(spool_open(p->directory, LIMIT, SLUICE_SYNC_EACH,
	    p->damage, &err));
	assert_non_null(strstr(err.text, "is in use"));
	spool_close(s);
	s = open_at(p, LIMIT);
	spool_close(s);
}

static void
test_each_policy_writes_and_closes(void **state)
{
	static const enum sluice_sync all[] = { SLUICE_SYNC_SECOND,
		SLUICE_SYNC_EACH, SLUICE_SYNC_NEVER };
	struct place *p = *state;
	unsigned int next = 0;

	for (size_t i = 0; i < NELEM(all); i++) {
		struct err err;
		struct spool *s = spool_open(p->directory, LIMIT, all[i],
		    p->damage, &err);

		assert_int_equal(append(s, p, next, 3, &err), 3);
		assert_int_equal(spool_needs_sync(s),
		    all[i] == SLUICE_SYNC_SECOND);
		assert_int_equal(spool_sync(s, &err), 0);
		assert_false(spool_needs_sync(s));
		next = take_all(s, p, next);
		spool_close(s);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_what_was_not_taken_is_there_at_the_next_start),
		T(test_segments_rotate_and_leave_when_they_are_sent),
		T(test_a_segment_cut_at_any_byte_keeps_its_whole_records),
		T(test_of_two_marks_the_newer_whole_one_counts),
		T(test_the_limit_is_kept_and_room_comes_back),
		T(test_a_write_that_fails_leaves_whole_records),
		T(test_two_handles_exclude_each_other),
		T(test_each_policy_writes_and_closes),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
