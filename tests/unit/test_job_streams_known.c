/* job_streams: what the store and the broker tell of the streams, and what
 * follows. */
#include "common/xmalloc.h"
#include "tests/unit/jobs_fixture.h"
#include "watcher/inv_object.h"

/* The guard is lost to an event of the Job with that uid. */
static void
lost_to(struct job_stream *s, const char *uid, enum lifecycle_state at)
{
	uint8_t bytes[JOB_UID_SIZE], mark[EVENT_HASH_SIZE];

	assert_true(inv_object_uid(slice_str(uid), bytes));
	job_name_mark(bytes, mark);
	answer_with(s, RECORD_GUARD_LOST, at, 1, mark);
}

/* What the store says of a stream. */
static void
stored(const char *key, const char *uid, const char *state, unsigned attempt)
{
	char *frame = xasprintf("\"type\":\"job\",\"correlation_id\":\"%s\","
	    "\"data\":{\"state\":\"%s\",\"attempt\":%u}}", uid, state,
	    attempt);
	struct item item = { .event_type = slice_str("job.state_changed"),
		.key = slice_str(key), .frame = slice_str(frame),
		.position = { 1, 7 } };

	job_streams_stored(jobs, &item);
	free(frame);
}

static void
test_a_lost_guard_tells_where_to_go_on(void **state)
{
	char text[512];
	struct job_stream *s;

	(void)state;
	seen(UID_1, RUNS);
	s = hand_over(text, sizeof(text));
	answer(s, RECORD_GUARD_LOST, LIFECYCLE_QUEUED, 1);
	says("prod/ns/migrate: leased 1, running 1 > 10");
	/* Somebody else ended it: nothing more is said of this Job. */
	seen(UID_1, DONE);
	s = hand_over(text, sizeof(text));
	answer(s, RECORD_ENDED, LIFECYCLE_FAILED, 1);
	says_nothing();
	seen(UID_1, DONE);
	says_nothing();
}

/* Nothing of the earlier one is known here any more: the broker tells whose
 * the end is. */
static void
test_a_job_that_is_over_is_not_taken_for_an_earlier_one(void **state)
{
	char text[512];
	struct job_stream *s;

	(void)state;
	seen(UID_2, DONE);
	s = hand_over(text, sizeof(text));
	assert_string_equal(text, "prod/ns/migrate: succeeded 1 > 0");
	lost_to(s, UID_1, LIFECYCLE_SUCCEEDED);
	says("prod/ns/migrate:aaaaaaaa: succeeded 1 > 0");
	says_nothing();
	/* Its own end is told once. */
	deleted(UID_2, DONE);
	seen(UID_1, DONE);
	s = hand_over(text, sizeof(text));
	assert_string_equal(text, "prod/ns/migrate: succeeded 1 > 0");
	lost_to(s, UID_1, LIFECYCLE_SUCCEEDED);
	says_nothing();
}

/* The store, which will say so, is away. */
static void
test_no_job_goes_on_in_the_stream_of_another(void **state)
{
	char text[512];
	struct job_stream *s;

	(void)state;
	seen(UID_2, RUNS);
	s = hand_over(text, sizeof(text));
	lost_to(s, UID_1, LIFECYCLE_QUEUED);
	says("prod/ns/migrate:aaaaaaaa: running 1 > 0");
	/* In its own it does. */
	deleted(UID_2, DONE);
	says("prod/ns/migrate:aaaaaaaa: succeeded 1 > 20");
	seen(UID_1, RUNS);
	s = hand_over(text, sizeof(text));
	lost_to(s, UID_1, LIFECYCLE_QUEUED);
	says("prod/ns/migrate: leased 1, running 1 > 40");
}

static void
test_two_who_publish_on_one_key_do_not_go_on_for_ever(void **state)
{
	char text[512];
	struct job_stream *s;

	(void)state;
	seen(UID_1, RUNS);
	for (int i = 0; i < JOB_STREAMS_LOSSES_MAX; i++) {
		s = hand_over(text, sizeof(text));
		assert_non_null(s);
		answer(s, RECORD_GUARD_LOST, LIFECYCLE_QUEUED, 1);
	}
	says_nothing();
	/* Another change of the Job, another try. */
	seen(UID_1, DONE);
	says("prod/ns/migrate: leased 1, running 1, succeeded 1 > 40");
	says_nothing();
	/* What is gone does not change any more, and is let go. */
	seen(UID_2, RUNS);
	says("prod/ns/migrate:aaaaaaaa: running 1 > 0");
	deleted(UID_2, RUNS);
	for (int i = 0; i < JOB_STREAMS_LOSSES_MAX; i++) {
		s = hand_over(text, sizeof(text));
		assert_non_null(s);
		answer(s, RECORD_GUARD_LOST, LIFECYCLE_QUEUED, 1);
	}
	list(NULL, NULL);
	says_nothing();
}

static void
test_a_refused_group_is_tried_again_when_the_job_changes(void **state)
{
	char text[512];
	struct job_stream *s;

	(void)state;
	seen(UID_1, "{}");
	s = hand_over(text, sizeof(text));
	answer(s, RECORD_LIMIT, LIFECYCLE_NONE, 0);
	says_nothing();
	seen(UID_1, RUNS);
	s = hand_over(text, sizeof(text));
	assert_string_equal(text, "prod/ns/migrate: running 1 > 0");
	/* While it is under way, too. */
	seen(UID_1, DONE);
	answer(s, RECORD_LIMIT, LIFECYCLE_NONE, 0);
	says("prod/ns/migrate: succeeded 1 > 0");
}

static void
test_after_a_restart_only_differences_are_said(void **state)
{
	(void)state;
	/* The list first, the store then; and the other way round. */
	list(UID_1, RUNS);
	stored("job:prod/ns/migrate", UID_1, "running", 1);
	says_nothing();
	seen(UID_1, DONE);
	says("prod/ns/migrate: succeeded 1 > 7");
	stored("job:prod/ns/migrate:aaaaaaaa", UID_2, "queued", 2);
	says("prod/ns/migrate:aaaaaaaa: canceled 2 > 7");
}

static void
test_what_the_store_says_before_a_list_waits_for_it(void **state)
{
	(void)state;
	stored("job:prod/ns/migrate", UID_1, "succeeded", 1);
	stored("job:prod/ns/other", UID_2, "running", 3);
	says_nothing();
	list(UID_1, DONE);
	says("prod/ns/other: canceled 3 > 7");
	says_nothing();
}

/* The store tells only later that an earlier watcher had shown it. */
static void
test_one_that_left_before_the_store_told_of_it_ends_as_it_did(void **state)
{
	(void)state;
	seen(UID_1, DONE);
	deleted(UID_1, DONE);
	stored("job:prod/ns/migrate", UID_1, "running", 1);
	says("prod/ns/migrate: succeeded 1 > 7");
	says_nothing();
	assert_int_equal(job_streams_known(jobs), 0);
}

static void
test_a_stream_of_an_earlier_job_takes_its_name(void **state)
{
	(void)state;
	list(UID_2, RUNS);
	stored("job:prod/ns/migrate", UID_1, "failed", 3);
	says("prod/ns/migrate:aaaaaaaa: running 1 > 0");
}

static void
test_streams_that_are_none_of_these_are_left_alone(void **state)
{
	(void)state;
	list(NULL, NULL);
	stored("job:prod/ns/migrate", "no uid", "running", 1);
	stored("job:prod/ns/migrate:bbbbbbbb", UID_2, "running", 1);
	stored("job:prod/migrate", UID_1, "running", 1);
	stored("job:prod", UID_1, "running", 1);
	stored("job:production/ns/migrate", UID_1, "running", 1);
	stored("job:prod/ns/migrate", UID_1, "dancing", 1);
	stored("job:prod/ns/migrate", UID_1, "running", 0);
	says_nothing();
}

static void
test_a_job_that_ended_long_ago_is_not_told_of(void **state)
{
	struct kube_object o = job(UID_1, DONE);

	(void)state;
	job_streams_seen(jobs, &o, NOW + JOB_STREAMS_OLD_MS + 1);
	says_nothing();
	/* But its stream waits for its end. */
	stored("job:prod/ns/migrate", UID_1, "running", 1);
	says("prod/ns/migrate: succeeded 1 > 7");
	seen(UID_2, DONE);
	says("prod/ns/migrate:aaaaaaaa: succeeded 1 > 0");
}

static void
test_a_job_is_told_of_for_as_long_as_its_stream_is_served(void **state)
{
	const int64_t hour = 60 * 60 * 1000;
	struct kube_object o = job(UID_1, DONE);

	(void)state;
	job_streams_free(jobs);
	jobs = job_streams_new("prod", hour, 0);
	o.name = slice_str("late");
	job_streams_seen(jobs, &o, NOW + hour);
	says_nothing();
	o.name = slice_str("migrate");
	job_streams_seen(jobs, &o, NOW + hour - 1000);
	says("prod/ns/migrate: succeeded 1 > 0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_lost_guard_tells_where_to_go_on),
		CASE(test_a_job_that_is_over_is_not_taken_for_an_earlier_one),
		CASE(test_no_job_goes_on_in_the_stream_of_another),
		CASE(test_two_who_publish_on_one_key_do_not_go_on_for_ever),
		CASE(test_a_refused_group_is_tried_again_when_the_job_changes),
		CASE(test_after_a_restart_only_differences_are_said),
		CASE(test_what_the_store_says_before_a_list_waits_for_it),
		CASE(
		test_one_that_left_before_the_store_told_of_it_ends_as_it_did),
		CASE(test_a_stream_of_an_earlier_job_takes_its_name),
		CASE(test_streams_that_are_none_of_these_are_left_alone),
		CASE(test_a_job_that_ended_long_ago_is_not_told_of),
		CASE(test_a_job_is_told_of_for_as_long_as_its_stream_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
