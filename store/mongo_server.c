/* First: libbson takes a MAX that is there for its own. */
#include <mongoc/mongoc.h>

#include "store/mongo_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/xmalloc.h"

#define MONGO_SERVER_MAGIC    0x4d535256u
#define MONGO_SERVER_DATABASE "kubeorch"     /* when the URI names none */

struct mongo_server {
	uint32_t		 magic;
	mongoc_client_pool_t	*pool;
	mongoc_client_t		*client;     /* between enter and leave */
	char			*database;
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
server_fail(struct err *err, const char *doing, const bson_error_t *error)
{
	return err_set(err, "mongodb: %s: %s (%u.%u)", doing, error->message,
	    error->domain, error->code);
}

/* --- life ---------------------------------------------------------------- */

static void
uri_default(mongoc_uri_t *uri, const char *option, int32_t value)
{
	if (!mongoc_uri_has_option(uri, option))
		(void)mongoc_uri_set_option_as_int32(uri, option, value);
}

static int
pool_open(struct mongo_server *s, const char *text, struct err *err)
{
	bson_error_t error;
	mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);
	const char *database;

	if (uri == NULL)
		return err_set(err, "mongodb: not a connection string: %s;"
		    " it should look like mongodb://host/kubeorch",
		    error.message);
	uri_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
	    MONGO_SERVER_SELECTION_MS);
	uri_default(uri, MONGOC_URI_CONNECTTIMEOUTMS,
	    MONGO_SERVER_SELECTION_MS);
	uri_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, MONGO_SERVER_SOCKET_MS);
	uri_default(uri, MONGOC_URI_HEARTBEATFREQUENCYMS,
	    MONGO_SERVER_HEARTBEAT_MS);
	database = mongoc_uri_get_database(uri);
	s->database = xstrdup(database != NULL ? database
	    : MONGO_SERVER_DATABASE);
	s->pool = mongoc_client_pool_new_with_error(uri, &error);
	mongoc_uri_destroy(uri);
	if (s->pool == NULL)
		return server_fail(err, "connection string", &error);
	(void)mongoc_client_pool_set_error_api(s->pool, 2);
	(void)mongoc_client_pool_set_appname(s->pool, "sluice-store");
	return 0;
}

struct mongo_server *
mongo_server_new(const char *uri, struct err *err)
{
	struct mongo_server *s = xcalloc(1, sizeof(*s));

	s->magic = MONGO_SERVER_MAGIC;
	mongoc_init();
	mongoc_log_set_handler(driver_log, NULL);
	if (pool_open(s, uri, err) == 0)
		return s;
	if (err != NULL)
		err->code = EX_CONFIG;
	mongo_server_free(s);
	return NULL;
}

void
mongo_server_free(struct mongo_server *s)
{
	if (s == NULL)
		return;
	assert(s->magic == MONGO_SERVER_MAGIC && s->client == NULL);
	s->magic = 0;
	if (s->pool != NULL)
		mongoc_client_pool_destroy(s->pool);
	free(s->database);
	free(s);
	mongoc_cleanup();
}

void
mongo_server_enter(struct mongo_server *s)
{
	assert(s->magic == MONGO_SERVER_MAGIC && s->client == NULL);
	s->client = mongoc_client_pool_pop(s->pool);
}

void
mongo_server_leave(struct mongo_server *s)
{
	mongoc_client_pool_push(s->pool, s->client);
	s->client = NULL;
}

/* --- writing ------------------------------------------------------------- */

/* {ordered: false, writeConcern: {w: "majority", j: true}} */
static void
bulk_opts(bson_t *opts)
{
	bson_t concern;

	bson_init(opts);
	BSON_APPEND_BOOL(opts, "ordered", false);
	BSON_APPEND_DOCUMENT_BEGIN(opts, "writeConcern", &concern);
	BSON_APPEND_UTF8(&concern, "w", "majority");
	BSON_APPEND_BOOL(&concern, "j", true);
	(void)bson_append_document_end(opts, &concern);
}

/* -1 is for everything that may pass. */
static int
bulk_run(mongoc_bulk_operation_t *bulk, uint64_t n, struct mongo_tally *tally,
    struct err *err)
{
	bson_error_t error = { 0 };
	bson_t reply;
	bool failed;
	int rc = 0;

	failed = mongoc_bulk_operation_execute(bulk, &reply, &error) == 0;
	if (!mongo_reply_count(&reply, failed, n, tally))
		rc = server_fail(err, "write", &error);
	bson_destroy(&reply);
	return rc;
}

static void
write_refused(struct mongo_tally *tally, const bson_error_t *error)
{
	tally->refused++;
	(void)snprintf(tally->why, sizeof(tally->why), "%.*s",
	    MONGO_REPLY_WHY_MAX - 1, error->message);
}

int
mongo_server_write(struct mongo_server *s, const char *collection,
    struct mongo_write *writes, size_t n, struct mongo_tally *tally,
    struct err *err)
{
	mongoc_collection_t *into = mongoc_client_get_collection(s->client,
	    s->database, collection);
	mongoc_bulk_operation_t *bulk;
	bson_error_t error;
	bson_t opts;
	uint64_t added = 0;
	int rc = 0;
	size_t i;

	bulk_opts(&opts);
	bulk = mongoc_collection_create_bulk_operation_with_opts(into, &opts);
	bson_destroy(&opts);
	for (i = 0; i < n; i++) {
		/* Refused by the driver itself: too large, bad UTF-8. */
		if (mongoc_bulk_operation_update_one_with_opts(bulk,
		    &writes[i].selector, &writes[i].update, &writes[i].opts,
		    &error))
			added++;
		else
			write_refused(tally, &error);
		mongo_write_clear(&writes[i]);
	}
	if (added > 0)
		rc = bulk_run(bulk, added, tally, err);
	mongoc_bulk_operation_destroy(bulk);
	mongoc_collection_destroy(into);
	return rc;
}

/* --- reading ------------------------------------------------------------- */

int
mongo_server_find(struct mongo_server *s, const char *collection,
    const bson_t *filter, const bson_t *opts, const char *doing,
    void (*found)(const bson_t *document, void *arg), void *arg,
    struct err *err)
{
	mongoc_collection_t *from = mongoc_client_get_collection(s->client,
	    s->database, collection);
	mongoc_cursor_t *cursor;
	const bson_t *document;
	bson_error_t error;
	int rc = 0;

	cursor = mongoc_collection_find_with_opts(from, filter, opts, NULL);
	while (mongoc_cursor_next(cursor, &document))
		found(document, arg);
	if (mongoc_cursor_error(cursor, &error))
		rc = server_fail(err, doing, &error);
	mongoc_cursor_destroy(cursor);
	mongoc_collection_destroy(from);
	return rc;
}
