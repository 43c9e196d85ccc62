/* job_streams: what of Jobs is to be said, on which stream. */
#include "tests/unit/jobs_fixture.h"
#include "watcher/payload.h"

static void
test_a_job_is_told_from_its_creation_to_its_end(void **state)
{
	(void)state;
	seen(UID_1, "{}");
	says("prod/ns/migrate: pending 1 > 0");
	seen(UID_1, "{}");
	says_nothing();
	seen(UID_1, RUNS);
	says("prod/ns/migrate: queued 1, leased 1, running 1 > 10");
	seen(UID_1, DONE);
	says("prod/ns/migrate: succeeded 1 > 20");
	seen(UID_1, DONE);
	deleted(UID_1, DONE);
	says_nothing();
}

static void
test_what_happens_while_it_is_under_way_follows(void **state)
{
	char text[512];
	struct job_stream *s;

	(void)state;
	seen(UID_1, "{}");
	s = hand_over(text, sizeof(text));
	seen(UID_1, RUNS);
	deleted(UID_1, RUNS);
	says_nothing();
	answer(s, RECORD_APPENDED, LIFECYCLE_NONE, 0);
	says("prod/ns/migrate: canceled 1 > 10");
	says_nothing();
}

static void
test_a_job_that_is_deleted_before_its_end_is_canceled(void **state)
{
	(void)state;
	seen(UID_1, RUNS);
	says("prod/ns/migrate: running 1 > 0");
	deleted(UID_1, RUNS);
	says("prod/ns/migrate: canceled 1 > 10");
	/* What was deleted with its end in it has ended so. */
	seen(UID_2, RUNS);
	says("prod/ns/migrate: running 1 > 0");
	deleted(UID_2, DONE);
	says("prod/ns/migrate: succeeded 1 > 30");
	/* Nobody had heard of this one. */
	seen(UID_1, "{}");
	deleted(UID_1, "{}");
	says_nothing();
}

static void
test_what_a_whole_list_does_not_name_is_canceled(void **state)
{
	(void)state;
	list(UID_1, RUNS);
	says("prod/ns/migrate: running 1 > 0");
	list(NULL, NULL);
	says("prod/ns/migrate: canceled 1 > 10");
}

/* The end of a stream is final: who has the name next has another key. */
static void
test_a_job_of_the_same_name_gets_a_key_of_its_own(void **state)
{
	char text[512];
	struct job_stream *s;

	(void)state;
	seen(UID_1, RUNS);
	says("prod/ns/migrate: running 1 > 0");
	/* The deletion was missed. */
	seen(UID_2, "{}");
	says("prod/ns/migrate: canceled 1 > 10");
	says("prod/ns/migrate:aaaaaaaa: pending 1 > 0");
	deleted(UID_2, "{}");
	says("prod/ns/migrate:aaaaaaaa: canceled 1 > 30");
	says_nothing();
	/* Forgotten here; the broker knows. */
	seen(UID_1, RUNS);
	s = hand_over(text, sizeof(text));
	assert_string_equal(text, "prod/ns/migrate: running 1 > 0");
	answer(s, RECORD_GUARD_LOST, LIFECYCLE_CANCELED, 1);
	says("prod/ns/migrate:11111111: running 1 > 0");
	says_nothing();
}

static void
test_of_many_failed_pods_no_attempt_is_told_later(void **state)
{
	char text[1024];
	struct job_stream *s;

	(void)state;
	spec = "{}";
	seen(UID_1, RUNS);
	says("prod/ns/migrate: running 1 > 0");
	seen(UID_1, "{\"active\":1,\"failed\":500}");
	s = hand_over(text, sizeof(text));
	assert_non_null(strstr(text, "running 9 >"));
	answer(s, RECORD_APPENDED, LIFECYCLE_NONE, 0);
	says_nothing();
	seen(UID_1, "{\"active\":1,\"failed\":501}");
	says("prod/ns/migrate: queued 10, leased 10, running 10 > 20");
}

static void
says_so(const char *part)
{
	char text[512];
	struct job_stream *s = hand_over(text, sizeof(text));

	assert_non_null(strstr(text, part));
	answer(s, RECORD_APPENDED, LIFECYCLE_NONE, 0);
}

static void
make_uid(unsigned i, char ret[JOB_UID_TEXT])
{
	(void)snprintf(ret, JOB_UID_TEXT, "%08u%s", i, &UID_1[8]);
}

static void
numbered(unsigned i, const char *status)
{
	struct kube_object o = job(UID_1, status);
	char name[32], uid[JOB_UID_TEXT];

	(void)snprintf(name, sizeof(name), "job-%u", i);
	make_uid(i, uid);
	o.name = slice_str(name);
	o.uid = slice_str(uid);
	job_streams_seen(jobs, &o, NOW);
}

static void
test_many_jobs_are_all_found_again(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 500; i++) {
		numbered(i, "{}");
		says_so(": pending 1 > 0");
	}
	for (i = 0; i < 500; i++) {
		numbered(i, RUNS);
		says_so(": queued 1, leased 1, running 1 >");
	}
	list(NULL, NULL);
	for (i = 0; i < 500; i++)
		says_so(": canceled 1 >");
	says_nothing();
}

/* While nothing can be published. */
static void
test_jobs_that_come_and_go_unshown_fill_no_memory(void **state)
{
	char uid[JOB_UID_TEXT];
	struct kube_object o;
	unsigned i;

	(void)state;
	job_streams_free(jobs);
	jobs = job_streams_new("prod", 0, 2);
	for (i = 0; i < JOB_STREAMS_SILENT_MAX * 4; i++) {
		make_uid(i, uid);
		o = job(uid, "{}");
		assert_true(job_streams_seen(jobs, &o, NOW));
		job_streams_deleted(jobs, &o, NOW);
	}
	assert_true(job_streams_known(jobs) <= JOB_STREAMS_SILENT_MAX);
	/* Nor are they in the way of who comes then. */
	seen(UID_2, "{}");
	says("prod/ns/migrate:aaaaaaaa: pending 1 > 0");
	says_nothing();
	assert_int_equal(job_streams_known(jobs), 1);
}

static void
test_a_new_job_beyond_the_limit_has_no_room(void **state)
{
	struct kube_object first = job(UID_1, "{}"), second = job(UID_2, "{}");

	(void)state;
	job_streams_free(jobs);
	jobs = job_streams_new("prod", 0, 1);
	assert_true(job_streams_seen(jobs, &first, NOW));
	says("prod/ns/migrate: pending 1 > 0");
	assert_false(job_streams_seen(jobs, &second, NOW));
	/* What is known has its room; and leaves it, once that is said. */
	assert_true(job_streams_seen(jobs, &first, NOW));
	job_streams_deleted(jobs, &first, NOW);
	assert_false(job_streams_seen(jobs, &second, NOW));
	says("prod/ns/migrate: canceled 1 > 10");
	assert_true(job_streams_seen(jobs, &second, NOW));
}

/* As of an aggregated API. */
static void
test_jobs_whose_uids_are_none_are_told_apart(void **state)
{
	(void)state;
	seen("vcluster-7/one", DONE);
	says("prod/ns/migrate: succeeded 1 > 0");
	seen("vcluster-7/two", "{}");
	says("prod/ns/migrate:18658bfa: pending 1 > 0");
}

/* The event as the broker gets it. */
static void
test_an_event_has_what_the_contract_says(void **state)
{
	struct job_step to = { LIFECYCLE_SUCCEEDED, 2 };
	struct payload_job_step step = { { LIFECYCLE_RUNNING, 2 }, to, true,
		true };
	struct payload p;
	struct job_stream *s;

	(void)state;
	seen(UID_1, DONE);
	s = job_streams_first(jobs);
	assert_non_null(s);
	s->guard = (struct position){ 1, 5 };
	payload_job_state(&p, "prod", s, &step, NOW);
	assert_true(slice_is(p.item.key, "job:prod/ns/migrate"));
	assert_true(slice_is(p.item.frame, "\"type\":\"job\","
	    "\"stream_key\":\"job:prod/ns/migrate\","
	    "\"event_type\":\"job.state_changed\","
	    "\"timestamp\":\"2026-01-01T00:00:10.000Z\","
	    "\"source\":\"/watcher/prod\",\"version\":1,"
	    "\"correlation_id\":\"" UID_1 "\",\"terminal\":true,"
	    "\"data\":{\"job_id\":\"prod/ns/migrate\","
	    "\"state\":\"succeeded\",\"previous_state\":\"running\","
	    "\"attempt\":2,\"max_attempts\":3,\"job_type\":\"kubernetes\","
	    "\"reason\":\"R\",\"message\":\"said \\\"so\\\"\","
	    "\"started_at\":\"2026-01-01T00:00:01.000Z\","
	    "\"finished_at\":\"2026-01-01T00:00:09.000Z\","
	    "\"duration_ms\":8000}}"));
	assert_int_equal(p.item.flags, ITEM_LIFECYCLE | ITEM_TERMINAL |
	    ITEM_GUARDED);
	assert_int_equal(p.item.state, LIFECYCLE_SUCCEEDED);
	assert_int_equal(p.item.attempt, 2);
	assert_int_equal(p.item.guard.number, 5);
	assert_int_equal(job_name_whose(s->uid, p.item.body), JOB_WHOSE_OWN);
	payload_clear(&p);
	step = (struct payload_job_step){ { LIFECYCLE_NONE, 0 },
		{ LIFECYCLE_PENDING, 1 }, true, false };
	payload_job_state(&p, "prod", s, &step, NOW);
	assert_non_null(memmem(p.item.frame.p, p.item.frame.n,
	    "\"previous_state\":null", 21));
	assert_int_equal(p.item.flags, ITEM_LIFECYCLE | ITEM_GUARDED);
	payload_clear(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_job_is_told_from_its_creation_to_its_end),
		CASE(test_what_happens_while_it_is_under_way_follows),
		CASE(test_a_job_that_is_deleted_before_its_end_is_canceled),
		CASE(test_what_a_whole_list_does_not_name_is_canceled),
		CASE(test_a_job_of_the_same_name_gets_a_key_of_its_own),
		CASE(test_of_many_failed_pods_no_attempt_is_told_later),
		CASE(test_many_jobs_are_all_found_again),
		CASE(test_jobs_that_come_and_go_unshown_fill_no_memory),
		CASE(test_a_new_job_beyond_the_limit_has_no_room),
		CASE(test_jobs_whose_uids_are_none_are_told_apart),
		CASE(test_an_event_has_what_the_contract_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
