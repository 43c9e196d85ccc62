#include "supervisor/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "supervisor/child_text.h"

#define CHILD_MAGIC     0x444c4843u   /* "CHLD" */
#define ABORT_MS        2000          /* for a core, before SIGKILL */
#define KILL_AGAIN_MS   1000
#define STOP_DEFAULT_MS 5000

static void feed(struct child *c, enum child_event event);

/* --- small things -------------------------------------------------------- */

static void PRINTF(2, 3)
set_cause(struct child *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->cause, sizeof(c->cause), fmt, ap);
	va_end(ap);
}

static void
arm(struct child *c, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)event_add(c->timer, &tv);
}

static void
send_signal(struct child *c, int number)
{
	struct err err;

	if (child_process_signal(&c->process, number, &err) != 0)
		log_warn("%s: %s", c->title, err.text);
}

bool
child_running(const struct child *c)
{
	return c->process.pid != 0;
}

const char *
child_shown_state(const struct child *c)
{
	if (c->state == CHILD_STOPPED && c->desired == CHILD_UP)
		return "waiting";
	if (c->state == CHILD_READY && c->drain)
		return "draining";
	return child_state_name(c->state);
}

bool
child_send(struct child *c, enum msg_type type, const void *payload, size_t n,
    int fd)
{
	struct err err;

	if (c->process.channel == NULL)
		return false;
	if (channel_send(c->process.channel, type, payload, n, fd, &err) == 0)
		return true;
	/* Closed: its exit is on the way. Full: it does not read. */
	if (err.code != EPIPE && err.code != ECONNRESET) {
		set_cause(c, "%s", err.text);
		feed(c, CHILD_EV_HUNG);
	}
	return false;
}

bool
child_has_room(const struct child *c)
{
	return c->process.channel == NULL ||
	    channel_waiting(c->process.channel) < CHILD_ROOM;
}

/* --- what the child says ------------------------------------------------- */

static void
bad_message(struct child *c, const char *what)
{
	if (c->bad_messages++ == 0)
		log_error("%s: %s (said once; `sluicectl status` counts)",
		    c->title, what);
}

static void
child_message_cb(struct channel *channel UNUSED, enum msg_type type,
    const void *payload, size_t n, int fd, const struct err *err, void *arg)
{
	struct child *c = arg;

	assert(c->magic == CHILD_MAGIC);
	if (type == MSG_TYPE_MAX && err->code == EBADMSG) {
		bad_message(c, err->text);
	} else if (type == MSG_TYPE_MAX) {
		child_process_hung_up(&c->process);
	} else if (type == MSG_READY) {
		feed(c, CHILD_EV_READY);
	} else if (type == MSG_PONG) {
		if (msg_pong_decode(payload, n, &c->pong) != 0)
			bad_message(c, "PONG cannot be read");
		c->last_pong = mono_now();
		c->ponged = true;
	} else if (type == MSG_STATUS) {
		if (msg_status_decode(payload, n, &c->status) != 0)
			bad_message(c, "STATUS cannot be read");
	} else {
		c->ops->message(c, type, payload, n, fd, c->ops->arg);
	}
}

/* --- actions ------------------------------------------------------------- */

static void
child_ended_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct child *c = arg;

	assert(c->magic == CHILD_MAGIC);
	c->ops->reap(c->ops->arg);
}

/* A fork that fails is a death: tried again later, never an exit. */
static int
spawn(struct child *c, struct err *err)
{
	struct child_process_start how = { .base = c->base, .role = c->role,
		.instance = c->instance, .binary = c->binary,
		.message = child_message_cb, .ended = child_ended_cb,
		.arg = c };
	int rc;

	if (c->ops->incarnation(&c->incarnation, err, c->ops->arg) != 0)
		return -1;
	how.incarnation = c->incarnation;
	how.conf_fd = c->ops->conf_fd(c, err, c->ops->arg);
	if (how.conf_fd == -1)
		return -1;
	rc = child_process_start(&c->process, &how, err);
	(void)close(how.conf_fd);
	if (rc != 0)
		return -1;
	c->starts++;
	c->ponged = c->stable = false;
	c->listeners = 0;
	memset(&c->status, 0, sizeof(c->status));
	memset(&c->pong, 0, sizeof(c->pong));
	return 0;
}

static uint32_t
random_bits(void)
{
	uint32_t v = 0;

	(void)!getrandom(&v, sizeof(v), GRND_NONBLOCK);
	return v;
}

/* Counts a death; the event that follows from it, and its delay. */
static enum child_event
count_death(struct child *c, bool hopeless, int64_t *ret_delay_ms)
{
	struct backoff_params p = backoff_params_of(c->conf);
	struct backoff_verdict v;

	c->deaths++;
	v = backoff_death(&c->backoff, &p, mono_now(), hopeless,
	    random_bits());
	*ret_delay_ms = v.delay_ms;
	return v.open ? CHILD_EV_CIRCUIT : CHILD_EV_DEATH;
}

static void
died_unborn(struct child *c, const struct err *err)
{
	int64_t delay_ms;
	enum child_event event = count_death(c, false, &delay_ms);

	set_cause(c, "cannot be started: %s%s", err->text, err->code == EMFILE
	    ? "; allow more open files: LimitNOFILE= of the unit, ulimit -n"
	    : "");
	memcpy(c->last_death, c->cause, sizeof(c->last_death));
	feed(c, event);
	arm(c, delay_ms);
}

static void
act(struct child *c, enum child_action action)
{
	struct err err;

	switch (action) {
	case CHILD_DO_SPAWN:
		if (spawn(c, &err) != 0)
			died_unborn(c, &err);
		else
			arm(c, c->conf->supervise.ready_timeout_ms);
		break;
	case CHILD_DO_WELCOME:
		(void)event_del(c->timer);
		c->ready_at = c->last_pong = mono_now();
		break;
	case CHILD_DO_STOP:
		(void)child_send(c, MSG_STOP, NULL, 0, -1);
		send_signal(c, SIGCONT);
		arm(c, c->stop_ms);
		break;
	case CHILD_DO_ABORT:
		send_signal(c, SIGABRT);
		send_signal(c, SIGCONT);
		arm(c, ABORT_MS);
		break;
	case CHILD_DO_KILL:
		send_signal(c, SIGKILL);
		arm(c, KILL_AGAIN_MS);
		break;
	case CHILD_DO_REST:
		(void)event_del(c->timer);
		break;
	case CHILD_DO_DELAY:    /* whoever counted the death sets the timer */
	case CHILD_DO_OPEN:
	case CHILD_DO_NOTHING:
	case CHILD_ACTION_MAX:
		break;
	}
}

/* --- the one place where states change ----------------------------------- */

static void
log_change(const struct child *c, enum child_state old, int64_t ms)
{
	const struct child_text_change change = { .title = c->title,
		.old = old, .now = c->state, .ms = ms, .cause = c->cause,
		.pid = c->process.pid,
		.retry_ms = c->conf->supervise.circuit_retry_ms };
	char text[CHILD_TEXT_MAX];
	enum log_level level = child_text_change(text, &change);

	if (level == LOG_LEVEL_ERROR)
		log_error("%s", text);
	else if (level == LOG_LEVEL_WARN)
		log_warn("%s", text);
	else
		log_info("%s", text);
}

/* Desired against actual: a child at rest that is wanted starts again. */
static void
reconcile(struct child *c)
{
	if (c->state != CHILD_STOPPED)
		return;
	if (c->pending == CHILD_PENDING_RESTART) {
		c->pending = CHILD_PENDING_NONE;
		set_cause(c, "restart by command");
	}
	if (c->desired == CHILD_UP)
		feed(c, CHILD_EV_UP);
}

static void
feed(struct child *c, enum child_event event)
{
	struct child_step step = child_fsm_step(c->state, event);
	enum child_state old = c->state;
	struct mono now = mono_now();
	int64_t ms = mono_diff_ms(now, c->state_since);

	if (step.next == old && step.action == CHILD_DO_NOTHING)
		return;
	if (event == CHILD_EV_TIMEOUT && old == CHILD_STARTING)
		set_cause(c, "not ready within %lld ms",
		    (long long)c->conf->supervise.ready_timeout_ms);
	else if (event == CHILD_EV_TIMEOUT && old == CHILD_STOPPING)
		set_cause(c, "did not stop within %lld ms",
		    (long long)c->stop_ms);
	else if (event == CHILD_EV_TIMEOUT && old == CHILD_FAILED)
		backoff_retry(&c->backoff);
	else if (event == CHILD_EV_READY)
		set_cause(c, "said READY");
	c->state = step.next;
	if (step.next != old) {
		c->state_since = now;
		c->state_since_unix_ms = wall_unix_ms();
	}
	act(c, step.action);
	/* A spawn that failed has changed, and told, the state already. */
	if (step.next == old || c->state != step.next)
		return;
	log_change(c, old, ms);
	c->ops->changed(c, old, c->ops->arg);
	if (c->state == CHILD_STOPPED && old != CHILD_STOPPED)
		reconcile(c);
}

static void
child_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct child *c = arg;

	assert(c->magic == CHILD_MAGIC);
	if (c->state == CHILD_STARTING &&
	    !c->ops->may_time_out(c, c->ops->arg)) {
		arm(c, c->conf->supervise.ready_timeout_ms);
		return;
	}
	feed(c, CHILD_EV_TIMEOUT);
}

/* --- the end of a process ------------------------------------------------ */

void
child_reaped(struct child *c, int status)
{
	bool hopeless = WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG;
	bool ordered;
	enum child_event event;
	int64_t delay_ms;

	/* Its last words may not have been read yet: why it failed. */
	if (c->process.channel != NULL)
		channel_drain(c->process.channel);
	ordered = c->desired == CHILD_DOWN || c->state == CHILD_STOPPING ||
	    c->pending == CHILD_PENDING_RESTART;
	/* Of one that we ended, the cause is why. */
	if (c->state != CHILD_HUNG && c->state != CHILD_KILLED)
		child_text_exit(c->cause, sizeof(c->cause), status,
		    &c->status);
	child_process_forget(&c->process);
	if (ordered) {
		feed(c, CHILD_EV_EXIT);
		return;
	}
	memcpy(c->last_death, c->cause, sizeof(c->last_death));
	event = count_death(c, hopeless, &delay_ms);
	/* The timer first: feed() may end in another state. */
	arm(c, delay_ms);
	feed(c, event);
}

/* --- commands ------------------------------------------------------------ */

void
child_want(struct child *c, enum child_desired desired, const char *cause)
{
	c->desired = desired;
	set_cause(c, "%s", cause);
	if (desired == CHILD_DOWN) {
		c->pending = CHILD_PENDING_NONE;
		c->stop_ms = STOP_DEFAULT_MS;
	}
	feed(c, desired == CHILD_UP ? CHILD_EV_UP : CHILD_EV_DOWN);
}

void
child_hold(struct child *c, const char *cause)
{
	c->desired = CHILD_UP;
	set_cause(c, "%s", cause);
}

void
child_restart(struct child *c, const char *cause)
{
	c->desired = CHILD_UP;
	c->stop_ms = STOP_DEFAULT_MS;
	backoff_reset(&c->backoff);
	set_cause(c, "%s", cause);
	if (child_running(c))
		c->pending = CHILD_PENDING_RESTART;
	feed(c, CHILD_EV_RESTART);
}

void
child_drain(struct child *c, const char *cause)
{
	c->drain = true;
	set_cause(c, "%s", cause);
	(void)child_send(c, MSG_DRAIN, NULL, 0, -1);
}

void
child_stop_within(struct child *c, int64_t ms, const char *cause)
{
	c->desired = CHILD_DOWN;
	c->pending = CHILD_PENDING_NONE;
	c->stop_ms = ms;
	set_cause(c, "%s", cause);
	if (c->state == CHILD_STOPPING)
		arm(c, ms);
	else if (c->state == CHILD_HUNG)
		arm(c, MIN(ms, ABORT_MS - mono_diff_ms(mono_now(),
		    c->state_since)));
	feed(c, CHILD_EV_DOWN);
}

void
child_extend(struct child *c)
{
	if (c->state == CHILD_STARTING)
		arm(c, c->conf->supervise.ready_timeout_ms);
}

void
child_tick(struct child *c, struct mono now, bool forgive)
{
	int64_t silence;

	if (c->state != CHILD_READY && c->state != CHILD_STARTING)
		return;
	if (forgive)
		c->last_pong = now;
	silence = mono_diff_ms(now, c->last_pong);
	/* Before its first PONG a start may take long: READY's deadline. */
	if ((c->ponged || c->state == CHILD_READY) &&
	    silence > c->conf->supervise.hang_timeout_ms) {
		set_cause(c, "hung: no answer for %lld ms",
		    (long long)silence);
		feed(c, CHILD_EV_HUNG);
		return;
	}
	if (c->state == CHILD_READY && !c->stable &&
	    mono_diff_ms(now, c->ready_at) >= CHILD_STABLE_MS) {
		c->stable = true;
		backoff_reset(&c->backoff);
	}
	(void)child_send(c, MSG_PING, NULL, 0, -1);
}

/* --- life ---------------------------------------------------------------- */

struct child *
child_new(struct event_base *base, const struct conf *conf, const char *role,
    const char *instance, const char *binary, const struct child_ops *ops)
{
	struct child *c = xcalloc(1, sizeof(*c));

	c->magic = CHILD_MAGIC;
	c->base = base;
	c->conf = conf;
	c->ops = ops;
	c->process = CHILD_PROCESS_NONE;
	c->stop_ms = STOP_DEFAULT_MS;
	c->binary = xstrdup(binary);
	(void)snprintf(c->role, sizeof(c->role), "%s", role);
	(void)snprintf(c->instance, sizeof(c->instance), "%s", instance);
	if (strcmp(instance, "-") == 0)
		(void)snprintf(c->title, sizeof(c->title), "%s", role);
	else
		(void)snprintf(c->title, sizeof(c->title), "%s/%s", role,
		    instance);
	backoff_init(&c->backoff, conf->supervise.circuit_deaths);
	c->timer = evtimer_new(base, child_timer_cb, c);
	if (c->timer == NULL)
		fatalx("event_new failed");
	c->state_since = mono_now();
	c->state_since_unix_ms = wall_unix_ms();
	return c;
}

void
child_free(struct child *c)
{
	if (c == NULL)
		return;
	assert(c->magic == CHILD_MAGIC);
	child_process_forget(&c->process);
	event_free(c->timer);
	backoff_clear(&c->backoff);
	free(c->binary);
	c->magic = 0;
	free(c);
}
