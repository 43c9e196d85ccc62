/*
 * demo-orchestrator: what an orchestrator would publish, for the demo of `make
 * run`: one pack run after the other (build, a gate that waits for an approval,
 * deploy, whose first try fails in every second run), with progress and log
 * lines, by POST /api/v1/events and nothing else.
 *
 *	demo-orchestrator http://127.0.0.1:8085 [milliseconds between lines]
 *
 * It goes on until it is ended, and waits for a service that is away: a run
 * that was cut goes on where it was, since what was not answered is repeated,
 * which the service recognises.
 */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <time.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define PACE_MS      500    /* between two log lines */
#define PACE_MAX_MS  60000
#define GATE_LINES   8      /* as long as so many the gate waits, and a run
			     * for the next one */
#define RETRY_MS     300
#define TIMEOUT_MS   10000L
#define ANSWER_MAX   1024u  /* of an answer, for who reads what went wrong */
#define LINES_MAX    9u

struct step {
	const char	*id, *name;
	const char	*kind;
	const char	*lines[LINES_MAX];   /* of the log */
};

static const struct step steps[] = {
	{ "build", "Build", "run", {
		"fetching shop/checkout at 4f1c2ab",
		"compiling 214 files",
		"213 of 214 unchanged, compiled src/basket.c",
		"running 862 tests",
		"862 passed in 1.9 s",
		"image shop/checkout:4f1c2ab, 41 MB",
		"pushed sha256:7d0c…e1",
	} },
	{ "approve", "Approve", "gate.approval", { NULL } },
	{ "deploy", "Deploy", "run", {
		"replacing shop/checkout in cluster demo",
		"pod 1 of 3 is ready",
		"pod 2 of 3 is ready",
		"pod 3 of 3 is ready",
		"probing https://shop.example/checkout",
		"200 OK in 12 ms",
	} },
};

#define STEPS ((int)NELEM(steps))

struct demo {
	CURL			*curl;
	struct curl_slist	*headers;
	int64_t			 pace_ms;
	char			 answer[ANSWER_MAX];
	size_t			 answer_n;
	/* the run under way */
	char			 id[64];
	const char		*state;           /* NULL: none yet */
	const char		*step_state[STEPS];
	int			 attempt[STEPS];
	int			 line_no;
	int			 events;
	int			 done;            /* steps */
	int64_t			 started;         /* Unix ms */
	bool			 refused;         /* the run is given up */
};

static void
rest(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

/* --- to the service ------------------------------------------------------- */

static size_t
take_answer(char *bytes, size_t size, size_t n, void *arg)
{
	struct demo *d = arg;
	size_t room = sizeof(d->answer) - 1 - d->answer_n;
	size_t taken = n < room ? n : room;

	(void)size;   /* always 1 */
	memcpy(d->answer + d->answer_n, bytes, taken);
	d->answer_n += taken;
	d->answer[d->answer_n] = '\0';
	return n;
}

/* The status of one try; 0: there was no answer. */
static long
try_post(struct demo *d, const char *body)
{
	long status = 0;

	d->answer_n = 0;
	d->answer[0] = '\0';
	(void)curl_easy_setopt(d->curl, CURLOPT_POSTFIELDS, body);
	if (curl_easy_perform(d->curl) != CURLE_OK ||
	    curl_easy_getinfo(d->curl, CURLINFO_RESPONSE_CODE,
	    &status) != CURLE_OK)
		return 0;
	return status;
}

/* Until it is answered, however long the service is away. Takes `event`. */
static void
post(struct demo *d, json_t *event)
{
	char *body = json_dumps(event, JSON_COMPACT);
	long status = 0;

	json_decref(event);
	while (!d->refused && (status = try_post(d, body)) != 202) {
		if (status >= 400 && status != 429 && status < 500) {
			(void)fprintf(stderr, "demo-orchestrator: %s is given "
			    "up, HTTP %ld: %s\n", d->id, status, d->answer);
			d->refused = true;
		} else {
			rest(RETRY_MS);
		}
	}
	free(body);
}

/* --- events --------------------------------------------------------------- */

static void
say(struct demo *d, const char *event_type, const char *subject, json_t *data)
{
	char key[sizeof(d->id) + 16], at[MONO_RFC3339_SIZE];
	char idem[sizeof(d->id) + 16];
	json_t *event;

	(void)snprintf(key, sizeof(key), "pack-run:%s", d->id);
	(void)snprintf(idem, sizeof(idem), "%s/%d", d->id, ++d->events);
	event = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "stream_key", key,
	    "idempotency_key", idem,
	    "event_type", event_type, "source", "/demo/orchestrator",
	    "timestamp", wall_format(wall_unix_ms(), at), "data", data);
	if (subject != NULL)
		(void)json_object_set_new(event, "subject",
		    json_string(subject));
	post(d, event);
}

static void
say_state(struct demo *d, const char *state)
{
	char started[MONO_RFC3339_SIZE], ended[MONO_RFC3339_SIZE];
	int64_t now = wall_unix_ms();
	json_t *data = json_pack("{s:s,s:s,s:s?,s:i,s:i,s:i,s:s}",
	    "pack_run_id", d->id, "state", state, "previous_state", d->state,
	    "attempt", 1, "step_count", STEPS, "steps_done", d->done,
	    "pack_id", "release checkout");

	if (d->state != NULL)
		(void)json_object_set_new(data, "started_at",
		    json_string(wall_format(d->started, started)));
	if (strcmp(state, "succeeded") == 0) {
		(void)json_object_set_new(data, "finished_at",
		    json_string(wall_format(now, ended)));
		(void)json_object_set_new(data, "duration_ms",
		    json_integer(now - d->started));
	}
	say(d, "pack_run.state_changed", NULL, data);
	d->state = state;
}

/* `more`: further members, or NULL; it is taken. */
static void
say_step(struct demo *d, int i, const char *state, json_t *more)
{
	json_t *data = json_pack("{s:s,s:i,s:i,s:s,s:s,s:s,s:s,s:s?,s:i}",
	    "pack_run_id", d->id, "step_index", i, "step_count", STEPS,
	    "step_id", steps[i].id, "step_name", steps[i].name,
	    "kind", steps[i].kind, "state", state,
	    "previous_state", d->step_state[i], "attempt", d->attempt[i]);

	if (more != NULL)
		(void)json_object_update(data, more);
	json_decref(more);
	say(d, "pack_run.step", steps[i].id, data);
	d->step_state[i] = state;
}

static void
say_line(struct demo *d, int i, const char *stream, const char *line)
{
	say(d, "pack_run.log", steps[i].id, json_pack(
	    "{s:s,s:i,s:s,s:s,s:i}", "line", line, "line_no", ++d->line_no,
	    "stream", stream, "step_id", steps[i].id, "step_index", i));
}

static void
say_progress(struct demo *d, int i, int part, int parts)
{
	say(d, "pack_run.progress", NULL, json_pack("{s:s,s:i,s:i,s:i}",
	    "pack_run_id", d->id, "step_index", i, "step_count", STEPS,
	    "percent", (i * 100 + part * 100 / parts) / STEPS));
}

/* --- a run ---------------------------------------------------------------- */

/* Its lines; with `fail` it breaks off before the last. */
static void
work(struct demo *d, int i, bool fail)
{
	int n = 0, k;

	while (n < (int)LINES_MAX && steps[i].lines[n] != NULL)
		n++;
	for (k = 0; k < (fail ? n - 1 : n); k++) {
		rest(d->pace_ms);
		say_line(d, i, "stdout", steps[i].lines[k]);
		/* What is done again is no progress. */
		if (d->attempt[i] == 1 || k == n - 1)
			say_progress(d, i, k + 1, n);
	}
	if (!fail)
		return;
	rest(d->pace_ms);
	say_line(d, i, "stderr", "502 Bad Gateway: the new pods are not "
	    "reached yet");
}

static void
run_step(struct demo *d, int i, bool fail)
{
	int64_t began = wall_unix_ms();

	say_step(d, i, "running", NULL);
	work(d, i, fail);
	if (fail) {
		say_step(d, i, "failed", json_pack("{s:i,s:s}", "exit_code", 1,
		    "message", "probe failed"));
		d->attempt[i]++;
		say_step(d, i, "pending", NULL);
		say_step(d, i, "running", NULL);
		work(d, i, false);
	}
	say_step(d, i, "succeeded", json_pack("{s:I}", "duration_ms",
	    (json_int_t)(wall_unix_ms() - began)));
}

/* Somebody has to say yes; in a demo a moment does. */
static void
run_gate(struct demo *d, int i)
{
	say_step(d, i, "running", NULL);
	say_step(d, i, "waiting", json_pack("{s:s,s:{s:s,s:i}}", "message",
	    "waits for an approval", "gate", "id", "release",
	    "required_approvals", 1));
	say_state(d, "waiting");
	say_line(d, i, "system", "waiting for an approval");
	rest(d->pace_ms * GATE_LINES);
	say_line(d, i, "system", "approved by the demo");
	say_step(d, i, "running", NULL);
	say_state(d, "running");
	say_step(d, i, "succeeded", json_pack("{s:{s:s,s:i,s:s,s:s}}", "gate",
	    "id", "release", "required_approvals", 1, "decision", "approved",
	    "by", "demo"));
	say_progress(d, i, 1, 1);
}

static void
begin_run(struct demo *d)
{
	char day[32];
	time_t now;
	struct tm tm;
	int i;

	/* Of the millisecond: a run has more pauses, of one at least, so that
	 * no two runs have the same id, whatever the pace. */
	d->started = wall_unix_ms();
	now = (time_t)(d->started / 1000);
	(void)gmtime_r(&now, &tm);
	(void)strftime(day, sizeof(day), "%Y%m%d-%H%M%S", &tm);
	(void)snprintf(d->id, sizeof(d->id), "release-%s.%03d", day,
	    (int)(d->started % 1000));
	d->state = NULL;
	d->line_no = d->done = d->events = 0;
	d->refused = false;
	for (i = 0; i < STEPS; i++) {
		d->step_state[i] = NULL;
		d->attempt[i] = 1;
	}
}

static void
one_run(struct demo *d, bool fail)
{
	int i;

	begin_run(d);
	say_state(d, "pending");
	for (i = 0; i < STEPS; i++)
		say_step(d, i, "pending", NULL);
	say_state(d, "queued");
	say_state(d, "running");
	for (i = 0; i < STEPS && !d->refused; i++) {
		if (steps[i].lines[0] == NULL)
			run_gate(d, i);
		else
			run_step(d, i, fail && i == STEPS - 1);
		d->done++;
	}
	say_state(d, "succeeded");
}

/* --- start ---------------------------------------------------------------- */

static bool
connect_to(struct demo *d, const char *base)
{
	char *url = xasprintf("%s/api/v1/events", base);

	d->curl = curl_easy_init();
	d->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (d->curl == NULL || d->headers == NULL) {
		free(url);
		return false;
	}
	(void)curl_easy_setopt(d->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(d->curl, CURLOPT_HTTPHEADER, d->headers);
	(void)curl_easy_setopt(d->curl, CURLOPT_WRITEFUNCTION, take_answer);
	(void)curl_easy_setopt(d->curl, CURLOPT_WRITEDATA, d);
	(void)curl_easy_setopt(d->curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	/* This machine alone: no proxy of the environment. */
	(void)curl_easy_setopt(d->curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(d->curl, CURLOPT_NOSIGNAL, 1L);
	free(url);
	return true;
}

static bool
read_pace(const char *text, int64_t *ret)
{
	char *end;
	intmax_t n;

	errno = 0;
	n = strtoimax(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 ||
	    n > PACE_MAX_MS)
		return false;
	*ret = n;
	return true;
}

int
main(int argc, char **argv)
{
	struct demo d = { .pace_ms = PACE_MS };
	bool fail = false;

	if (argc < 2 || argc > 3 || (argc == 3 &&
	    !read_pace(argv[2], &d.pace_ms))) {
		(void)fprintf(stderr, "usage: demo-orchestrator URL "
		    "[milliseconds between lines, 1 to %d]\n", PACE_MAX_MS);
		return EX_USAGE;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    !connect_to(&d, argv[1])) {
		(void)fprintf(stderr, "demo-orchestrator: libcurl does not "
		    "start\n");
		return EX_UNAVAILABLE;
	}
	for (;; fail = !fail) {
		one_run(&d, fail);
		rest(d.pace_ms * GATE_LINES);
	}
}
