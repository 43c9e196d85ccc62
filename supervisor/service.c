#include "supervisor/supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "supervisor/plugins.h"
#include "supervisor/roster.h"
#include "supervisor/spawn.h"

#define LATE_TICK_MS   1000   /* our own delay that is forgiven to children */
#define STRAYS_TICKS   10     /* strays are looked for this rarely */
#define STRAYS_MAX     4096u

/* When each phase of a stop is over at the latest, counted from its begin:
 * the whole within 5 s, twice that where sanitizers slow everything. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STOP_SCALE 2
#else
#define STOP_SCALE 1
#endif

static const struct {
	const char	*name;
	int64_t		 until_ms;
} phases[STOP_DONE] = {
	[STOP_PUBLISHERS] = { "watchers and health", 800 * STOP_SCALE },
	[STOP_GATEWAYS]   = { "gateways", 3000 * STOP_SCALE },
	[STOP_STORE]      = { "store", 4000 * STOP_SCALE },
	[STOP_BROKER]     = { "broker", 4600 * STOP_SCALE },
};

static bool
is(const struct child *c, const char *role)
{
	return strcmp(c->role, role) == 0;
}

struct child *
service_role(struct supervisor *s, const char *role, const char *instance)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (is(s->children[i], role) && (instance == NULL ||
		    strcmp(s->children[i]->instance, instance) == 0))
			return s->children[i];
	return NULL;
}

struct child *
service_find(struct supervisor *s, const char *title)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (strcmp(s->children[i]->title, title) == 0)
			return s->children[i];
	return NULL;
}

/* --- configuration for the children --------------------------------------- */

static int
give_conf_fd(const struct child *c, struct err *err, void *arg)
{
	struct supervisor *s = arg;

	return settings_seal(&s->conf, c, err);
}

static int
give_incarnation(uint64_t *ret, struct err *err, void *arg)
{
	struct supervisor *s = arg;

	return state_dir_incarnation(&s->state_dir, ret, err);
}

static void changed(struct child *c, enum child_state old, void *arg);

static void
reap(void *arg)
{
	service_reap(arg);
}

/* Nobody can be ready before the broker is. */
static bool
may_time_out(struct child *c, void *arg)
{
	struct supervisor *s = arg;
	struct child *broker = service_role(s, "broker", NULL);

	return c == broker || broker == NULL || broker->state == CHILD_READY;
}

/* --- the set of children -------------------------------------------------- */

/* NULL, once said, where the role's binary is missing. */
static struct child *
add_child(struct supervisor *s, const char *role, const char *instance)
{
	char *binary = roster_find_binary(s->bin_directory, role);
	struct child *c;

	if (binary == NULL) {
		log_warn("%s/%s: no binary sluice-%s beside sluiced or in %s: "
		    "goes without; install it and restart the service", role,
		    instance, role, SLUICE_LIBEXECDIR);
		return NULL;
	}
	c = child_new(s->base, &s->conf, role, instance, binary,
	    &s->child_ops);
	free(binary);
	s->children = xreallocarray(s->children, s->n_children + 1,
	    sizeof(struct child *));
	s->children[s->n_children++] = c;
	return c;
}

/* Starts it, or keeps it until the broker has been ready once. */
static void
begin(struct supervisor *s, struct child *c)
{
	struct child *broker = service_role(s, "broker", NULL);

	if (c == broker || broker == NULL || s->broker_was_ready)
		child_want(c, CHILD_UP, "start");
	else
		child_hold(c, "waits for the broker");
}

static void
remove_child(struct supervisor *s, struct child *c)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i] == c) {
			memmove(&s->children[i], &s->children[i + 1],
			    (s->n_children - i - 1) *
			    sizeof(struct child *));
			s->n_children--;
			child_free(c);
			return;
		}
}

void
service_add_watchers(struct supervisor *s)
{
	for (size_t i = 0; i < s->conf.n_clusters; i++) {
		const char *id = s->conf.clusters[i].id;
		struct child *c = service_role(s, "watcher", id);

		if (c == NULL)
			c = add_child(s, "watcher", id);
		else if (!c->unlisted)
			continue;
		if (c == NULL)
			return;   /* nor would there be for the next */
		c->unlisted = false;
		begin(s, c);
	}
}

void
service_start(struct supervisor *s)
{
	static const char *const singles[] = { "broker", "store", "health" };
	char *helper = roster_find_binary(s->bin_directory, "exec");
	char number[16];
	struct err err;

	s->child_ops = (struct child_ops){ .changed = changed,
		.message = relay_message, .may_time_out = may_time_out,
		.conf_fd = give_conf_fd, .incarnation = give_incarnation,
		.reap = reap, .arg = s };
	s->plugins = plugins_new(s->base, helper, relay_credential, s);
	free(helper);
	/* Whatever else there is goes on without its clusters. */
	if (settings_clusters(&s->conf, &err) != 0)
		log_error("clusters: %s; then: sluicectl reload", err.text);
	for (size_t i = 0; i < NELEM(singles); i++)
		(void)add_child(s, singles[i], "-");
	for (unsigned i = 0; i < s->conf.gateway.processes; i++) {
		(void)snprintf(number, sizeof(number), "%u", i);
		if (add_child(s, "gateway", number) == NULL)
			break;
	}
	for (size_t i = 0; i < s->n_children; i++)
		begin(s, s->children[i]);
	service_add_watchers(s);
}

void
service_free(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_children; i++)
		child_free(s->children[i]);
	plugins_free(s->plugins);
	free(s->children);
	s->children = NULL;
	s->n_children = 0;
}

/* --- systemd -------------------------------------------------------------- */

static bool
has_settled(const struct child *c)
{
	return c->state == CHILD_READY || c->state == CHILD_FAILED ||
	    c->desired == CHILD_DOWN;
}

/* Once, when every child was ready or has clearly failed: from then on it is,
 * and systemd, which would end a start of which it does not hear, is told until
 * it takes it. Without any child, as where no binary was found, it never is. */
static void
tell_ready(struct supervisor *s, size_t settled, const char *status)
{
	if (!s->is_ready && settled == s->n_children && settled > 0) {
		s->is_ready = true;
		log_info("service: ready: %s", status);
	}
	if (!s->is_ready || s->told_ready)
		return;
	s->told_ready = notify_send(&s->notify, "READY=1");
	s->told_status[0] = '\0';
}

/* After each change, and at each tick what it did not take before. */
static void
tell_systemd(struct supervisor *s)
{
	struct child *broker = service_role(s, "broker", NULL);
	size_t ready = 0, settled = 0;
	const char *failed = NULL;
	char status[sizeof(s->told_status)];

	for (size_t i = 0; i < s->n_children; i++) {
		struct child *c = s->children[i];

		ready += c->state == CHILD_READY;
		settled += has_settled(c);
		if (c->state == CHILD_FAILED)
			failed = c->title;
	}
	if (broker != NULL && broker->state == CHILD_FAILED)
		settled = s->n_children;   /* the others wait for it */
	(void)snprintf(status, sizeof(status), "%zu of %zu processes ready%s"
	    "%s", ready, s->n_children, failed != NULL ? ", failed: " : "",
	    failed != NULL ? failed : "");
	tell_ready(s, settled, status);
	if (strcmp(status, s->told_status) != 0 &&
	    notify_send(&s->notify, "STATUS=%s", status))
		memcpy(s->told_status, status, sizeof(status));
}

/* --- stopping ------------------------------------------------------------- */

static enum stop_phase
phase_of(const struct child *c)
{
	if (is(c, "gateway"))
		return STOP_GATEWAYS;
	if (is(c, "store"))
		return STOP_STORE;
	if (is(c, "broker"))
		return STOP_BROKER;
	return STOP_PUBLISHERS;
}

static bool
phase_is_over(const struct supervisor *s, enum stop_phase phase)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (phase_of(s->children[i]) == phase &&
		    child_running(s->children[i]))
			return false;
	return true;
}

static void
enter_phase(struct supervisor *s, enum stop_phase phase)
{
	int64_t spent = mono_diff_ms(mono_now(), s->stop_started);

	s->stop_phase = phase;
	if (phase == STOP_DONE) {
		log_info("service: stopped after %lld ms", (long long)spent);
		(void)event_base_loopbreak(s->base);
		return;
	}
	for (size_t i = 0; i < s->n_children; i++)
		if (phase_of(s->children[i]) == phase)
			child_stop_within(s->children[i],
			    MAX(phases[phase].until_ms - spent, 200),
			    "the service stops");
}

static void
advance_stop(struct supervisor *s)
{
	while (s->stop_phase != STOP_NOT && s->stop_phase != STOP_DONE &&
	    phase_is_over(s, s->stop_phase))
		enter_phase(s, (enum stop_phase)(s->stop_phase + 1));
}

void
service_stop(struct supervisor *s, const char *cause)
{
	if (s->stop_phase != STOP_NOT)
		return;
	log_info("service: stops: %s", cause);
	/* Once: a systemd that does not take it sees that the process ends. */
	(void)notify_send(&s->notify, "STOPPING=1\nSTATUS=stopping: %s",
	    cause);
	s->stop_started = mono_now();
	s->stop_phase = STOP_PUBLISHERS;
	/* What is not running now is not started any more. */
	for (size_t i = 0; i < s->n_children; i++)
		if (!child_running(s->children[i]))
			child_want(s->children[i], CHILD_DOWN,
			    "the service stops");
	enter_phase(s, STOP_PUBLISHERS);
	advance_stop(s);
}

/* --- changes -------------------------------------------------------------- */

static void
open_gate(struct supervisor *s)
{
	s->broker_was_ready = true;
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i]->desired == CHILD_UP &&
		    !child_running(s->children[i]))
			child_want(s->children[i], CHILD_UP,
			    "the broker is ready");
}

static void
changed(struct child *c, enum child_state old UNUSED, void *arg)
{
	struct supervisor *s = arg;

	relay_changed(s, c);
	if (s->stop_phase != STOP_NOT)
		return;   /* the tick and the reaping go on with the stop */
	if (is(c, "broker") && c->state == CHILD_READY) {
		for (size_t i = 0; i < s->n_children; i++)
			child_extend(s->children[i]);
		if (!s->broker_was_ready)
			open_gate(s);
	}
	tell_systemd(s);
}

/* --- reaping -------------------------------------------------------------- */

static struct child *
find_pid(struct supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i]->process.pid == pid)
			return s->children[i];
	return NULL;
}

/* Processes whose parent, one of our children, died or let them go: no role
 * may leave any behind. They are ours and unreaped, so the pid is theirs. */
static void
kill_strays(struct supervisor *s)
{
	pid_t pids[STRAYS_MAX];
	size_t n = spawn_children(pids, STRAYS_MAX);

	for (size_t i = 0; i < n; i++)
		if (find_pid(s, pids[i]) == NULL &&
		    !plugins_owns(s->plugins, pids[i]) &&
		    kill(pids[i], SIGKILL) == 0)
			log_warn("stray process %d of a child: killed",
			    (int)pids[i]);
}

static void
clean_up_after(const struct supervisor *s, const struct child *c)
{
	struct err err = { 0 };

	if (state_dir_clean_bus(&s->conf, c->title, &err) == -1)
		log_warn("%s: its sockets are left until the service starts "
		    "again: %s", c->title, err.text);
}

void
service_reap(struct supervisor *s)
{
	bool child_ended = false;
	struct child *c;
	int status;
	pid_t pid;

	/* Signals coalesce: as many as there are. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		c = find_pid(s, pid);
		if (c != NULL) {
			child_ended = true;
			/* First: being told of it, it may start the next. */
			clean_up_after(s, c);
			child_reaped(c, status);
		} else if (!plugins_reaped(s->plugins, pid, status)) {
			log_debug("reaped stray process %d", (int)pid);
		}
	}
	if (child_ended)
		kill_strays(s);
	advance_stop(s);
	for (size_t i = s->n_children; i-- > 0;) {
		c = s->children[i];
		if (c->unlisted && c->state == CHILD_STOPPED)
			remove_child(s, c);
	}
}

/* --- time ----------------------------------------------------------------- */

void
service_tick(struct supervisor *s)
{
	struct mono now = mono_now();
	bool late = mono_diff_ms(now, s->last_tick) >
	    CHILD_PING_MS + LATE_TICK_MS;

	if (late)
		log_warn("service: own loop was late by %lld ms: silence of "
		    "children in that time is forgiven",
		    (long long)mono_diff_ms(now, s->last_tick) -
		    CHILD_PING_MS);
	s->last_tick = now;
	s->ticks++;
	for (size_t i = 0; i < s->n_children; i++)
		child_tick(s->children[i], now, late);
	relay_tick(s);
	service_reap(s);
	if (s->ticks % STRAYS_TICKS == 0)
		kill_strays(s);
	if (s->stop_phase == STOP_NOT)
		tell_systemd(s);
	if (s->notify.watchdog_ms > 0 && mono_diff_ms(now,
	    s->last_watchdog) * 3 >= s->notify.watchdog_ms &&
	    notify_send(&s->notify, "WATCHDOG=1"))
		s->last_watchdog = now;
}
