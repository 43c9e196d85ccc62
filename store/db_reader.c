#include "store/db_reader.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>

#include <jansson.h>

#include "common/mono.h"
#include "common/query.h"
#include "common/xmalloc.h"
#include "store/conf_slot.h"
#include "store/history_read.h"
#include "store/json_ops.h"
#include "store/registry.h"
#include "store/snapshot_read.h"

#define DB_READER_MAGIC   0x44425244u
#define COPY_AGE_MS       (24 * 3600 * INT64_C(1000))

struct job {
	STAILQ_ENTRY(job)	 link;
	enum db_reader_job	 kind;
	uint64_t		 ticket;
	size_t			 n;
	uint8_t			 body[];
};

struct result {
	STAILQ_ENTRY(result)	 link;
	struct db_reader_result	 result;
};

STAILQ_HEAD(jobs, job);
STAILQ_HEAD(results, result);

struct db_reader {
	uint32_t		 magic;
	int			 notify_fd;
	bool			 started;
	pthread_t		 thread;
	pthread_mutex_t		 mutex;      /* guards what follows */
	pthread_cond_t		 wake;
	struct jobs		 jobs;
	unsigned int		 n_jobs;
	struct results		 results;
	char			*facts;
	bool			 stopping;
	struct conf_slot	 conf;
	/* The thread's own. */
	struct registry		*registry;
	struct snapshot_reader	*snapshots;
	struct history_reader	*history;
};

/* --- results ------------------------------------------------------------- */

static void
result_put(struct db_reader *r, const struct db_reader_result *result)
{
	struct result *entry = xcalloc(1, sizeof(*entry));

	entry->result = *result;
	pthread_mutex_lock(&r->mutex);
	STAILQ_INSERT_TAIL(&r->results, entry, link);
	pthread_mutex_unlock(&r->mutex);
	(void)eventfd_write(r->notify_fd, 1);
}

/* `doing`: what failed and what becomes of it. */
static void
result_trouble(struct db_reader *r, const struct err *err, const char *doing,
    bool projection)
{
	struct db_reader_result result = { .kind = DB_READER_TROUBLE };

	(void)snprintf(result.text, sizeof(result.text), "%s: %.400s", doing,
	    err->text);
	result.damaged = projection && err->code == EUCLEAN;
	result_put(r, &result);
}

/* registry_changed_fn */
static void
bindings_changed(const char *cluster, uint64_t version, void *arg)
{
	struct db_reader_result result = { .kind = DB_READER_CHANGED,
		.version = version };

	(void)snprintf(result.cluster, sizeof(result.cluster), "%s", cluster);
	result_put(arg, &result);
}

/* completeness_cluster_fn */
static char *
cluster_of(struct slice tenant, struct slice workflow, void *arg)
{
	struct db_reader *r = arg;

	return registry_cluster_of(r->registry, tenant, workflow);
}

/* --- jobs ---------------------------------------------------------------- */

static void
job_snapshot(struct db_reader *r, const struct job *job, struct buf *answer)
{
	struct slice tenant, after, *selectors;
	struct rd rd = rd_init(job->body, job->n);
	struct err err = { 0 };
	size_t n;
	int rc;

	if (query_wire_snapshot_decode(&rd, &tenant, &selectors, &n,
	    &after) == -1) {
		json_ops_error(answer, 400, "bad_request",
		    "the store could not read the question");
		return;
	}
	buf_u8(answer, 0);
	rc = after.p != NULL ?
	    snapshot_read_page(r->snapshots, tenant, selectors[0], after,
	    answer, &err) :
	    snapshot_read(r->snapshots, tenant, selectors, n, answer, &err);
	if (rc == -1) {
		buf_reset(answer);
		if (err.code == EINVAL)
			json_ops_error(answer, 400, "invalid_key", err.text);
		else if (err.code == EMSGSIZE)
			json_ops_error(answer, 413, "snapshot_too_large",
			    err.text);
		else {
			json_ops_error(answer, 503, "store_unavailable",
			    err.text);
			result_trouble(r, &err, "a snapshot cannot be read,"
			    " those who asked will ask again", true);
		}
	}
	free(selectors);
}

static void
job_history(struct db_reader *r, const struct job *job, struct buf *answer)
{
	struct rd rd = rd_init(job->body, job->n);
	int64_t lately = wall_unix_ms() - r->conf.now->journal.retain_ms;
	struct query_history_ask ask;
	struct err err = { 0 };

	if (query_wire_history_decode(&rd, &ask) == -1) {
		json_ops_error(answer, 400, "bad_request",
		    "the store could not read the question");
		return;
	}
	buf_u8(answer, 0);
	if (history_read(r->history, &ask, lately, answer, &err) == 0)
		return;
	buf_reset(answer);
	json_ops_error(answer, 503, "store_unavailable", err.text);
	result_trouble(r, &err, "a history cannot be read, who asked is told"
	    " to ask again", true);
}

static void
job_json(struct db_reader *r, const struct job *job, struct buf *answer)
{
	struct rd rd = rd_init(job->body, job->n);
	struct slice text = rd_str32(&rd);
	struct json_ops ops = { r->registry, r->snapshots, NULL };
	char *facts;

	if (!rd_done(&rd)) {
		json_ops_error(answer, 400, "bad_request",
		    "the store could not read the question");
		return;
	}
	pthread_mutex_lock(&r->mutex);
	facts = xstrdup(r->facts);
	pthread_mutex_unlock(&r->mutex);
	ops.facts = facts;
	json_ops_answer(&ops, text, answer);
	free(facts);
}

static int
job_follow(struct db_reader *r, const struct job *job, struct err *err)
{
	json_t *list = json_loadb((const char *)job->body, job->n, 0, NULL);
	int rc = -1;

	if (json_is_array(list))
		rc = registry_follow(r->registry, list, err);
	else
		(void)err_set(err, "the list of followed workflows");
	json_decref(list);
	return rc;
}

static int
job_copy(struct db_reader *r, struct err *err)
{
	int64_t age = registry_copy_age_ms(r->registry);

	if (age >= 0 && age < COPY_AGE_MS)
		return 0;
	return registry_copy(r->registry, err);
}

static int
job_check(struct db_reader *r, struct err *err)
{
	struct db_reader_result result = { .kind = DB_READER_INCOMPLETE };
	unsigned int incomplete;

	if (snapshot_incomplete(r->snapshots, &incomplete, err) == -1)
		return -1;
	result.version = incomplete;
	result_put(r, &result);
	return 0;
}

static void
job_answer(struct db_reader *r, const struct job *job)
{
	struct db_reader_result result = { .kind = DB_READER_ANSWER,
		.ticket = job->ticket, .bytes = BUF_EMPTY };

	if (job->kind == DB_READER_SNAPSHOT)
		job_snapshot(r, job, &result.bytes);
	else if (job->kind == DB_READER_HISTORY)
		job_history(r, job, &result.bytes);
	else
		job_json(r, job, &result.bytes);
	result_put(r, &result);
}

static void
job_run(struct db_reader *r, const struct job *job)
{
	const struct db_reader_result unfollowed = {
		.kind = DB_READER_UNFOLLOWED };
	struct err err = { 0 };

	switch (job->kind) {
	case DB_READER_SNAPSHOT:
	case DB_READER_HISTORY:
	case DB_READER_JSON:
		job_answer(r, job);
		break;
	case DB_READER_FOLLOW:
		if (job_follow(r, job, &err) == 0)
			break;
		result_trouble(r, &err, "the workflows MongoDB follows are not"
		    " taken, trying again", false);
		result_put(r, &unfollowed);
		break;
	case DB_READER_ANNOUNCE:
		if (registry_announce(r->registry, &err) == -1)
			result_trouble(r, &err, "the bindings are not"
			    " announced", false);
		break;
	case DB_READER_CHECK:
		if (job_check(r, &err) == -1)
			result_trouble(r, &err, "what is incomplete is not"
			    " known", true);
		break;
	case DB_READER_COPY:
		if (job_copy(r, &err) == -1)
			result_trouble(r, &err, "no daily copy of the"
			    " workflows, trying again in an hour", false);
		break;
	case DB_READER_JOB_MAX:
	default:
		break;
	}
}

static void *
reader_main(void *arg)
{
	struct db_reader *r = arg;
	struct job *job;

	assert(r->magic == DB_READER_MAGIC);
	pthread_mutex_lock(&r->mutex);
	while (!r->stopping) {
		if (conf_slot_take(&r->conf))
			snapshot_reader_conf(r->snapshots, r->conf.now);
		job = STAILQ_FIRST(&r->jobs);
		if (job == NULL) {
			(void)pthread_cond_wait(&r->wake, &r->mutex);
			continue;
		}
		STAILQ_REMOVE_HEAD(&r->jobs, link);
		r->n_jobs--;
		pthread_mutex_unlock(&r->mutex);
		job_run(r, job);
		free(job);
		pthread_mutex_lock(&r->mutex);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

/* --- the other threads' side --------------------------------------------- */

int
db_reader_submit(struct db_reader *r, enum db_reader_job kind,
    uint64_t ticket, const void *body, size_t n)
{
	struct job *job = xmalloc(sizeof(*job) + n);
	int rc = 0;

	assert(r->magic == DB_READER_MAGIC);
	job->kind = kind;
	job->ticket = ticket;
	job->n = n;
	if (n > 0)
		memcpy(job->body, body, n);
	pthread_mutex_lock(&r->mutex);
	if (r->n_jobs < DB_READER_JOBS_MAX) {
		r->n_jobs++;
		STAILQ_INSERT_TAIL(&r->jobs, job, link);
		pthread_cond_signal(&r->wake);
	} else {
		free(job);
		rc = -1;
	}
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

bool
db_reader_take(struct db_reader *r, struct db_reader_result *ret)
{
	struct result *entry;

	pthread_mutex_lock(&r->mutex);
	entry = STAILQ_FIRST(&r->results);
	if (entry != NULL)
		STAILQ_REMOVE_HEAD(&r->results, link);
	pthread_mutex_unlock(&r->mutex);
	if (entry == NULL)
		return false;
	*ret = entry->result;
	free(entry);
	return true;
}

void
db_reader_conf(struct db_reader *r, struct conf *conf)
{
	pthread_mutex_lock(&r->mutex);
	conf_slot_offer(&r->conf, conf);
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

void
db_reader_facts(struct db_reader *r, const char *json)
{
	pthread_mutex_lock(&r->mutex);
	free(r->facts);
	r->facts = xstrdup(json);
	pthread_mutex_unlock(&r->mutex);
}

struct db_reader *
db_reader_new(const char *projection_path, const char *registry_path,
    const struct conf *conf, int notify_fd, struct err *err)
{
	struct db_reader *r = xcalloc(1, sizeof(*r));
	int rc;

	r->magic = DB_READER_MAGIC;
	r->notify_fd = notify_fd;
	r->facts = xstrdup("{}");
	STAILQ_INIT(&r->jobs);
	STAILQ_INIT(&r->results);
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->wake, NULL);
	conf_slot_init(&r->conf, conf);
	r->registry = registry_open(registry_path, bindings_changed, r, err);
	if (r->registry == NULL)
		goto fail;
	r->snapshots = snapshot_reader_open(projection_path, conf, cluster_of,
	    r, err);
	if (r->snapshots == NULL)
		goto fail;
	r->history = history_reader_open(projection_path, err);
	if (r->history == NULL)
		goto fail;
	rc = pthread_create(&r->thread, NULL, reader_main, r);
	if (rc != 0) {
		(void)err_errno(err, rc, "the reader thread");
		goto fail;
	}
	r->started = true;
	return r;
fail:
	db_reader_free(r);
	return NULL;
}

void
db_reader_free(struct db_reader *r)
{
	struct db_reader_result result;
	struct job *job;

	if (r == NULL)
		return;
	assert(r->magic == DB_READER_MAGIC);
	if (r->started) {
		pthread_mutex_lock(&r->mutex);
		r->stopping = true;
		pthread_cond_signal(&r->wake);
		pthread_mutex_unlock(&r->mutex);
		(void)pthread_join(r->thread, NULL);
	}
	while ((job = STAILQ_FIRST(&r->jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->jobs, link);
		free(job);
	}
	while (db_reader_take(r, &result))
		buf_free(&result.bytes);
	r->magic = 0;
	snapshot_reader_close(r->snapshots);
	history_reader_close(r->history);
	conf_slot_clear(&r->conf);
	registry_close(r->registry);
	free(r->facts);
	(void)pthread_mutex_destroy(&r->mutex);
	(void)pthread_cond_destroy(&r->wake);
	free(r);
}
