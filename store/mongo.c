/* First: libbson takes a MAX that is there for its own. */
#include <mongoc/mongoc.h>

#include "store/mongo.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "store/db_reader.h"
#include "store/mongo_doc.h"
#include "store/mongo_follow.h"
#include "store/mongo_source.h"
#include "store/mongo_workflow.h"

#define MONGO_MAGIC      0x4d4f4e47u
#define MONGO_DATABASE   "kubeorch"     /* when the URI names none */
#define MONGO_CHECKPOINT "sluice_checkpoint"

struct mongo {
	uint32_t		 magic;
	bool			 started;
	pthread_t		 thread;
	pthread_mutex_t		 mutex;      /* guards what follows */
	pthread_cond_t		 wake;
	bool			 woken;
	bool			 stopping;
	struct mono		 stop_by;
	struct mongo_status	 status;
	/* The thread's own. */
	mongoc_client_pool_t	*pool;
	char			*database;
	struct mongo_source	*source;
	struct db_reader	*reader;
	struct mongo_checkpoint	 checkpoint;
	bool			 known;      /* checkpoint was read */
	struct mono		 next_follow;
	char			*followed;   /* as last handed on */
	int64_t			 retry_ms;
};

/* --- the driver's errors ------------------------------------------------- */

/* mongoc_log_func_t: the driver reports every failed check of a server. */
static void
driver_log(mongoc_log_level_t level, const char *domain, const char *text,
    void *arg UNUSED)
{
	if (level <= MONGOC_LOG_LEVEL_CRITICAL)
		log_warn("mongodb driver: %s: %s", domain, text);
	else
		log_debug("mongodb driver: %s: %s", domain, text);
}

static int
mongo_fail(struct err *err, const char *what, const bson_error_t *error)
{
	return err_set(err, "mongodb: %s: %s (%u.%u)", what, error->message,
	    error->domain, error->code);
}

static bool
reply_has(const bson_t *reply, const char *list)
{
	bson_iter_t iter, child;

	return bson_iter_init_find(&iter, reply, list) &&
	    BSON_ITER_HOLDS_ARRAY(&iter) &&
	    bson_iter_recurse(&iter, &child) && bson_iter_next(&child);
}

static int64_t
reply_count(const bson_t *reply, const char *name)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, reply, name)
	    ? bson_iter_as_int64(&iter) : 0;
}

static uint64_t
reply_errors(const bson_t *reply)
{
	bson_iter_t iter, child;
	uint64_t n = 0;

	if (bson_iter_init_find(&iter, reply, "writeErrors") &&
	    BSON_ITER_HOLDS_ARRAY(&iter) && bson_iter_recurse(&iter, &child)) {
		while (bson_iter_next(&child))
			n++;
	}
	return n;
}

/* --- writing ------------------------------------------------------------- */

/* {ordered, writeConcern: {w: "majority", j: true}} */
static void
bulk_opts(bson_t *opts, bool ordered)
{
	bson_t concern;

	bson_init(opts);
	BSON_APPEND_BOOL(opts, "ordered", ordered);
	BSON_APPEND_DOCUMENT_BEGIN(opts, "writeConcern", &concern);
	BSON_APPEND_UTF8(&concern, "w", "majority");
	BSON_APPEND_BOOL(&concern, "j", true);
	(void)bson_append_document_end(opts, &concern);
}

/* Runs one bulk. What the server refuses about single documents is counted;
 * -1 is for everything that may pass. */
static int
bulk_run(mongoc_bulk_operation_t *bulk, uint64_t n, struct mongo_status *count,
    struct err *err)
{
	bson_error_t error = { 0 };
	uint64_t matched, refused;
	bson_t reply;
	int rc = 0;

	if (mongoc_bulk_operation_execute(bulk, &reply, &error) == 0 &&
	    (!reply_has(&reply, "writeErrors") ||
	    reply_has(&reply, "writeConcernErrors")))
		rc = mongo_fail(err, "write", &error);
	matched = (uint64_t)(reply_count(&reply, "nMatched") +
	    reply_count(&reply, "nUpserted"));
	refused = reply_errors(&reply);
	if (rc == 0 && count != NULL) {
		count->written += MIN(matched, n);
		count->refused += refused;
		count->missing += n - MIN(n, matched + refused);
	}
	bson_destroy(&reply);
	return rc;
}

static mongoc_collection_t *
collection_of(struct mongo *m, mongoc_client_t *client, const char *name)
{
	return mongoc_client_get_collection(client, m->database, name);
}

/* `what` names the collection; the writes are cleared. */
static int
write_all(struct mongo *m, mongoc_client_t *client, const char *what,
    bool ordered, struct mongo_write *writes, size_t n,
    struct mongo_status *count, struct err *err)
{
	mongoc_collection_t *collection = collection_of(m, client, what);
	mongoc_bulk_operation_t *bulk;
	bson_error_t error;
	bson_t opts;
	uint64_t added = 0;
	int rc = 0;
	size_t i;

	bulk_opts(&opts, ordered);
	bulk = mongoc_collection_create_bulk_operation_with_opts(collection,
	    &opts);
	bson_destroy(&opts);
	for (i = 0; i < n; i++) {
		/* Refused by the driver itself: too large, bad UTF-8. */
		if (mongoc_bulk_operation_update_one_with_opts(bulk,
		    &writes[i].selector, &writes[i].update, &writes[i].opts,
		    &error))
			added++;
		else if (count != NULL)
			count->refused++;
		mongo_write_clear(&writes[i]);
	}
	if (added > 0)
		rc = bulk_run(bulk, added, count, err);
	mongoc_bulk_operation_destroy(bulk);
	mongoc_collection_destroy(collection);
	return rc;
}

static int
write_workflow(struct mongo *m, mongoc_client_t *client,
    const struct mongo_workflow *w, struct err *err)
{
	struct mongo_write *writes, gone;
	size_t n;
	int rc;

	if (w->deleted) {
		mongo_workflow_delete(&gone, w->id, wall_unix_ms());
		return write_all(m, client, "workflows", true, &gone, 1, NULL,
		    err);
	}
	n = mongo_workflow_put(&writes, w->id, w->tenant, w->cluster,
	    w->nodes, wall_unix_ms());
	rc = write_all(m, client, "workflows", true, writes, n, NULL, err);
	free(writes);
	return rc;
}

static void
cluster_write(struct mongo_write *ret, const struct mongo_row *row)
{
	const json_t *latency = json_object_get(row->status, "latency_ms");
	const char *checked = json_string_value(json_object_get(row->status,
	    "checked_at"));
	const char *status = json_string_value(json_object_get(row->status,
	    "status"));
	struct mongo_cluster c = {
		.name = row->workflow,
		.status = status != NULL && status[0] != '\0' ? status : NULL,
		.metadata = json_object_get(row->status, "metadata"),
		.has_latency = json_is_integer(latency),
		.latency_ms = json_integer_value(latency),
		.position = row->position,
	};

	c.has_check = checked != NULL &&
	    wall_parse(checked, strlen(checked), &c.checked_unix_ms);
	mongo_cluster_status(ret, &c, wall_unix_ms());
}

/* The rows of one kind, in bulks of MONGO_BATCH. */
static int
write_rows(struct mongo *m, mongoc_client_t *client,
    const struct mongo_batch *b, bool nodes, struct mongo_status *count,
    struct err *err)
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
			if (write_all(m, client, what, false, writes,
			    MONGO_BATCH, count, err) == -1)
				return -1;
		}
	}
	return n == 0 ? 0 : write_all(m, client, what, false, writes, n,
	    count, err);
}

/* --- the checkpoint ------------------------------------------------------ */

static void
iter_text(const bson_t *document, const char *name, char *buf, size_t size)
{
	bson_iter_t iter;

	buf[0] = '\0';
	if (bson_iter_init_find(&iter, document, name) &&
	    BSON_ITER_HOLDS_UTF8(&iter))
		(void)snprintf(buf, size, "%s", bson_iter_utf8(&iter, NULL));
}

static int
checkpoint_read(struct mongo *m, mongoc_client_t *client, struct err *err)
{
	mongoc_collection_t *collection = collection_of(m, client,
	    MONGO_CHECKPOINT);
	struct mongo_checkpoint *c = &m->checkpoint;
	mongoc_cursor_t *cursor;
	bson_error_t error;
	const bson_t *found;
	bson_t filter;
	int rc = 0;

	*c = (struct mongo_checkpoint){ 0 };
	bson_init(&filter);
	BSON_APPEND_UTF8(&filter, "_id", "store");
	cursor = mongoc_collection_find_with_opts(collection, &filter, NULL,
	    NULL);
	if (mongoc_cursor_next(cursor, &found)) {
		iter_text(found, "projection", c->projection,
		    sizeof(c->projection));
		iter_text(found, "registry", c->registry,
		    sizeof(c->registry));
		c->change = (uint64_t)reply_count(found, "change");
		c->workflow_change = (uint64_t)reply_count(found,
		    "workflow_change");
	}
	if (mongoc_cursor_error(cursor, &error))
		rc = mongo_fail(err, "reading the checkpoint", &error);
	m->known = rc == 0;
	mongoc_cursor_destroy(cursor);
	mongoc_collection_destroy(collection);
	bson_destroy(&filter);
	return rc;
}

static int
checkpoint_write(struct mongo *m, mongoc_client_t *client,
    const struct mongo_checkpoint *c, struct err *err)
{
	struct mongo_write w;
	char position[EVENT_ID_MAX];
	bson_t set;

	bson_init(&w.selector);
	bson_init(&w.update);
	bson_init(&w.opts);
	BSON_APPEND_UTF8(&w.selector, "_id", "store");
	BSON_APPEND_DOCUMENT_BEGIN(&w.update, "$set", &set);
	BSON_APPEND_UTF8(&set, "projection", c->projection);
	BSON_APPEND_INT64(&set, "change", (int64_t)c->change);
	BSON_APPEND_UTF8(&set, "registry", c->registry);
	BSON_APPEND_INT64(&set, "workflow_change",
	    (int64_t)c->workflow_change);
	BSON_APPEND_UTF8(&set, "position",
	    position_format(c->position, position));
	BSON_APPEND_DATE_TIME(&set, "updated_at", wall_unix_ms());
	(void)bson_append_document_end(&w.update, &set);
	BSON_APPEND_BOOL(&w.opts, "upsert", true);
	return write_all(m, client, MONGO_CHECKPOINT, true, &w, 1, NULL, err);
}

/* --- what is followed ---------------------------------------------------- */

static int
follow_read(struct mongo *m, mongoc_client_t *client, json_t *list,
    struct err *err)
{
	mongoc_collection_t *collection = collection_of(m, client,
	    "workflows");
	mongoc_cursor_t *cursor;
	const bson_t *document;
	bson_error_t error;
	bson_t filter, opts;
	json_t *workflow;
	int rc = 0;

	mongo_follow_query(&filter, &opts);
	cursor = mongoc_collection_find_with_opts(collection, &filter, &opts,
	    NULL);
	while (mongoc_cursor_next(cursor, &document)) {
		workflow = mongo_follow_read(document);
		if (workflow != NULL)
			(void)json_array_append_new(list, workflow);
	}
	if (mongoc_cursor_error(cursor, &error))
		rc = mongo_fail(err, "reading the workflows", &error);
	mongoc_cursor_destroy(cursor);
	mongoc_collection_destroy(collection);
	bson_destroy(&filter);
	bson_destroy(&opts);
	return rc;
}

static int
follow(struct mongo *m, mongoc_client_t *client, struct err *err)
{
	json_t *list = json_array();
	char *text;
	int rc = follow_read(m, client, list, err);

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
batch_write(struct mongo *m, mongoc_client_t *client,
    const struct mongo_batch *b, struct mongo_status *count, struct err *err)
{
	size_t i;

	for (i = 0; i < b->n_workflows; i++) {
		if (write_workflow(m, client, &b->workflows[i], err) == -1)
			return -1;
	}
	if (write_rows(m, client, b, true, count, err) == -1 ||
	    write_rows(m, client, b, false, count, err) == -1)
		return -1;
	if (b->n_rows == 0 && b->n_workflows == 0)
		return 0;
	return checkpoint_write(m, client, &b->next, err);
}

/* 1 = more waits, 0 = all is written, -1 = error. */
static int
mongo_round(struct mongo *m, struct mongo_status *count, struct err *err)
{
	mongoc_client_t *client = mongoc_client_pool_pop(m->pool);
	struct mongo_batch b = { 0 };
	int rc = 0;

	if (!m->known)
		rc = checkpoint_read(m, client, err);
	if (rc == 0 && mono_before(m->next_follow, mono_now()))
		rc = follow(m, client, err);
	if (rc == 0)
		rc = mongo_source_read(m->source, &m->checkpoint, &b, err);
	if (rc == 0)
		rc = batch_write(m, client, &b, count, err);
	if (rc == 0) {
		m->checkpoint = b.next;
		count->behind = b.behind;
		rc = b.more;
	}
	mongo_batch_clear(&b);
	mongoc_client_pool_push(m->pool, client);
	return rc;
}

/* --- the thread ---------------------------------------------------------- */

/* With the mutex held. Returns early when the thread has to stop, or was
 * woken and `woken` is true. */
static void
pause_ms(struct mongo *m, int64_t ms, bool woken)
{
	struct mono end = mono_add_ms(mono_now(), ms);
	struct timespec ts = { end.ns / 1000000000, end.ns % 1000000000 };

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
round_settle(struct mongo *m, int rc, const struct mongo_status *count,
    const struct err *err)
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
	s->behind = count->behind;
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
	struct mongo_status count;
	struct err err;
	int rc = 1;

	assert(m->magic == MONGO_MAGIC);
	pthread_mutex_lock(&m->mutex);
	/* One more round after stop was asked for writes what is left. */
	do {
		m->woken = false;
		pthread_mutex_unlock(&m->mutex);
		count = (struct mongo_status){ 0 };
		err = (struct err){ 0 };
		rc = mongo_round(m, &count, &err);
		pthread_mutex_lock(&m->mutex);
		round_settle(m, rc, &count, &err);
		if (m->stopping && rc == 0 && m->woken)
			rc = 1;
	} while (!must_leave(m, rc));
	pthread_mutex_unlock(&m->mutex);
	return NULL;
}

/* --- the loop's side ----------------------------------------------------- */

static void
uri_default(mongoc_uri_t *uri, const char *option, int32_t value)
{
	if (!mongoc_uri_has_option(uri, option))
		(void)mongoc_uri_set_option_as_int32(uri, option, value);
}

static int
pool_open(struct mongo *m, const char *text, struct err *err)
{
	bson_error_t error;
	mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);
	const char *database;

	if (uri == NULL) {
		(void)err_set(err, "mongodb: not a connection string: %s;"
		    " it should look like mongodb://host/kubeorch",
		    error.message);
		if (err != NULL)
			err->code = EX_CONFIG;
		return -1;
	}
	uri_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
	    MONGO_SELECTION_MS);
	uri_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, MONGO_SELECTION_MS);
	uri_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, MONGO_SOCKET_MS);
	uri_default(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, 2000);
	database = mongoc_uri_get_database(uri);
	m->database = xstrdup(database != NULL ? database : MONGO_DATABASE);
	m->pool = mongoc_client_pool_new_with_error(uri, &error);
	mongoc_uri_destroy(uri);
	if (m->pool == NULL) {
		(void)mongo_fail(err, "connection string", &error);
		if (err != NULL)
			err->code = EX_CONFIG;
		return -1;
	}
	(void)mongoc_client_pool_set_error_api(m->pool, 2);
	(void)mongoc_client_pool_set_appname(m->pool, "sluice-store");
	return 0;
}

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
	mongoc_init();
	mongoc_log_set_handler(driver_log, NULL);
	if (pool_open(m, conf->mongodb, err) == -1 ||
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
mongo_status(struct mongo *m, struct mongo_status *ret)
{
	pthread_mutex_lock(&m->mutex);
	*ret = m->status;
	pthread_mutex_unlock(&m->mutex);
}

bool
mongo_stop(struct mongo *m, int64_t patience_ms)
{
	int64_t end_ms = wall_unix_ms() + patience_ms * 3 / 2;
	struct timespec ts = { end_ms / 1000, end_ms % 1000 * 1000000 };

	assert(m->magic == MONGO_MAGIC);
	pthread_mutex_lock(&m->mutex);
	m->stopping = true;
	m->stop_by = mono_add_ms(mono_now(), patience_ms);
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->mutex);
	if (m->started && pthread_timedjoin_np(m->thread, NULL, &ts) != 0)
		return false;
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
	if (m->pool != NULL)
		mongoc_client_pool_destroy(m->pool);
	mongo_source_close(m->source);
	free(m->database);
	free(m->followed);
	(void)pthread_mutex_destroy(&m->mutex);
	(void)pthread_cond_destroy(&m->wake);
	free(m);
	mongoc_cleanup();
}
