/* job_streams: what of Jobs is to be said, on which stream, behind what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "watcher/inv_object.h"
#include "watcher/payload.h"

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define NOW     INT64_C(1767225610000)   /* 2026-01-01T00:00:10Z */
#define UID_1   "11111111-2222-4333-8444-555555555555"
#define UID_2   "aaaaaaaa-2222-4333-8444-555555555555"
#define RUNS    "{\"startTime\":\"2026-01-01T00:00:01Z\",\"active\":1}"
#define ENDED(type) "{\"startTime\":\"2026-01-01T00:00:01Z\",\"conditions\":[" \
	"{\"type\":\"" type "\",\"status\":\"True\",\"reason\":\"R\"," \
	"\"message\":\"said \\\"so\\\"\"," \
	"\"lastTransitionTime\":\"2026-01-01T00:00:09Z\"}]}"
#define DONE    ENDED("Complete")

static struct job_streams *jobs;
static uint64_t position;
static const char *spec;

static int
setup(void **state)
{
	(void)state;
	jobs = job_streams_new("prod");
	position = 0;
	spec = "{\"backoffLimit\":2}";
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	job_streams_free(jobs);
	return 0;
}

static struct kube_object
job(const char *uid, const char *status)
{
	return (struct kube_object){ .uid = slice_str(uid),
		.namespace = slice_str("ns"), .name = slice_str("migrate"),
		.spec = slice_str(spec),
		.status = slice_str(status) };
}

static void
seen(const char *uid, const char *status)
{
	struct kube_object o = job(uid, status);

	job_streams_seen(jobs, &o, NOW);
}

static void
deleted(const char *uid, const char *status)
{
	struct kube_object o = job(uid, status);

	job_streams_deleted(jobs, &o, NOW);
}

/* Hands the first over: "<name>: queued 1, leased 1 > <guard>"; "" when there
 * is none. */
static struct job_stream *
hand_over(char *text, size_t size)
{
	struct job_step steps[JOB_STEPS_MAX];
	struct job_stream *s = job_streams_first(jobs);
	struct buf name = BUF_EMPTY;
	size_t n, at;

	text[0] = '\0';
	if (s == NULL)
		return NULL;
	job_streams_name(&name, "prod", s);
	at = (size_t)snprintf(text, size, "%.*s:", (int)name.len,
	    (const char *)name.data);
	buf_free(&name);
	n = job_streams_steps(s, steps);
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, size - at, "%s %s %u",
		    i == 0 ? "" : ",",
		    lifecycle_word((uint8_t)steps[i].state), steps[i].attempt);
	(void)snprintf(text + at, size - at, " > %d", (int)s->guard.number);
	job_streams_sent(jobs, s, steps, n);
	return s;
}

static void
answer(struct job_stream *s, enum record_code code,
    enum lifecycle_state at, uint32_t attempt)
{
	struct publish_result r = { .code = code, .state = (uint8_t)at,
		.attempt = attempt };

	position += 10;
	r.position = r.last = (struct position){ 1, position };
	(void)job_streams_answered(jobs, s, &r);
}

/* The first has this to say, and it is taken. */
static void
says(const char *wanted)
{
	char text[512];
	struct job_stream *s = hand_over(text, sizeof(text));

	assert_string_equal(text, wanted);
	answer(s, RECORD_APPENDED, LIFECYCLE_NONE, 0);
}

static void
says_nothing(void)
{
	assert_null(job_streams_first(jobs));
}

static void
list(const char *uid, const char *status)
{
	static uint32_t mark;

	job_streams_list_begin(jobs, SLICE_NONE, ++mark);
	if (uid != NULL)
		seen(uid, status);
	job_streams_list_end(jobs, SLICE_NONE, mark);
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
	says("prod/ns/migrate: running 1 > 0");
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
numbered(unsigned i, const char *status)
{
	struct kube_object o = job(UID_1, status);
	char name[32], uid[JOB_UID_TEXT];

	(void)snprintf(name, sizeof(name), "job-%u", i);
	(void)snprintf(uid, sizeof(uid), "%08u%s", i, &UID_1[8]);
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
		CASE(test_a_lost_guard_tells_where_to_go_on),
		CASE(test_a_refused_group_is_tried_again_when_the_job_changes),
		CASE(test_after_a_restart_only_differences_are_said),
		CASE(test_what_the_store_says_before_a_list_waits_for_it),
		CASE(test_a_stream_of_an_earlier_job_takes_its_name),
		CASE(test_streams_that_are_none_of_these_are_left_alone),
		CASE(test_a_job_that_ended_long_ago_is_not_told_of),
		CASE(test_of_many_failed_pods_no_attempt_is_told_later),
		CASE(test_many_jobs_are_all_found_again),
		CASE(test_an_event_has_what_the_contract_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
