#include "watcher/status/containers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json_text.h"
#include "common/macros.h"
#include "common/mono.h"
#include "watcher/json_scan.h"

#define RESTARTED_MS (10 * 60 * 1000)
#define SIDECARS_MAX 64u   /* of one pod; those behind are no sidecars */

/* One entry of containerStatuses. */
enum container_slot {
	C_NAME, C_READY, C_STARTED, C_RUNNING, C_WAITING, C_W_REASON,
	C_W_MESSAGE, C_TERMINATED, C_T_REASON, C_T_MESSAGE, C_T_EXIT,
	C_T_SIGNAL, C_LAST, C_LAST_FINISHED, C_MAX
};

static const struct json_want want_waiting[] = {
	{ "reason", C_W_REASON, NULL, 0 },
	{ "message", C_W_MESSAGE, NULL, 0 },
};

static const struct json_want want_terminated[] = {
	{ "reason", C_T_REASON, NULL, 0 },
	{ "message", C_T_MESSAGE, NULL, 0 },
	{ "exitCode", C_T_EXIT, NULL, 0 },
	{ "signal", C_T_SIGNAL, NULL, 0 },
};

static const struct json_want want_state[] = {
	{ "running", C_RUNNING, NULL, 0 },
	{ "waiting", C_WAITING, want_waiting, NELEM(want_waiting) },
	{ "terminated", C_TERMINATED, want_terminated,
	    NELEM(want_terminated) },
};

static const struct json_want want_last_terminated[] = {
	{ "finishedAt", C_LAST_FINISHED, NULL, 0 },
};

static const struct json_want want_last[] = {
	{ "terminated", C_LAST, want_last_terminated,
	    NELEM(want_last_terminated) },
};

static const struct json_want want_container[] = {
	{ "name", C_NAME, NULL, 0 },
	{ "ready", C_READY, NULL, 0 },
	{ "started", C_STARTED, NULL, 0 },
	{ "state", -1, want_state, NELEM(want_state) },
	{ "lastState", -1, want_last, NELEM(want_last) },
};

/* Walks an array of container statuses. */
static bool
next_container(struct slice array, const char **cursor, struct slice *v)
{
	struct slice one;

	if (!json_scan_next(array, cursor, &one))
		return false;
	json_scan_again(one, want_container, NELEM(want_container), v, C_MAX);
	return true;
}

/* --- kubectl's STATUS column ---------------------------------------------- */

void
containers_word_set(struct containers_word *w, const char *prefix,
    struct slice raw)
{
	char text[KUBE_STATUS_REASON_MAX + 1];
	size_t n = json_text_unescape(raw, text, sizeof(text) - 1);

	text[n] = '\0';
	(void)snprintf(w->text, sizeof(w->text), "%s%.80s", prefix, text);
}

static void
word_of_end(struct containers_word *w, const char *prefix,
    const struct slice *v)
{
	int64_t signal = json_scan_int(v[C_T_SIGNAL], 0);

	if (kube_status_has_text(v[C_T_REASON]))
		containers_word_set(w, prefix, v[C_T_REASON]);
	else if (signal != 0)
		(void)snprintf(w->text, sizeof(w->text),
		    "%sSignal:%" PRId64, prefix, signal);
	else
		(void)snprintf(w->text, sizeof(w->text),
		    "%sExitCode:%" PRId64, prefix,
		    json_scan_int(v[C_T_EXIT], 0));
}

/* The sidecars: init containers of spec with restartPolicy Always. */
struct sidecars {
	struct slice	names[SIDECARS_MAX];   /* raw JSON strings */
	size_t		n;
};

/* Once per pod: looked up in spec each, a hostile pod's list of many
 * thousands would be walked many thousand times. */
static void
sidecars_read(struct slice spec_init, struct sidecars *ret)
{
	static const struct json_want wants[] = {
		{ "name", 0, NULL, 0 },
		{ "restartPolicy", 1, NULL, 0 },
	};
	const char *cursor = NULL;
	struct slice one, v[2];

	ret->n = 0;
	while (ret->n < SIDECARS_MAX &&
	    json_scan_next(spec_init, &cursor, &one)) {
		json_scan_again(one, wants, NELEM(wants), v, 2);
		if (json_scan_is(v[1], "Always") &&
		    kube_status_has_text(v[0]))
			ret->names[ret->n++] = v[0];
	}
}

static bool
sidecars_have(const struct sidecars *s, struct slice name)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (slice_eq(s->names[i], name))
			return true;
	return false;
}

/* Through, or a sidecar that runs. */
static bool
init_done(const struct slice *v, const struct sidecars *sidecars)
{
	if (!json_scan_null(v[C_TERMINATED]) &&
	    json_scan_int(v[C_T_EXIT], 0) == 0)
		return true;
	return json_scan_true(v[C_STARTED]) &&
	    sidecars_have(sidecars, v[C_NAME]);
}

bool
containers_init_word(struct slice statuses, struct slice spec,
    struct containers_word *w)
{
	const char *cursor = NULL;
	struct slice v[C_MAX];
	struct sidecars sidecars;
	size_t i;

	if (json_scan_null(statuses))
		return false;
	sidecars_read(spec, &sidecars);
	for (i = 0; next_container(statuses, &cursor, v); i++) {
		if (init_done(v, &sidecars))
			continue;
		if (!json_scan_null(v[C_TERMINATED]))
			word_of_end(w, "Init:", v);
		else if (kube_status_has_text(v[C_W_REASON]) &&
		    !json_scan_is(v[C_W_REASON], "PodInitializing"))
			containers_word_set(w, "Init:", v[C_W_REASON]);
		else
			(void)snprintf(w->text, sizeof(w->text),
			    "Init:%zu/%zu", i, kube_status_length(spec));
		return true;
	}
	return false;
}

/* --- containers, in one pass ---------------------------------------------- */

/* ErrImagePull, CreateContainerConfigError, CrashLoopBackOff ... */
static bool
is_error_reason(struct slice raw)
{
	struct slice t = json_scan_text(raw);

	if (t.p == NULL)
		return false;
	return (t.n >= 3 && memcmp(t.p, "Err", 3) == 0) ||
	    (t.n >= 5 && memcmp(t.p + t.n - 5, "Error", 5) == 0) ||
	    (t.n >= 7 && memcmp(t.p + t.n - 7, "BackOff", 7) == 0);
}

/* What one container has to say; false: nothing. */
static bool
word_of(struct containers_word *w, const struct slice *v)
{
	if (kube_status_has_text(v[C_W_REASON]))
		containers_word_set(w, "", v[C_W_REASON]);
	else if (!json_scan_null(v[C_TERMINATED]))
		word_of_end(w, "", v);
	else
		return false;
	return true;
}

/* Until when its last end is of late (0: it never ended); for ever when that
 * has no time. */
static int64_t
container_until(const struct slice *v)
{
	struct slice text;
	int64_t at;

	if (json_scan_null(v[C_LAST]))
		return 0;
	text = json_scan_text(v[C_LAST_FINISHED]);
	if (text.p == NULL || !wall_parse(text.p, text.n, &at))
		return INT64_MAX;
	return at + RESTARTED_MS;
}

/* kubectl goes from the last container to the first and lets each overwrite
 * what stood there: the first one that says something decides. */
void
containers_read(struct slice statuses, struct containers *ret)
{
	const char *cursor = NULL;
	struct slice v[C_MAX];
	struct containers_word said;
	int64_t until;

	*ret = (struct containers){ 0 };
	while (next_container(statuses, &cursor, v)) {
		ret->total++;
		ret->ready += json_scan_true(v[C_READY]) ? 1 : 0;
		if (word_of(&said, v)) {
			if (!ret->spoke)
				ret->said = said;
			ret->spoke = true;
		} else if (json_scan_true(v[C_READY]) &&
		    !json_scan_null(v[C_RUNNING])) {
			ret->running = true;
		}
		if (!ret->stuck && is_error_reason(v[C_W_REASON])) {
			ret->stuck = true;
			ret->stuck_message = v[C_W_MESSAGE];
		}
		until = container_until(v);
		ret->restarted_until = MAX(ret->restarted_until, until);
	}
}

/* --- failures ------------------------------------------------------------- */

bool
containers_failed(struct slice statuses, const char *reason,
    struct kube_status *s)
{
	const char *cursor = NULL;
	struct slice v[C_MAX];
	char name[80];

	while (next_container(statuses, &cursor, v)) {
		if (json_scan_null(v[C_TERMINATED]))
			continue;
		if (kube_status_has_text(v[C_T_MESSAGE])) {
			kube_status_set_raw(s, HEALTH_FAILED, SLICE_NONE,
			    reason, v[C_T_MESSAGE], "");
			return true;
		}
		name[json_text_unescape(v[C_NAME], name, sizeof(name) - 1)] =
		    '\0';
		if (json_scan_is(v[C_T_REASON], "OOMKilled")) {
			kube_status_set(s, HEALTH_FAILED, reason,
			    "container %s was killed: out of memory", name);
			return true;
		}
		if (json_scan_int(v[C_T_EXIT], 0) != 0) {
			kube_status_set(s, HEALTH_FAILED, reason,
			    "container %s ended with exit code %" PRId64,
			    name, json_scan_int(v[C_T_EXIT], 0));
			return true;
		}
	}
	return false;
}
