/*
 * What the unit tests of job_streams share: one Job, "ns/migrate" of the
 * cluster "prod", as it is seen, and what is handed over of it and answered.
 */
#ifndef SLUICE_JOBS_FIXTURE_H
#define SLUICE_JOBS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/job_streams.h"

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

static UNUSED int
setup(void **state)
{
	(void)state;
	jobs = job_streams_new("prod", 0, 0);
	position = 0;
	spec = "{\"backoffLimit\":2}";
	return 0;
}

static UNUSED int
teardown(void **state)
{
	(void)state;
	job_streams_free(jobs);
	return 0;
}

static UNUSED struct kube_object
job(const char *uid, const char *status)
{
	return (struct kube_object){ .uid = slice_str(uid),
		.namespace = slice_str("ns"), .name = slice_str("migrate"),
		.spec = slice_str(spec),
		.status = slice_str(status) };
}

static UNUSED void
seen(const char *uid, const char *status)
{
	struct kube_object o = job(uid, status);

	job_streams_seen(jobs, &o, NOW);
}

static UNUSED void
deleted(const char *uid, const char *status)
{
	struct kube_object o = job(uid, status);

	job_streams_deleted(jobs, &o, NOW);
}

/* Hands the first over: "<name>: queued 1, leased 1 > <guard>"; "" when there
 * is none. */
static UNUSED struct job_stream *
hand_over(char *text, size_t size)
{
	struct job_step steps[JOB_STEPS_MAX];
	struct job_stream *s = job_streams_first(jobs);
	struct buf name = BUF_EMPTY;
	size_t n, at;

	text[0] = '\0';
	if (s == NULL)
		return NULL;
	job_name_add(&name, "prod", s->path, s->suffixed ? s->uid : NULL);
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

static UNUSED void
answer_with(struct job_stream *s, enum record_code code,
    enum lifecycle_state at, uint32_t attempt,
    const uint8_t body[EVENT_HASH_SIZE])
{
	struct publish_result r = { .code = code, .state = (uint8_t)at,
		.attempt = attempt, .body = body };

	position += 10;
	r.position = r.last = (struct position){ 1, position };
	(void)job_streams_answered(jobs, s, &r);
}

/* What stands there, if anything, is another publisher's. */
static UNUSED void
answer(struct job_stream *s, enum record_code code,
    enum lifecycle_state at, uint32_t attempt)
{
	static const uint8_t body[EVENT_HASH_SIZE] = { 1, 2, 3 };

	answer_with(s, code, at, attempt, body);
}

/* The first has this to say, and it is taken. */
static UNUSED void
says(const char *wanted)
{
	char text[512];
	struct job_stream *s = hand_over(text, sizeof(text));

	assert_string_equal(text, wanted);
	answer(s, RECORD_APPENDED, LIFECYCLE_NONE, 0);
}

static UNUSED void
says_nothing(void)
{
	assert_null(job_streams_first(jobs));
}

static UNUSED void
list(const char *uid, const char *status)
{
	static uint32_t mark;

	job_streams_list_begin(jobs, SLICE_NONE, ++mark);
	if (uid != NULL)
		seen(uid, status);
	job_streams_list_end(jobs, SLICE_NONE, mark);
}

#endif
