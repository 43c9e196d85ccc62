/* First: libbson takes a MAX that is there for its own. */
#include <bson/bson.h>

#include "store/mongo.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "store/db_reader.h"
#include "store/mongo_checkpoint.h"
#include "store/mongo_doc.h"
#include "store/mongo_follow.h"
#include "store/mongo_server.h"
#include "store/mongo_source.h"
#include "store/mongo_workflow.h"

#define MONGO_MAGIC 0x4d4f4e47u

struct mongo {
	uint32_t		 magic;
	bool			 started;
	pthread_t		 thread;
	pthread_mutex_t		 mutex;      /* guards what follows */
	pthread_cond_t		 wake;
	bool			 woken;
	bool			 follow_again;
	bool			 stopping;
	bool			 ended;     /* the thread, but for its return */
	struct mono		 stop_by;
	struct mongo_status	 status;
	/* The thread's own. */
	struct mongo_server	*server;
	struct mongo_source	*source;
	struct db_reader	*reader;
	struct mongo_checkpoint	 checkpoint;
	bool			 known;      /* checkpoint was read */
	struct mono		 next_follow;
	char			*followed;   /* as last handed on */
	int64_t			 retry_ms;
};

/* --- writing ------------------------------------------------------------- */

/* What a write that says nothing of a status came to: only that it was refused
 * is told. */
static int
write_quietly(struct mongo *m, const char *collection,
    struct mongo_write *writes, size_t n, struct mongo_tally *count,
    struct err *err)
{
	struct mongo_tally own = { 0 };

	if (mongo_server_write(m->server, collection, writes, n, &own,
	    err) == -1)
		return -1;
	count->refused += own.refused;
	if (own.refused > 0)
		memcpy(count->why, own.why, sizeof(count->why));
	return 0;
}

static int
write_workflow(struct mongo *m, const struct mongo_workflow *w,
    struct mongo_tally *count, struct err *err)
{
	struct mongo_write *writes, gone;
	int step, rc = 0;
	size_t n;

	if (w->deleted) {
		mongo_workflow_delete(&gone, w->id, wall_unix_ms());
		return write_quietly(m, "workflows", &gone, 1, count, err);
	}
	for (step = 0; step < MONGO_PUT_MAX && rc == 0; step++) {
		n = mongo_workflow_put(&writes, (enum mongo_put)step, w,
		    wall_unix_ms());
		rc = write_quietly(m, "workflows", writes, n, count, err);
		free(writes);
	}
	return rc;
}

static void
cluster_write(struct mongo_write *ret, const struct mongo_row *row)
{
	struct mongo_cluster c;

	mongo_cluster_read(row->workflow, row->status, row->position, &c);
	mongo_cluster_status(ret, &c, wall_unix_ms());
}

/* The rows of one kind, in bulks of MONGO_BATCH. */
static int
write_rows(struct mongo *m, const struct mongo_batch *b, bool nodes,
    struct mongo_tally *count, struct err *err)
{
	struct mongo_write writes[MONGO_BATCH];
	const struct mongo_row *row;
	const char *what = nodes ? "workflows" : "clusters";
	size_t i, n = 0;

	for (i = 0; i < b->n_rows; i++) {
		row = &b->rows[i];
		if ((row->node != NULL) != nodes)
			continue;
		if (nodes)
			mongo_node_status(&writes[n++], row->workflow,
			    row->node, row->status, row->position,
			    wall_unix_ms());
		else
			cluster_write(&writes[n++], row);
		if (n == MONGO_BATCH) {
			n = 0;
			if (mongo_server_write(m->server, what, writes,
			    MONGO_BATCH, count, err) == -1)
				return -1;
		}
	}
	return n == 0 ? 0 : mongo_server_write(m->server, what, writes, n,
	    count, err);
}

/* --- the checkpoint ------------------------------------------------------ */

static void
checkpoint_found(const bson_t *document, void *arg)
{
	mongo_checkpoint_read(document, arg);
}

static int
checkpoint_read(struct mongo *m, struct err *err)
{
	bson_t filter;
	int rc;

	m->checkpoint = (struct mongo_checkpoint){ 0 };
	mongo_checkpoint_query(&filter);
	rc = mongo_server_find(m->server, MONGO_CHECKPOINT_COLLECTION, &filter,
	    NULL, "reading the checkpoint", checkpoint_found, &m->checkpoint,
	    err);
	m->known = rc == 0;
	bson_destroy(&filter);
	return rc;
}

static int
checkpoint_write(struct mongo *m, const struct mongo_checkpoint *c,
    struct err *err)
{
	struct mongo_tally count = { 0 };
	struct mongo_write w;

	mongo_checkpoint_write(&w, c, wall_unix_ms());
	if (mongo_server_write(m->server, MONGO_CHECKPOINT_COLLECTION, &w, 1,
	    &count, err) == -1)
		return -1;
	if (count.refused > 0)
		return err_set(err, "mongodb: the checkpoint is refused: %s",
		    count.why);
	return 0;
}

/* --- what is followed ---------------------------------------------------- */

struct followed {
	json_t		*list;
	uint64_t	 left_out;
	char		 why[MONGO_REFUSAL_MAX];   /* the first was */
};

static void
follow_found(const bson_t *document, void *arg)
{
	struct followed *f = arg;
	char why[MONGO_FOLLOW_WHY_MAX];
	json_t *workflow = mongo_follow_read(document, why);

	if (workflow != NULL)
		(void)json_array_append_new(f->list, workflow);
	else if (f->left_out++ == 0)
		(void)snprintf(f->why, sizeof(f->why), "%s", why);
}

static int
follow_read(struct mongo *m, json_t *list, struct err *err)
{
	struct followed f = { .list = list };
	bson_t filter, opts;
	int rc;

	mongo_follow_query(&filter, &opts);
	rc = mongo_server_find(m->server, "workflows", &filter, &opts,
	    "reading the workflows", follow_found, &f, err);
	bson_destroy(&filter);
	bson_destroy(&opts);
	if (rc == 0) {
		pthread_mutex_lock(&m->mutex);
		m->status.unfollowed = f.left_out;
		memcpy(m->status.left_out, f.why, sizeof(f.why));
		pthread_mutex_unlock(&m->mutex);
	}
	return rc;
}

/* What was handed on counts for nothing where it was not taken. */
static void
follow_forget(struct mongo *m)
{
	pthread_mutex_lock(&m->mutex);
	if (m->follow_again) {
		free(m->followed);
		m->followed = NULL;
	}
	m->follow_again = false;
	pthread_mutex_unlock(&m->mutex);
}

static int
follow(struct mongo *m, struct err *err)
{
	json_t *list = json_array();
	char *text;
	int rc = follow_read(m, list, err);

	follow_forget(m);
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	if (rc == 0 && (m->followed == NULL ||
	    strcmp(m->followed, text) != 0) &&
	    db_reader_submit(m->reader, DB_READER_FOLLOW, 0, text,
	    strlen(text)) == 0) {
		free(m->followed);
		m->followed = text;
		text = NULL;
	}
	free(text);
	m->next_follow = mono_add_ms(mono_now(), MONGO_FOLLOW_MS);
	return rc;
}

/* --- one round ----------------------------------------------------------- */

static int
batch_write(struct mongo *m, const struct mongo_batch *b,
    struct mongo_tally *count, struct err *err)
{
	size_t i;

	for (i = 0; i < b->n_workflows; i++) {
		if (write_workflow(m, &b->workflows[i], count, err) == -1)
			return -1;
	}
	if (write_rows(m, b, true, count, err) == -1 ||
	    write_rows(m, b, false, count, err) == -1)
		return -1;
	if (b->n_rows == 0 && b->n_workflows == 0)
		return 0;
	return checkpoint_write(m, &b->next, err);
}

/* 1 = more waits, 0 = all is written, -1 = error. *ret_behind is set unless
 * there was one. */
static int
mongo_round(struct mongo *m, struct mongo_tally *count, uint64_t *ret_behind,
    struct err *err)
{
	struct mongo_batch b = { 0 };
	int rc = 0;

	mongo_server_enter(m->server);
	if (!m->known)
		rc = checkpoint_read(m, err);
	if (rc == 0 && mono_before(m->next_follow, mono_now()))
		rc = follow(m, err);
	if (rc == 0)
		rc = mongo_source_read(m->source, &m->checkpoint, &b, err);
	if (rc == 0)
		rc = batch_write(m, &b, count, err);
	if (rc == 0) {
		m->checkpoint = b.next;
		*ret_behind = b.behind;
		rc = b.more;
	}
	mongo_batch_clear(&b);
	mongo_server_leave(m->server);
	return rc;
}

/* --- the thread ---------------------------------------------------------- */

/* For the condition, which goes by the monotonic clock. */
static struct timespec
timespec_of(struct mono t)
{
	return (struct timespec){ t.ns / 1000000000, t.ns % 1000000000 };
}

/* With the mutex held. Returns early when the thread has to stop, or was
 * woken and `woken` is true. */
static void
pause_ms(struct mongo *m, int64_t ms, bool woken)
{
	struct timespec ts = timespec_of(mono_add_ms(mono_now(), ms));

	while (!m->stopping && !(woken && m->woken)) {
		if (pthread_cond_timedwait(&m->wake, &m->mutex, &ts) != 0)
			break;
	}
}

static int64_t
jitter_ms(int64_t ms)
{
	uint16_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = 0;
	return ms / 2 + ms * random / UINT16_MAX / 2;
}

/* With the mutex held: what the round did, and how long to wait then. */
static void
round_settle(struct mongo *m, int rc, const struct mongo_tally *count,
    uint64_t behind, const struct err *err)
{
	struct mongo_status *s = &m->status;

	if (rc == -1) {
		s->failures++;
		s->connected = false;
		memcpy(s->trouble, err->text, sizeof(s->trouble));
		m->known = false;
		m->retry_ms = MIN(MAX(m->retry_ms * 2, MONGO_RETRY_MS),
		    MONGO_RETRY_MAX_MS);
		pause_ms(m, jitter_ms(m->retry_ms), false);
		return;
	}
	s->connected = true;
	s->written += count->written;
	s->missing += count->missing;
	s->refused += count->refused;
	if (count->refused > 0)
		(void)snprintf(s->refusal, sizeof(s->refusal), "%s",
		    count->why);
	s->behind = behind;
	s->trouble[0] = '\0';
	m->retry_ms = 0;
	if (rc == 1 || m->stopping)
		return;
	pause_ms(m, MONGO_BATCH_MS, false);
	pause_ms(m, MAX(mono_diff_ms(m->next_follow, mono_now()),
	    INT64_C(1)), true);
}

/* With the mutex held. */
static bool
must_leave(const struct mongo *m, int rc)
{
	return m->stopping && (rc != 1 ||
	    mono_before(m->stop_by, mono_now()));
}

static void *
mongo_main(void *arg)
{
	struct mongo *m = arg;
	struct mongo_tally count;
	struct err err;
	uint64_t behind;
	int rc = 1;

	assert(m->magic == MONGO_MAGIC);
	pthread_mutex_lock(&m->mutex);
	/* One more round after stop was asked for writes what is left. */
	do {
		m->woken = false;
		pthread_mutex_unlock(&m->mutex);
		count = (struct mongo_tally){ 0 };
		behind = 0;
		err = (struct err){ 0 };
		rc = mongo_round(m, &count, &behind, &err);
		pthread_mutex_lock(&m->mutex);
		round_settle(m, rc, &count, behind, &err);
		if (m->stopping && rc == 0 && m->woken)
			rc = 1;
	} while (!must_leave(m, rc));
	m->ended = true;
	pthread_cond_broadcast(&m->wake);
	pthread_mutex_unlock(&m->mutex);
	return NULL;
}

/* --- the loop's side ----------------------------------------------------- */

struct mongo *
mongo_new(const struct conf *conf, const char *projection_path,
    const char *registry_path, struct db_reader *reader, struct err *err)
{
	struct mongo *m = xcalloc(1, sizeof(*m));
	pthread_condattr_t attr;
	int rc;

	m->magic = MONGO_MAGIC;
	m->reader = reader;
	m->next_follow = mono_now();
	(void)pthread_mutex_init(&m->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&m->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	if ((m->server = mongo_server_new(conf->mongodb, err)) == NULL ||
	    (m->source = mongo_source_open(projection_path, registry_path,
	    err)) == NULL)
		goto fail;
	rc = pthread_create(&m->thread, NULL, mongo_main, m);
	if (rc != 0) {
		(void)err_errno(err, rc, "the MongoDB thread");
		goto fail;
	}
	m->started = true;
	return m;
fail:
	mongo_free(m);
	return NULL;
}

void
mongo_wake(struct mongo *m)
{
	pthread_mutex_lock(&m->mutex);
	m->woken = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->mutex);
}

void
mongo_follow_again(struct mongo *m)
{
	pthread_mutex_lock(&m->mutex);
	m->follow_again = true;
	pthread_mutex_unlock(&m->mutex);
}

void
mongo_status(struct mongo *m, struct mongo_status *ret)
{
	pthread_mutex_lock(&m->mutex);
	*ret = m->status;
	pthread_mutex_unlock(&m->mutex);
}

bool
mongo_stop(struct mongo *m, int64_t patience_ms)
{
	struct mono now = mono_now();
	struct timespec ts = timespec_of(mono_add_ms(now,
	    MONGO_STOP_MS(patience_ms)));
	bool ended;

	assert(m->magic == MONGO_MAGIC);
	pthread_mutex_lock(&m->mutex);
	m->stopping = true;
	m->stop_by = mono_add_ms(now, patience_ms);
	pthread_cond_broadcast(&m->wake);
	while (m->started && !m->ended && pthread_cond_timedwait(&m->wake,
	    &m->mutex, &ts) == 0)
		continue;
	ended = !m->started || m->ended;
	pthread_mutex_unlock(&m->mutex);
	if (!ended)
		return false;
	if (m->started)
		(void)pthread_join(m->thread, NULL);
	m->started = false;
	return true;
}

void
mongo_free(struct mongo *m)
{
	if (m == NULL)
		return;
	assert(m->magic == MONGO_MAGIC && !m->started);
	m->magic = 0;
	mongo_server_free(m->server);
	mongo_source_close(m->source);
	free(m->followed);
	(void)pthread_mutex_destroy(&m->mutex);
	(void)pthread_cond_destroy(&m->wake);
	free(m);
}
