/*
 * sluice-health: checks every cluster on schedule with a few worker threads,
 * and publishes what it finds, and what the supervisor sees of the watchers,
 * on cluster:<id>.
 *
 * The loop decides and publishes, the workers wait for servers. What is
 * decided is in pure modules: schedule (when), classify (what an answer
 * means), verdict (what the cluster's status is). READY = registered with the
 * broker. At its start it asks the store what was last published, so that a
 * restart of health moves no status; the first checks begin with the answer, at
 * the latest after HEALTH_SEED_MS.
 */
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log.h"
#include "common/publisher.h"
#include "common/query.h"
#include "common/role.h"
#include "common/xmalloc.h"
#include "health/check_job.h"
#include "health/checked_cluster.h"
#include "health/cluster_set.h"
#include "health/pool.h"
#include "health/schedule.h"

#define HEALTH_MAGIC      0x48544c48u   /* "HLTH" */
#define HEALTH_QUEUE_MAX  (512u * 1024) /* bytes at the publisher */
#define HEALTH_SEED_MS    2000          /* how long the store may take */
#define HEALTH_RETRY_MS   1000          /* publishing again, queue full */
#define HEALTH_FLUSH_MS   1000          /* at stop, for the last events */
#define HEALTH_FLUSH_STEP_MS 20

struct health {
	uint32_t		  magic;
	struct role		 *role;
	struct schedule		 *schedule;
	struct pool		 *pool;
	struct event		 *pool_event;
	struct event		 *timer;       /* the next due check */
	struct event		 *retry;     /* unsent events; at stop: flush */
	struct publisher	 *publisher;
	struct query_client	 *query;
	struct cluster_set	 *clusters;
	bool			  seeded;      /* checks may begin */
	bool			  stopping;
	struct mono		  flush_until;
	char			  status[128]; /* last told to the supervisor */
};

/* --- telling -------------------------------------------------------------- */
static void
tell_status(struct health *h)
{
	char text[sizeof(h->status)];

	cluster_set_summary(h->clusters, text, sizeof(text));
	if (strcmp(text, h->status) == 0)
		return;
	memcpy(h->status, text, sizeof(text));
	role_status(h->role, "checking", "%s", text);
}

static void
publish(struct health *h, struct checked_cluster *c)
{
	struct timeval tv = mono_timeval_ms(HEALTH_RETRY_MS);

	if (!checked_cluster_publish(c, h->publisher, mono_now()) &&
	    !h->stopping)
		(void)event_add(h->retry, &tv);
}

static void
publish_all(struct health *h)
{
	struct checked_cluster *c;
	size_t cursor = 0;

	while ((c = cluster_set_next(h->clusters, &cursor)) != NULL)
		publish(h, c);
	tell_status(h);
}

/* --- checks --------------------------------------------------------------- */
static void
start_job(struct health *h, struct checked_cluster *c, enum schedule_job kind)
{
	struct check_job *job = checked_cluster_job(c, kind,
	    pool_cancelled(h->pool));

	/* The schedule never has more under way than there are threads. */
	if (pool_submit(h->pool, &job->base) < 0)
		fatalx("%s: more jobs than workers: a bug", c->id);
}

/* Starts what may start, and sets the timer for what comes next. */
static void
pump(struct health *h)
{
	struct mono now = mono_now();
	struct checked_cluster *c;
	enum schedule_job kind;
	struct timeval tv;
	int64_t ms;

	if (h->stopping || !h->seeded)
		return;
	while ((c = schedule_next(h->schedule, now, &kind)) != NULL)
		start_job(h, c, kind);
	ms = schedule_wait_ms(h->schedule, now);
	if (ms < 0) {
		(void)event_del(h->timer);
		return;
	}
	tv = mono_timeval_ms(ms);
	(void)event_add(h->timer, &tv);
}

static void
health_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct health *h = arg;

	assert(h->magic == HEALTH_MAGIC);
	pump(h);
}

/* Its credentials come from a plugin, which the supervisor has run. */
static void
ask_plugin(struct health *h, struct checked_cluster *c)
{
	struct msg_bindings m = {
		.version = kube_source_refused_id(c->source) };
	struct buf b = BUF_EMPTY;

	if (c->asking)
		return;
	c->asking = true;
	(void)snprintf(m.cluster, sizeof(m.cluster), "%s", c->id);
	msg_bindings_encode(&b, &m);
	role_send(h->role, MSG_CREDENTIAL_ASK, b.data, b.len, -1);
	buf_free(&b);
}

static void
job_ended(struct health *h, struct check_job *job)
{
	struct checked_cluster *c = job->owner;
	struct mono now = mono_now();
	enum schedule_outcome outcome;

	assert(c->magic == CLUSTER_MAGIC);
	outcome = checked_cluster_take(c, job,
	    h->role->conf.health.metadata_max_age_ms, now);
	if (job->kind == SCHEDULE_CHECK)
		schedule_checked(h->schedule, c->entry, outcome, now);
	else
		schedule_fetched(h->schedule, c->entry, now);
	if (cluster_set_ended(h->clusters, c))
		return;
	if (job->wants_plugin) {
		ask_plugin(h, c);
		return;
	}
	if (outcome != SCHEDULE_FAILED && !mono_before(now, c->metadata_due))
		schedule_want_metadata(h->schedule, c->entry, now);
	publish(h, c);
}

static void
health_pool_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct health *h = arg;
	struct pool_job *base;
	struct check_job *job;

	assert(h->magic == HEALTH_MAGIC);
	while ((base = pool_collect(h->pool)) != NULL) {
		job = CONTAINER_OF(base, struct check_job, base);
		/* A check that was cancelled says nothing of its cluster. */
		if (!h->stopping)
			job_ended(h, job);
		check_job_free(job);
	}
	if (h->stopping)
		return;
	tell_status(h);
	pump(h);
}

/* --- messages of the supervisor ------------------------------------------- */
static void
reload(struct health *h, int fd)
{
	struct conf conf;
	struct err err = { 0 };

	if (role_read_conf(fd, &conf, &err) < 0)
		fatalx("reload: %s", err.text);
	cluster_set_match(h->clusters, &conf, mono_now());
	schedule_interval(h->schedule, conf.health.interval_ms);
	if (conf.health.workers != h->role->conf.health.workers)
		log_warn("reload: health.workers takes effect when health is "
		    "restarted (sluicectl restart health)");
	conf_free(&h->role->conf);
	h->role->conf = conf;
	tell_status(h);
	pump(h);
}

static void
watcher_state(struct health *h, const struct msg_cluster *m)
{
	struct checked_cluster *c = cluster_set_find(h->clusters,
	    slice_str(m->cluster));
	struct mono now = mono_now();
	bool stale;

	if (c == NULL)
		return;   /* between two reloads */
	stale = c->verdict.stale;
	verdict_watcher(&c->verdict, m->state);
	if (c->verdict.stale != stale) {
		c->unsent = true;
		publish(h, c);
		tell_status(h);
	}
	/* A watcher that works again while the cluster counts as down knows
	 * more than the last check. */
	if (strcmp(m->state, "ready") == 0 && c->checked &&
	    c->verdict.settled != CLUSTER_CONNECTED) {
		(void)schedule_check_now(h->schedule, c->entry, now);
		pump(h);
	}
}

static void
check_now(struct health *h, const struct msg_bindings *m)
{
	struct checked_cluster *c = cluster_set_find(h->clusters,
	    slice_str(m->cluster));

	if (c == NULL)
		return;
	if (schedule_check_now(h->schedule, c->entry, mono_now()) ==
	    SCHEDULE_NOW_LATER)
		log_debug("%s: check asked for again within %d ms: later",
		    c->id, SCHEDULE_CHECK_NOW_GAP_MS);
	pump(h);
}

static void
credential(struct health *h, const void *payload, size_t n, int fd)
{
	struct checked_cluster *c;
	struct exec_credential given;
	struct msg_bindings m;
	struct err err = { 0 };

	if (msg_bindings_decode(payload, n, &m) < 0 ||
	    exec_credential_read(fd, &given, &err) < 0)
		fatalx("supervisor: malformed CREDENTIAL: %s", err.text);
	c = cluster_set_find(h->clusters, slice_str(m.cluster));
	if (c == NULL) {   /* between two reloads */
		exec_credential_free(&given);
		return;
	}
	switch (checked_cluster_plug(c, &given, m.version, mono_now())) {
	case CHECKED_PLUG_FINDING:
		publish(h, c);
		tell_status(h);
		break;
	case CHECKED_PLUG_CHECK:
		(void)schedule_check_now(h->schedule, c->entry, mono_now());
		break;
	case CHECKED_PLUG_WAIT:
		break;
	}
	pump(h);
}

static void
health_message(struct role *role, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	struct health *h = role->state;
	struct msg_bindings bindings;
	struct msg_cluster cluster;

	if (h->stopping) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	if (type == MSG_CLUSTER_STATE) {
		if (msg_cluster_decode(payload, n, &cluster) < 0)
			fatalx("supervisor: malformed CLUSTER_STATE");
		watcher_state(h, &cluster);
	} else if (type == MSG_CHECK_NOW) {
		if (msg_bindings_decode(payload, n, &bindings) < 0)
			fatalx("supervisor: malformed CHECK_NOW");
		check_now(h, &bindings);
	} else if (type == MSG_CREDENTIAL) {
		credential(h, payload, n, fd);
	} else if (type == MSG_RELOAD && fd >= 0) {
		reload(h, fd);
	}
	if (fd >= 0)
		(void)close(fd);
}

/* --- start ---------------------------------------------------------------- */
static void
health_seed_cb(const struct query_snapshot *snapshot, const struct err *err,
    void *arg)
{
	struct health *h = arg;

	assert(h->magic == HEALTH_MAGIC);
	if (snapshot != NULL)
		cluster_set_seed(h->clusters, snapshot);
	else
		log_debug("what was published before is not known: %s",
		    err->text);
	h->seeded = true;
	tell_status(h);
	pump(h);
}

static void
health_ready_cb(struct position tip, void *arg)
{
	struct health *h = arg;
	struct slice selector = slice_str("cluster:*");

	assert(h->magic == HEALTH_MAGIC);
	role_ready(h->role);
	if (h->seeded)
		return;
	/* Up to the tip, so that the own last events are in it. */
	if (query_snapshot(h->query, slice_str(EVENT_TENANT_DEFAULT),
	    &selector, 1, tip, HEALTH_SEED_MS, health_seed_cb, h) == 0) {
		h->seeded = true;
		pump(h);
	}
}

static void
health_fenced_cb(void *arg)
{
	struct health *h = arg;

	assert(h->magic == HEALTH_MAGIC);
	fatalx("a newer incarnation of health is registered: leaving");
}

/* Unsent events are tried again; at stop, it waits for the last answers. */
static void
health_retry_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct timeval tv = mono_timeval_ms(HEALTH_FLUSH_STEP_MS);
	struct health *h = arg;

	assert(h->magic == HEALTH_MAGIC);
	if (!h->stopping)
		publish_all(h);
	else if (publisher_pending(h->publisher) == 0 ||
	    !mono_before(mono_now(), h->flush_until))
		role_exit(h->role);
	else
		(void)event_add(h->retry, &tv);
}

static int
open_bus(struct health *h, struct err *err)
{
	struct role *role = h->role;
	char *bus = conf_bus_directory(&role->conf);

	h->publisher = publisher_new(role->base, bus, role->title,
	    role->incarnation, HEALTH_QUEUE_MAX, health_ready_cb,
	    health_fenced_cb, h, err);
	if (h->publisher != NULL)
		h->query = query_client_new(role->base, bus, err);
	free(bus);
	return h->query != NULL ? 0 : -1;
}

static int
open_workers(struct health *h, struct err *err)
{
	const struct conf *conf = &h->role->conf;
	uint32_t workers = MAX(1u, MIN(conf->health.workers,
	    POOL_THREADS_MAX));
	uint64_t seed = 0;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, "curl_global_init failed");
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return err_errno(err, errno, "getrandom");
	h->schedule = schedule_new(workers, conf->health.interval_ms, seed);
	h->clusters = cluster_set_new(h->schedule);
	h->pool = pool_new(workers, err);
	if (h->pool == NULL)
		return -1;
	h->pool_event = event_new(h->role->base, pool_fd(h->pool),
	    EV_READ | EV_PERSIST, health_pool_cb, h);
	h->timer = evtimer_new(h->role->base, health_timer_cb, h);
	h->retry = evtimer_new(h->role->base, health_retry_cb, h);
	if (h->pool_event == NULL || h->timer == NULL || h->retry == NULL ||
	    event_add(h->pool_event, NULL) < 0)
		return err_set(err, "event_new failed");
	return 0;
}

static int
health_start(struct role *role, struct err *err)
{
	struct health *h = xcalloc(1, sizeof(*h));

	h->magic = HEALTH_MAGIC;
	h->role = role;
	role->state = h;
	if (open_workers(h, err) < 0 || open_bus(h, err) < 0)
		return -1;
	cluster_set_match(h->clusters, &role->conf, mono_now());
	tell_status(h);
	pump(h);
	return 0;
}

/* --- end ------------------------------------------------------------------ */
static void
health_stop(struct role *role)
{
	struct timeval now = { 0, 0 };
	struct health *h = role->state;

	h->stopping = true;
	h->flush_until = mono_add_ms(mono_now(), HEALTH_FLUSH_MS);
	pool_cancel(h->pool);
	(void)event_del(h->timer);
	(void)event_add(h->retry, &now);
}

static void
health_finish(struct role *role)
{
	struct health *h = role->state;

	event_free(h->pool_event);
	event_free(h->timer);
	event_free(h->retry);
	pool_free(h->pool, check_job_drop);
	cluster_set_free(h->clusters);
	schedule_free(h->schedule);
	publisher_free(h->publisher);
	query_client_free(h->query);
	curl_global_cleanup();
	h->magic = 0;
	free(h);
}

static const struct role_ops health_ops = {
	.start = health_start,
	.stop = health_stop,
	.message = health_message,
	.finish = health_finish,
};

int
main(int argc, char **argv)
{
	return role_main("health", argc, argv, &health_ops);
}
