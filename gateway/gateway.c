#include "gateway/gateway.h"

#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/desk.h"
#include "gateway/drain.h"
#include "gateway/flight.h"
#include "gateway/flush.h"
#include "gateway/journal_tail.h"
#include "gateway/log_grace.h"
#include "gateway/open_logs.h"
#include "gateway/payload_check.h"
#include "gateway/publish_wait.h"
#include "gateway/replay.h"
#include "gateway/sandbox.h"
#include "gateway/snapshot.h"
#include "gateway/status_api.h"
#include "gateway/stream.h"
#include "gateway/test_hooks.h"

#define GATEWAY_STATUS_MS 2000

static int64_t held_ms;   /* 0: the clock is not held */

int64_t
gateway_now_ms(void)
{
	return held_ms != 0 ? held_ms : mono_now().ns / 1000000;
}

void
gateway_hold_clock(bool hold)
{
	held_ms = 0;
	if (hold)
		held_ms = gateway_now_ms();
}

uint32_t
gateway_random(void)
{
	uint32_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		r = (uint32_t)mono_now().ns;
	return r;
}

bool
gateway_is_ready(const struct gateway *g, const char **ret_why)
{
	*ret_why = "draining";
	if (g->draining)
		return false;
	*ret_why = "not caught up with the broker yet";
	if (g->beats == 0)
		return false;
	*ret_why = "nothing heard of the broker for over a second";
	return subscriber_silence_ms(g->subscriber) <=
	    GATEWAY_BROKER_SILENT_MS;
}

/* --- status --------------------------------------------------------------- */

/* Logs a change; the trouble that lasts is told by the status. */
static void
note_trouble(struct gateway *g, const char *trouble)
{
	if (trouble != NULL && g->trouble != NULL &&
	    strcmp(trouble, g->trouble) == 0)
		return;
	if (trouble != NULL)
		log_warn("%s: tried again with every heartbeat, given up as "
		    "lost if it stays (clients are told)", trouble);
	else if (g->trouble != NULL)
		log_info("reading the journal goes on");
	free(g->trouble);
	g->trouble = trouble == NULL ? NULL : xstrdup(trouble);
}

/* What sluicectl status shows. */
static void
report(struct gateway *g)
{
	char tip[EVENT_ID_MAX];
	const char *why;

	stream_log_tick(g);
	note_trouble(g, subscriber_trouble(g->subscriber));
	if (g->draining)
		drain_report(g->drain);
	else if (g->trouble != NULL)
		role_status(g->role, "behind", "%s", g->trouble);
	else if (g->beats == 0)
		role_status(g->role, "starting",
		    "reading the journal's tail");
	else if (!gateway_is_ready(g, &why))
		role_status(g->role, "waiting", "%s (%" PRId64 " s): streams "
		    "stay open, publishing answers 503", why,
		    subscriber_silence_ms(g->subscriber) / 1000);
	else
		role_status(g->role, "ready", "at %s, %" PRIu64 " streams of "
		    "%zu connections", position_format(ring_tip(g->ring),
		    tip), g->metrics.streaming,
		    connections_count(g->connections));
}

static void
gateway_report_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct gateway *g = arg;

	assert(g->magic == GATEWAY_MAGIC);
	report(g);
}

/* --- input ---------------------------------------------------------------- */

static void
item_cb(const struct item *item, void *arg)
{
	struct gateway *g = arg;

	g->metrics.events_in++;
	if ((item->flags & RING_ENDING) != 0)
		log_grace_note(g->grace, item, g->record_ms);
	else
		open_logs_line(g->open_logs, item->tenant, item->key,
		    item->position);
	hub_dispatch(g->hub, item->tenant, item->key, item->event_type,
	    (item->flags & RING_ENDING) != 0, item->position.number);
}

static void
record_cb(const void *bytes, size_t n, void *arg)
{
	struct gateway *g = arg;
	struct err err = { 0 };

	assert(g->magic == GATEWAY_MAGIC);
	g->metrics.records++;
	g->record_ms = record_time(bytes, n);
	if (g->unflushed_ms == 0)
		g->unflushed_ms = g->record_ms;
	if (ring_input(g->ring, bytes, n, item_cb, g, &err) == -1)
		fatalx("a record of the broker: %s", err.text);
	flush_after_input(g->flush);
	publisher_record(g->publisher, bytes, n);
}

static void
gap_cb(struct position from, struct position next, void *arg)
{
	struct gateway *g = arg;
	struct position tip = ring_tip(g->ring);
	char a[EVENT_ID_MAX], b[EVENT_ID_MAX];

	assert(g->magic == GATEWAY_MAGIC);
	log_warn("events between %s and %s are lost: clients are told",
	    position_format(from, a), position_format(next, b));
	ring_clear(g->ring, next);
	hub_cleared(g->hub);
	log_grace_lost(g->grace);
	stream_order_broken(g, tip.epoch != next.epoch);
}

static void
caught_up_cb(const struct heartbeat *hb, void *arg)
{
	struct gateway *g = arg;
	bool knows;

	assert(g->magic == GATEWAY_MAGIC);
	g->beat = *hb;
	ring_advance(g->ring, hb->tip);
	/* Before it does, one that is open would count as over. */
	knows = log_grace_knows(g->grace);
	if (g->beats == 0 && !knows)
		return;
	if (g->beats++ == 0) {
		publisher_reads(g->publisher);
		log_info("caught up: %zu frames in the ring",
		    (size_t)ring_stats(g->ring).frames);
		report(g);
		role_ready(g->role);
	}
}

static void
retract_cb(uint64_t tip, void *arg)
{
	struct gateway *g = arg;

	assert(g->magic == GATEWAY_MAGIC);
	replay_retract(g->replay, tip);
}

static void
fenced_cb(void *arg UNUSED)
{
	fatalx("a newer incarnation of this gateway runs: leaving");
}

static void
gateway_look_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct gateway *g = arg;

	assert(g->magic == GATEWAY_MAGIC);
	log_grace_look(g->grace);
}

/* --- life ----------------------------------------------------------------- */

static int
open_bus(struct gateway *g, struct err *err)
{
	static const struct subscriber_ops ops = {
		.record = record_cb,
		.gap = gap_cb,
		.caught_up = caught_up_cb,
		.retract = retract_cb,
	};
	struct role *role = g->role;
	char *bus = conf_bus_directory(&role->conf);
	int rc = -1;

	g->subscriber = subscriber_new(role->base, bus, g->journal,
	    role->title, role->incarnation, journal_tail_start(g->journal,
	    role->conf.gateway.ring), &ops, g, err);
	if (g->subscriber == NULL)
		goto out;
	role_bus_path(role, subscriber_path(g->subscriber));
	g->publisher = publisher_new(role->base, bus, role->title,
	    role->incarnation, GATEWAY_PUBLISH_QUEUE_MAX, NULL,
	    fenced_cb, g, err);
	if (g->publisher == NULL)
		goto out;
	g->query = query_client_new(role->base, bus, err);
	if (g->query == NULL)
		goto out;
	g->broker = query_client_new_broker(role->base, bus, err);
	rc = g->broker != NULL ? 0 : -1;
out:
	free(bus);
	return rc;
}

#define SANDBOX "sandbox (gateway.sandbox: false does without, at a price: " \
	"SECURITY.md)"

/* Before open_bus, which starts nanomsg's thread. */
static int
close_files(struct gateway *g, struct err *err)
{
	const struct conf *conf = &g->role->conf;
	int version;

	if (!conf->gateway.sandbox) {
		log_warn("gateway.sandbox: false: whoever takes this process "
		    "over can do what its user can");
		return 0;
	}
	if (sandbox_files(conf, g->journal, &version, err) == -1)
		return err_prefix(err, SANDBOX);
	if (version > 0)
		log_info("sandbox: files by landlock %d, system calls by "
		    "seccomp", version);
	else
		log_warn("sandbox: system calls by seccomp, files by their "
		    "modes alone: %s", SANDBOX_SANITIZED ? "this is built "
		    "with a sanitizer" : "this kernel has no landlock (Linux "
		    "5.13 and lsm=landlock,...)");
	return 0;
}

/* When all is open. */
static int
close_calls(struct gateway *g, struct err *err)
{
	const struct conf *conf = &g->role->conf;

	if (conf->gateway.sandbox && sandbox_calls(conf,
	    subscriber_path(g->subscriber), err) == -1)
		return err_prefix(err, SANDBOX);
	test_hooks_started(g);
	return 0;
}

static int
gateway_start(struct role *role, struct err *err)
{
	const struct timeval every = mono_timeval_ms(GATEWAY_STATUS_MS);
	const struct timeval look = mono_timeval_ms(LOG_GRACE_LOOK_MS);
	struct gateway *g = xcalloc(1, sizeof(*g));

	g->magic = GATEWAY_MAGIC;
	g->role = role;
	metrics_init(&g->metrics);
	role->state = g;
	payload_check_load();
	g->journal = conf_journal_directory(&role->conf);
	g->flush = flush_new(g);
	g->flights = xcalloc(1, sizeof(*g->flights));
	g->report = event_new(role->base, -1, EV_PERSIST, gateway_report_cb,
	    g);
	g->look = event_new(role->base, -1, EV_PERSIST, gateway_look_cb, g);
	g->open_logs = open_logs_new();
	g->grace = log_grace_new(g);
	if (g->report == NULL || g->look == NULL)
		return err_set(err, "event_new failed");
	g->ring = ring_new(role->conf.gateway.ring, err);
	if (g->ring == NULL)
		return -1;
	g->hub = hub_new(g->ring);
	g->access = access_new(g, err);
	if (g->access == NULL)
		return -1;
	g->connections = connections_new(g, err);
	if (g->connections == NULL)
		return -1;
	g->replay = replay_new(g);
	g->drain = drain_new(g);
	g->status = status_api_new();
	g->desk = desk_new(g, err);
	if (g->desk == NULL)
		return -1;
	role_status(role, "starting", "reading the journal's tail");
	if (close_files(g, err) == -1 || open_bus(g, err) == -1)
		return -1;
	(void)event_add(g->report, &every);
	(void)event_add(g->look, &look);
	return close_calls(g, err);
}

static void
gateway_stop(struct role *role)
{
	struct gateway *g = role->state;

	drain_stop(g->drain);
}

static void
add_segment(struct gateway *g, const void *payload, size_t n, int fd)
{
	uint64_t first;

	if (msg_segment_decode(payload, n, &first) == -1)
		fatalx("supervisor: malformed SEGMENT");
	replay_add_segment(g->replay, first, fd);
	subscriber_add_segment(g->subscriber, first, fd);
}

/* Its own, a sibling's, or, without fd, one that a sibling has now. */
static void
take_listener(struct gateway *g, const void *payload, size_t n, int fd)
{
	uint32_t index;

	if (msg_listener_decode(payload, n, &index) == -1)
		fatalx("supervisor: malformed LISTENER");
	if (fd == -1)
		connections_unlisten(g->connections, index);
	else if (g->stopping)
		(void)close(fd);   /* for the next process */
	else
		connections_listen(g->connections, index, fd);
}

/* Of its own keys only log_grace does not wait for a restart, since the broker
 * takes that, too; the keys' file does not either. */
static void
reload(struct gateway *g, int fd)
{
	struct conf conf = { 0 };
	struct err err;

	if (role_read_conf(fd, &conf, &err) == -1)
		fatalx("the new configuration cannot be read: %s", err.text);
	(void)close(fd);
	log_grace_reload(g->grace, &conf);
	conf_free(&conf);
	access_reload(g->access);
}

static void
gateway_message(struct role *role, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	struct gateway *g = role->state;

	if (type == MSG_LISTENER || type == MSG_UNLISTEN) {
		take_listener(g, payload, n, fd);
	} else if (type == MSG_DRAIN) {
		drain_begin(g->drain);
	} else if (type == MSG_SEGMENT && fd != -1) {
		add_segment(g, payload, n, fd);
	} else if (type == MSG_RELOAD && fd != -1) {
		reload(g, fd);
	} else if (type == MSG_STATES && fd != -1) {
		status_api_states(g->status, fd);
		(void)close(fd);
	} else if (fd != -1) {
		(void)close(fd);
	}
}

static void
gateway_finish(struct role *role)
{
	struct gateway *g = role->state;

	drain_free(g->drain);
	desk_free(g->desk);
	connections_free(g->connections);
	status_api_free(g->status);
	stream_log_tick(g);
	access_free(g->access);
	replay_free(g->replay);
	query_client_free(g->broker);
	query_client_free(g->query);
	if (g->publisher != NULL)
		publisher_free(g->publisher);
	if (g->subscriber != NULL)
		subscriber_free(g->subscriber);
	publish_wait_finish();
	payload_check_finish();
	hub_free(g->hub);
	ring_free(g->ring);
	flush_free(g->flush);
	free(g->flights);
	event_free(g->report);
	event_free(g->look);
	log_grace_free(g->grace);
	open_logs_free(g->open_logs);
	free(g->trouble);
	free(g->journal);
	g->magic = 0;
	free(g);
}

int
main(int argc, char **argv)
{
	static const struct role_ops ops = {
		.start = gateway_start,
		.stop = gateway_stop,
		.message = gateway_message,
		.finish = gateway_finish,
	};

	return role_main("gateway", argc, argv, &ops);
}
