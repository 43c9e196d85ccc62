#include "health/checked_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "common/xmalloc.h"
#include "health/classify.h"
#include "health/health_event.h"

static const char *
kubeconfig_of(const struct conf_cluster *cluster, const struct conf *conf)
{
	if (cluster->kubeconfig != NULL)
		return cluster->kubeconfig;
	return conf->kubeconfig != NULL ? conf->kubeconfig : "";
}

struct checked_cluster *
checked_cluster_new(const struct conf_cluster *cluster,
    const struct conf *conf, struct mono now)
{
	struct checked_cluster *c = xcalloc(1, sizeof(*c));

	c->magic = CLUSTER_MAGIC;
	c->id = xstrdup(cluster->id);
	if (cluster->context != NULL)
		c->context = xstrdup(cluster->context);
	c->kubeconfig = xstrdup(kubeconfig_of(cluster, conf));
	c->source = xcalloc(1, sizeof(*c->source));
	kube_source_init(c->source, c->kubeconfig, c->context);
	c->latency_ms = -1;
	c->metadata_due = now;
	return c;
}

void
checked_cluster_free(struct checked_cluster *c)
{
	if (c == NULL)
		return;
	check_job_free_source(c->source);
	cluster_facts_free(&c->facts);
	free(c->id);
	free(c->context);
	free(c->kubeconfig);
	c->magic = 0;
	free(c);
}

bool
checked_cluster_is(const struct checked_cluster *c,
    const struct conf_cluster *cluster, const struct conf *conf)
{
	return text_same(c->id, cluster->id) &&
	    text_same(c->context, cluster->context) &&
	    text_same(c->kubeconfig, kubeconfig_of(cluster, conf));
}

/* --- jobs ----------------------------------------------------------------- */
struct check_job *
checked_cluster_job(struct checked_cluster *c, enum schedule_job kind,
    const atomic_bool *cancelled)
{
	struct check_job *job = check_job_new(kind, c->source, cancelled, c);

	c->source = NULL;
	job->plugged = c->plugged;
	if (kind == SCHEDULE_CHECK)
		c->plugged = false;
	return job;
}

static void
take_source(struct checked_cluster *c, struct check_job *job)
{
	c->source = job->source;
	job->source = NULL;
	if (job->outdated)
		log_warn("%s: going on with the credentials read before: %s",
		    c->id, job->stale.text);
}

static enum schedule_outcome
take_probe(struct checked_cluster *c, const struct probe_result *probe,
    struct mono now)
{
	verdict_check(&c->verdict, &probe->finding, now);
	c->checked = true;
	c->checked_at_unix_ms = wall_unix_ms();
	c->latency_ms = probe->finding.reachable ? probe->latency_ms : -1;
	if (probe->version[0] != '\0')
		(void)snprintf(c->version, sizeof(c->version), "%s",
		    probe->version);
	c->unsent = true;
	if (!probe->finding.reachable)
		return SCHEDULE_FAILED;
	return verdict_unconfirmed(&c->verdict) ? SCHEDULE_CONFIRM :
	    SCHEDULE_ANSWERED;
}

static void
take_facts(struct checked_cluster *c, struct check_job *job, int64_t max_age,
    struct mono now)
{
	if (job->wants_plugin)
		return;   /* wanted again after the next check */
	if (!job->have_facts) {
		c->metadata_due = mono_add_ms(now,
		    MIN((int64_t)CLUSTER_METADATA_RETRY_MS, max_age));
		log_debug("%s: no metadata: %s, again in at most %d s", c->id,
		    job->err.text, CLUSTER_METADATA_RETRY_MS / 1000);
		return;
	}
	cluster_facts_free(&c->facts);
	c->facts = job->facts;
	memset(&job->facts, 0, sizeof(job->facts));
	c->metadata_due = mono_add_ms(now, max_age);
	c->facts_unsent = true;
}

enum schedule_outcome
checked_cluster_take(struct checked_cluster *c, struct check_job *job,
    int64_t metadata_max_age_ms, struct mono now)
{
	enum schedule_outcome outcome = SCHEDULE_ANSWERED;

	if (job->kind != SCHEDULE_CHECK)
		take_facts(c, job, metadata_max_age_ms, now);
	else if (job->wants_plugin)
		outcome = SCHEDULE_PUT_OFF;
	else
		outcome = take_probe(c, &job->probe, now);
	take_source(c, job);
	return outcome;
}

enum checked_plug
checked_cluster_plug(struct checked_cluster *cluster,
    struct exec_credential *c, uint64_t id, struct mono now)
{
	enum checked_plug plug = CHECKED_PLUG_CHECK;
	struct probe_result probe = { 0 };
	int64_t wall = wall_unix_ms();

	cluster->asking = false;
	/* A job has the source, or it is another by now: asked again then. */
	if (cluster->source == NULL || cluster->source->cred.exec == NULL) {
		cluster->plugged = false;
	} else if (c->error != NULL) {
		plug = CHECKED_PLUG_FINDING;
		classify_own(PROBE_AUTH, c->error, &probe.finding);
		(void)take_probe(cluster, &probe, now);
	} else if (kube_source_plug(cluster->source, c, id, now, wall) ==
	    KUBE_SOURCE_FOREIGN ||
	    kube_source_wants_plugin(cluster->source, wall)) {
		plug = CHECKED_PLUG_WAIT;   /* or it expired on the way */
	} else {
		cluster->plugged = true;
	}
	exec_credential_free(c);
	return plug;
}

/* --- publishing ----------------------------------------------------------- */
static void
checked_cluster_result_cb(const struct publish_result *result,
    void *arg UNUSED)
{
	if (result->code != RECORD_APPENDED)
		log_warn("a health event was not taken by the broker (code "
		    "%d): are there more than journal.max_streams streams?",
		    (int)result->code);
}

static void
log_move(const struct checked_cluster *c, const struct verdict_report *r)
{
	if (r->message != NULL)
		log_info("%s: %s -> %s: %s: %s", c->id,
		    cluster_status_name(c->published),
		    cluster_status_name(r->status), probe_code_name(r->code),
		    r->message);
	else
		log_info("%s: %s -> %s", c->id,
		    cluster_status_name(c->published),
		    cluster_status_name(r->status));
}

static bool
publish_status(struct checked_cluster *c, struct publisher *publisher,
    struct mono now)
{
	struct verdict_report r;
	struct health_event events[2];
	struct item items[2];
	int64_t wall = wall_unix_ms();
	size_t n = 1;
	int rc;

	verdict_report(&c->verdict, now, &r);
	struct health_view view = {
		.id = c->id,
		.name = c->context != NULL ? c->context : c->id,
		.status = r.status,
		.previous = c->published,
		.reachable = c->verdict.finding.reachable,
		.latency_ms = c->latency_ms,
		.checked_at_unix_ms = c->checked_at_unix_ms,
		.consecutive_failures = c->verdict.failures,
		.version = c->version,
		.code = r.code,
		.message = r.message,
	};
	health_event_status(&events[0], "cluster.health", &view, wall);
	if (r.status != c->published)
		health_event_status(&events[n++], "cluster.status_changed",
		    &view, wall);
	for (size_t i = 0; i < n; i++)
		items[i] = events[i].item;
	rc = publisher_submit(publisher, items, n, checked_cluster_result_cb,
	    NULL);
	if (rc == 0 && n == 2) {
		log_move(c, &r);
		c->published = r.status;
	}
	for (size_t i = 0; i < n; i++)
		health_event_free(&events[i]);
	return rc == 0;
}

static bool
publish_facts(const struct checked_cluster *c, struct publisher *publisher)
{
	struct health_event event;
	int rc;

	health_event_metadata(&event, c->id, &c->facts, wall_unix_ms());
	rc = publisher_submit(publisher, &event.item, 1,
	    checked_cluster_result_cb, NULL);
	health_event_free(&event);
	return rc == 0;
}

bool
checked_cluster_publish(struct checked_cluster *c,
    struct publisher *publisher, struct mono now)
{
	if (c->unsent && c->checked && publish_status(c, publisher, now))
		c->unsent = false;
	if (c->facts_unsent && publish_facts(c, publisher))
		c->facts_unsent = false;
	return !(c->unsent && c->checked) && !c->facts_unsent;
}
