/*
 * fuzz_job_facts: histories of a Job, each look at it being any spec and
 * status, are told as what the job machine allows, and nothing else.
 *
 * The input is lines: a spec, a tab, a status. One that is no such pair, or
 * not JSON, is no look (kube_object would have refused it). Or, after a '#',
 * choices: one of a backoffLimit, then three bytes of each look, of which a
 * spec and a status are written. After each, what is told must be legal steps
 * (common/lifecycle is the judge), few enough, that end where the Job does; no
 * attempt may be above max_attempts but for those that a suspension makes; and
 * told once, there is nothing to tell again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "watcher/job_facts.h"
#include "watcher/json_scan.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOOKS_MAX 32u

#define CHECK(x) do { if (!(x)) abort(); } while (0)

/* What the stream shows, and what it was allowed to. */
struct told {
	struct lifecycle_point	at;
	uint32_t		most;      /* of max_attempts so far */
	uint32_t		pauses;    /* attempts that are none of pods */
	bool			bounded;   /* every look said max_attempts */
};

static bool
is_json(struct slice text)
{
	return text.n > 0 && memchr(text.p, '\0', text.n) == NULL &&
	    json_scan(text, NULL, 0, NULL, 0);
}

static void
check_facts(const struct job_facts *f)
{
	bool over = lifecycle_final(LIFECYCLE_OF_JOB, f->state);
	bool failed = over && f->state != LIFECYCLE_SUCCEEDED;

	CHECK(lifecycle_has(LIFECYCLE_OF_JOB, f->state));
	CHECK(f->state != LIFECYCLE_CANCELED && f->state != LIFECYCLE_LEASED);
	CHECK(f->failed < INT32_MAX);
	CHECK(over || f->finished_unix_ms == 0);
	if (f->max_attempts > 0)
		CHECK(f->failed <= f->max_attempts - !failed);
	CHECK(strlen(f->text.reason) < sizeof(f->text.reason) &&
	    strlen(f->text.message) < sizeof(f->text.message));
}

static void
take_step(struct told *t, struct job_step step, enum lifecycle_state goal)
{
	struct lifecycle_point next = { .state = step.state,
		.attempt = step.attempt };

	CHECK(step.attempt >= 1);
	CHECK(lifecycle_judge(LIFECYCLE_OF_JOB, &t->at, &next, t->at.state) ==
	    LIFECYCLE_ACCEPT);
	if (step.attempt > t->at.attempt && t->at.state != LIFECYCLE_NONE &&
	    goal == LIFECYCLE_THROTTLED)
		t->pauses++;
	t->at = next;
	if (t->bounded)
		CHECK(step.attempt <= (uint64_t)t->most + t->pauses);
}

static void
look(struct told *t, struct slice spec, struct slice status)
{
	struct kube_object o = { .spec = spec, .status = status };
	struct job_step steps[JOB_STEPS_MAX];
	struct job_facts f;
	size_t n;

	job_facts_read(&o, &f);
	check_facts(&f);
	t->most = MAX(t->most, f.max_attempts);
	t->bounded = t->bounded && f.max_attempts > 0;
	n = job_facts_path((struct job_step){ t->at.state, t->at.attempt },
	    f.state, f.failed, steps);
	CHECK(n <= JOB_STEPS_MAX);
	for (size_t i = 0; i < n; i++)
		take_step(t, steps[i], f.state);
	if (lifecycle_final(LIFECYCLE_OF_JOB, f.state))
		CHECK(lifecycle_final(LIFECYCLE_OF_JOB, t->at.state));
	if (n < JOB_STEPS_MAX && f.failed < JOB_ATTEMPTS_MAX)
		CHECK(f.state == LIFECYCLE_THROTTLED || job_facts_path(
		    (struct job_step){ t->at.state, t->at.attempt }, f.state,
		    f.failed, steps) == 0);
}

/* Deleted: whatever it was, that is the end. */
static void
check_deletion(struct told *t)
{
	struct job_step steps[JOB_STEPS_MAX];
	bool over = lifecycle_final(LIFECYCLE_OF_JOB, t->at.state);
	size_t n;

	if (t->at.state == LIFECYCLE_NONE)
		return;
	n = job_facts_path((struct job_step){ t->at.state, t->at.attempt },
	    LIFECYCLE_CANCELED, 3, steps);
	CHECK(n == !over);
	for (size_t i = 0; i < n; i++)
		take_step(t, steps[i], LIFECYCLE_CANCELED);
}

static void
look_at_lines(struct told *t, struct slice rest)
{
	const char *end, *tab;
	struct slice line, spec;

	for (unsigned i = 0; i < LOOKS_MAX && rest.n > 0; i++) {
		end = memchr(rest.p, '\n', rest.n);
		line = (struct slice){ rest.p, end == NULL ? rest.n :
		    (size_t)(end - rest.p) };
		rest.n -= MIN(line.n + 1, rest.n);
		rest.p = end == NULL ? rest.p + line.n : end + 1;
		tab = memchr(line.p, '\t', line.n);
		if (tab == NULL)
			continue;
		spec = (struct slice){ line.p, (size_t)(tab - line.p) };
		line = (struct slice){ tab + 1, line.n - spec.n - 1 };
		if (is_json(spec) && is_json(line))
			look(t, spec, line);
	}
}

/* A Job as an API server would show it, whatever came before. */
static void
look_at_choice(struct told *t, uint8_t limit, const uint8_t choice[3])
{
	static const char *const limits[] = { "0", "1", "2", "6", "100",
		"2147483647", "null", "-1" };
	static const char *const conditions[] = { "", "", "Complete", "Failed",
		"Suspended", "FailureTarget", "SuccessCriteriaMet", "Other" };
	static const char *const reasons[] = { "BackoffLimitExceeded",
		"DeadlineExceeded", "PodFailurePolicy", "" };
	char spec[128], status[256];

	(void)snprintf(spec, sizeof(spec),
	    "{\"suspend\":%s,\"backoffLimit\":%s}",
	    (choice[0] & 1) != 0 ? "true" : "false", limits[limit % 8]);
	(void)snprintf(status, sizeof(status), "{%s\"active\":%d,"
	    "\"failed\":%d,\"conditions\":[{\"type\":\"%s\","
	    "\"status\":\"%s\",\"reason\":\"%s\"}]}",
	    (choice[0] & 2) != 0 ? "\"startTime\":\"2026-01-01T00:00:01Z\"," :
	    "", choice[0] >> 6, choice[1], conditions[choice[2] % 8],
	    (choice[2] & 0x80) != 0 ? "False" : "True",
	    reasons[choice[2] >> 3 & 3]);
	look(t, slice_str(spec), slice_str(status));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told t = { .bounded = true };

	if (size > 2 && data[0] == '#')
		for (size_t i = 2; i + 3 <= size && i < 3 * LOOKS_MAX; i += 3)
			look_at_choice(&t, data[1], data + i);
	else
		look_at_lines(&t, (struct slice){ (const char *)data, size });
	check_deletion(&t);
	return 0;
}
