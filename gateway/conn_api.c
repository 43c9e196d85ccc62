#include "gateway/conn_api.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/conn_list.h"
#include "gateway/connection.h"
#include "gateway/desk.h"
#include "gateway/query_param.h"
#include "gateway/reply.h"
#include "gateway/siblings.h"

#define CONN_API_MAGIC 0x434f4150u   /* "COAP" */

/* A request that waits for the other gateways. */
struct conn_api {
	uint32_t	 magic;
	struct conn	*conn;
	struct siblings	*question;
	uint32_t	 limit;
	uint64_t	 id;
	struct buf	 own;      /* what this gateway says */
};

/* --- asking the others ---------------------------------------------------- */

static void
api_free(struct conn_api *a)
{
	buf_free(&a->own);
	a->magic = 0;
	free(a);
}

static void
client_gone(struct conn *c)
{
	struct conn_api *a = c->exchange->waiting;

	assert(a->magic == CONN_API_MAGIC);
	siblings_cancel(a->question);
	c->exchange->waiting = NULL;
	api_free(a);
}

/* Takes `own`. */
static void
ask(struct conn *c, struct slice request, struct buf *own, uint64_t id,
    uint32_t limit, siblings_cb cb)
{
	struct conn_api *a = xcalloc(1, sizeof(*a));

	a->magic = CONN_API_MAGIC;
	a->conn = c;
	a->limit = limit;
	a->id = id;
	a->own = *own;
	a->question = siblings_ask(c->gateway, request, cb, a);
	if (a->question == NULL) {
		api_free(a);
		reply_unavailable(c, "gateway_unavailable", "too many ask the "
		    "other gateways");
		return;
	}
	c->exchange->waiting = a;
	c->exchange->on_gone = client_gone;
	conn_set_state(c, CONN_WAITING);
}

/* The connection waits no longer. */
static struct conn *
answered(struct conn_api *a)
{
	assert(a->magic == CONN_API_MAGIC);
	a->conn->exchange->waiting = NULL;
	a->conn->exchange->on_gone = NULL;
	return a->conn;
}

/* --- the list ------------------------------------------------------------- */

struct row {
	uint64_t	 id;
	json_t		*json;   /* borrowed */
};

/* Rows of all gateways, up to where every one of them has been asked. */
struct merged {
	struct row	*rows;
	size_t		 n;
	uint64_t	 through;  /* behind it somebody has more to tell */
	json_t		*gateways;
	json_t		*silent;
	json_t		*keep;     /* the answers: owns what rows point to */
};

static uint64_t
id_of(const json_t *row)
{
	const char *text = json_string_value(json_object_get(row, "id"));
	uint64_t id = 0;

	return text != NULL && conn_list_id_parse(slice_str(text), &id) ? id :
	    0;
}

static bool
merge(struct merged *m, const struct buf *text)
{
	json_t *page = json_loadb((const char *)text->data, text->len, 0,
	    NULL), *rows = json_object_get(page, "connections"), *v;
	size_t i, n = json_array_size(rows);

	if (!json_is_array(rows) || n > CONN_LIST_ROWS_MAX) {
		json_decref(page);
		return false;
	}
	(void)json_array_append_new(m->keep, page);
	(void)json_array_append_new(m->gateways, json_pack("{s:O, s:O}",
	    "gateway", json_object_get(page, "gateway"),
	    "streams", json_object_get(page, "streams")));
	json_array_foreach(rows, i, v)
		m->rows[m->n++] = (struct row){ id_of(v), v };
	if (n > 0 && json_is_true(json_object_get(page, "more")))
		m->through = MIN(m->through, m->rows[m->n - 1].id);
	return true;
}

static int
by_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Takes rows and arrays into the answer. */
static json_t *
page_of(struct merged *m, uint32_t limit)
{
	json_t *list = json_array(), *next = json_null();
	char id[24];
	size_t i;

	qsort(m->rows, m->n, sizeof(*m->rows), by_id);
	for (i = 0; i < m->n && i < limit && m->rows[i].id <= m->through; i++)
		(void)json_array_append(list, m->rows[i].json);
	if (i > 0 && (i < m->n || m->through != UINT64_MAX)) {
		(void)snprintf(id, sizeof(id), "%" PRIx64,
		    m->rows[i - 1].id);
		next = json_string(id);
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "connections", list,
	    "gateways", m->gateways, "unanswered", m->silent, "next", next);
}

static void
conn_api_list_cb(const struct siblings_answer *answers, size_t n, void *arg)
{
	struct conn_api *a = arg;
	struct conn *c = answered(a);
	struct merged m = { .through = UINT64_MAX, .gateways = json_array(),
	    .silent = json_array(), .keep = json_array() };
	json_t *page;
	char *text;

	m.rows = xcalloc((n + 1) * CONN_LIST_ROWS_MAX, sizeof(*m.rows));
	(void)merge(&m, &a->own);
	for (size_t i = 0; i < n; i++)
		if (answers[i].silent || !merge(&m, &answers[i].text))
			(void)json_array_append_new(m.silent,
			    json_sprintf("%u", answers[i].gateway));
	page = page_of(&m, a->limit);
	text = json_dumps(page, JSON_COMPACT);
	reply_json(c, 200, slice_str(text));
	free(text);
	json_decref(page);
	json_decref(m.keep);
	free(m.rows);
	api_free(a);
}

/* False: the client was answered that one of the parameters is none, or is
 * there twice: the one that was not meant must not be revoked. */
static bool
knows_params(struct conn *c, const struct http_request *r, const char *a,
    const char *b)
{
	for (size_t i = 0; i < r->n_params; i++) {
		bool known = slice_is(r->params[i].name, a) ||
		    slice_is(r->params[i].name, b);

		if (known && !query_param_again(r, i))
			continue;
		reply_error(c, 400, "bad_request", known ?
		    "a parameter is there twice" : r->method == HTTP_DELETE ?
		    "unknown parameter; known are subject, tenant" :
		    "unknown parameter; known are after, limit", NULL);
		return false;
	}
	return true;
}

static void
list(struct conn *c, const struct http_request *r)
{
	struct slice after = http_param(r, "after");
	struct slice limit = http_param(r, "limit");
	uint64_t n = CONN_API_LIMIT_DEFAULT;
	struct buf own = BUF_EMPTY;
	uint64_t id = 0;
	char text[96];

	if (!knows_params(c, r, "after", "limit"))
		return;
	if (limit.p != NULL &&
	    !query_param_number(limit, 1, CONN_LIST_ROWS_MAX, &n)) {
		reply_error(c, 400, "bad_request", "limit must be 1 to 500",
		    NULL);
		return;
	}
	if (after.p != NULL && !conn_list_id_parse(after, &id)) {
		reply_error(c, 400, "invalid_id", "after is a connection's "
		    "id, as next of the page before has it", NULL);
		return;
	}
	(void)snprintf(text, sizeof(text), "{\"op\":\"connections\","
	    "\"after\":\"%" PRIx64 "\",\"limit\":%" PRIu64 "}", id, n);
	conn_list_write(c->gateway, &own, id, (uint32_t)n);
	ask(c, slice_str(text), &own, id, (uint32_t)n, conn_api_list_cb);
}

/* --- the end of one ------------------------------------------------------- */

static void
say_closed(struct conn *c, uint64_t id)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "{\"connection_id\":\"%" PRIx64
	    "\"}", id);
	reply_json(c, 200, slice_str(text));
}

static void
conn_api_close_cb(const struct siblings_answer *answers, size_t n, void *arg)
{
	struct conn_api *a = arg;
	struct conn *c = answered(a);
	bool closed = false, silent = false;

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_loadb((const char *)answers[i].text.data,
		    answers[i].text.len, 0, NULL);

		silent = silent || answers[i].silent;
		closed = closed || json_is_true(json_object_get(o, "closed"));
		json_decref(o);
	}
	if (closed)
		say_closed(c, a->id);
	else if (silent)
		reply_unavailable(c, "gateway_unavailable", "a gateway did "
		    "not answer, and may have it: see sluicectl status");
	else
		reply_error(c, 404, "not_found", "no stream has this "
		    "connection id (any more)", NULL);
	api_free(a);
}

void
conn_api_one(struct conn *c, const struct http_request *r)
{
	struct buf none = BUF_EMPTY;
	char text[64];
	uint64_t id;

	if (!conn_list_id_parse(r->segments[3], &id)) {
		reply_error(c, 400, "invalid_id", "a connection's id is what "
		    "stream.open has as connection_id: up to 16 hex digits",
		    NULL);
		return;
	}
	if (conn_list_close(c->gateway, id)) {
		say_closed(c, id);
		return;
	}
	(void)snprintf(text, sizeof(text), "{\"op\":\"disconnect\",\"id\":\"%"
	    PRIx64 "\"}", id);
	ask(c, slice_str(text), &none, id, 0, conn_api_close_cb);
}

/* --- the end of all of one subject ---------------------------------------- */

static int
status_of(const char *code)
{
	if (strcmp(code, "not_found") == 0)
		return 404;
	return strcmp(code, "too_many_revocations") == 0 ||
	    strcmp(code, "gateway_unavailable") == 0 ? 503 : 400;
}

/* This gateway's desk does it for all of them. */
static void
end_subject(struct conn *c, const struct http_request *r)
{
	struct slice subject = http_param(r, "subject");
	struct slice tenant = http_param(r, "tenant");
	struct buf answer = BUF_EMPTY;
	json_t *o, *q;
	const char *code;
	char *text = NULL;

	if (!knows_params(c, r, "subject", "tenant"))
		return;
	q = json_pack("{s:s, s:s%}", "op", "revoke", "subject",
	    subject.p != NULL ? subject.p : "", subject.n);
	/* A tenant that is lost here would be every tenant. */
	if (q != NULL && (tenant.p == NULL || json_object_set_new(q, "tenant",
	    json_stringn(tenant.p, tenant.n)) == 0))
		text = json_dumps(q, JSON_COMPACT);
	json_decref(q);
	if (text == NULL) {
		reply_error(c, 400, "bad_request", "not UTF-8", NULL);
		return;
	}
	desk_execute(c->gateway, slice_str(text), &answer);
	free(text);
	o = json_loadb((const char *)answer.data, answer.len, 0, NULL);
	code = json_string_value(json_object_get(o, "code"));
	if (code != NULL)
		reply_error(c, status_of(code), code, json_string_value(
		    json_object_get(o, "error")), NULL);
	else
		reply_json(c, 200, (struct slice){ (const char *)answer.data,
		    answer.len });
	json_decref(o);
	buf_free(&answer);
}

void
conn_api_all(struct conn *c, const struct http_request *r)
{
	if (r->method == HTTP_DELETE)
		end_subject(c, r);
	else
		list(c, r);
}
