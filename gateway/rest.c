#include "gateway/rest.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_slice.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/reply.h"
#include "gateway/watcher_metrics.h"

#define REST_MAGIC         0x52455354u   /* "REST" */
#define REST_DEADLINE_MS   3000
#define REST_NODES_MAX     500u

/* A request that waits for the store. */
struct rest_wait {
	uint32_t	 magic;
	struct conn	*conn;
	uint64_t	 ticket;
	void		(*answer)(struct conn *c, int status,
			    struct slice json);
};

/* --- asking the store ----------------------------------------------------- */

static void
client_gone(struct conn *c)
{
	struct rest_wait *w = c->exchange->waiting;

	assert(w->magic == REST_MAGIC);
	query_cancel(c->gateway->query, w->ticket);
	c->exchange->waiting = NULL;
	free(w);
}

static void
rest_answer_cb(int status, struct slice json, void *arg)
{
	struct rest_wait *w = arg;
	struct conn *c = w->conn;

	assert(w->magic == REST_MAGIC);
	c->exchange->waiting = NULL;
	c->exchange->on_gone = NULL;
	w->answer(c, status, json);
	free(w);
}

/* The store's answer as it is; an error gets what every error has. */
static void
pass_on(struct conn *c, int status, struct slice json)
{
	struct buf b = BUF_EMPTY;

	if (status == 0) {
		reply_json(c, 200, json);
		return;
	}
	if (status < 400 || status > 599)
		status = 503;
	if (json.n < 2 || json.p[json.n - 1] != '}') {
		reply_unavailable(c, "store_unavailable",
		    "the store does not answer");
		return;
	}
	buf_add(&b, json.p, json.n - 1);
	buf_addf(&b, ",\"trace_id\":\"%016" PRIx64 "\"}",
	    (uint64_t)mono_now().ns);
	reply_send(c, status, "application/json", b.data, b.len,
	    status == 503 ? "Retry-After: 1\r\n" : "");
	buf_free(&b);
}

/* Asks; takes the reference. */
static void
ask(struct conn *c, json_t *question,
    void (*answer)(struct conn *c, int status, struct slice json))
{
	char *text = json_dumps(question, JSON_COMPACT);
	struct rest_wait *w = xcalloc(1, sizeof(*w));

	json_decref(question);
	if (text == NULL) {
		free(w);
		reply_error(c, 400, "bad_request", "not UTF-8", NULL);
		return;
	}
	w->magic = REST_MAGIC;
	w->conn = c;
	w->answer = answer;
	w->ticket = query_json(c->gateway->query, slice_str(text),
	    REST_DEADLINE_MS, rest_answer_cb, w);
	free(text);
	if (w->ticket == 0) {
		free(w);
		reply_unavailable(c, "store_unavailable",
		    "too many questions wait for the store");
		return;
	}
	c->exchange->waiting = w;
	c->exchange->on_gone = client_gone;
	conn_set_state(c, CONN_WAITING);
}

/* --- workflows ------------------------------------------------------------ */

static void
check_node(struct reply_details *d, const json_t *node, size_t i)
{
	static const char *const known[] = { "id", "type", "name",
		"namespace" };
	char path[64 + 64];
	const char *name;
	json_t *v;
	size_t k;

	(void)snprintf(path, sizeof(path), "nodes[%zu]", i);
	if (!json_is_object(node)) {
		reply_detail(d, path, "must be an object");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)node, name, v)
		if (!json_slice_named(slice_str(name), known, NELEM(known)))
			reply_detail(d, path, "has an unknown member %.64s",
			    name);
	for (k = 0; k < NELEM(known); k++) {
		v = json_object_get(node, known[k]);
		(void)snprintf(path, sizeof(path), "nodes[%zu].%s", i,
		    known[k]);
		if (v == NULL && strcmp(known[k], "namespace") != 0)
			reply_detail(d, path, "is required");
		else if (v != NULL && !json_is_string(v))
			reply_detail(d, path, "must be a string");
	}
}

/* Shapes; what the names stand for is the store's to judge (422 as well). */
static void
check_workflow(struct reply_details *d, json_t *body)
{
	json_t *cluster = json_object_get(body, "cluster");
	json_t *nodes = json_object_get(body, "nodes"), *v;
	const char *name;
	size_t i;

	if (!json_is_object(body)) {
		reply_detail(d, "", "must be an object");
		return;
	}
	json_object_foreach(body, name, v)
		if (strcmp(name, "cluster") != 0 && strcmp(name, "nodes") != 0)
			reply_detail(d, "", "has an unknown member %.64s",
			    name);
	if (cluster == NULL)
		reply_detail(d, "cluster", "is required");
	else if (!slug_valid(slice_str(json_is_string(cluster) ?
	    json_string_value(cluster) : "")))
		reply_detail(d, "cluster", "must be the id of a cluster");
	if (!json_is_array(nodes)) {
		reply_detail(d, "nodes", nodes == NULL ? "is required" :
		    "must be an array");
		return;
	}
	if (json_array_size(nodes) > REST_NODES_MAX) {
		reply_detail(d, "nodes", "must have at most %u members",
		    REST_NODES_MAX);
		return;
	}
	for (i = 0; i < json_array_size(nodes); i++)
		check_node(d, json_array_get(nodes, i), i);
}

static bool
workflow_id_valid(struct slice id)
{
	char key[EVENT_KEY_MAX + 32];

	if (id.n == 0 || id.n > EVENT_NAME_MAX)
		return false;
	(void)snprintf(key, sizeof(key), "workflow:%.*s", (int)id.n, id.p);
	return stream_key_check(slice_str(key), NULL, NULL) == 0;
}

static void
put_workflow(struct conn *c, const struct http_request *r, struct slice id)
{
	struct reply_details d = { .n = 0 };
	json_error_t e;
	json_t *body;

	if (!http_content_type_is(r, "application/json")) {
		reply_error(c, 415, "unsupported_media_type",
		    "Content-Type must be application/json", NULL);
		return;
	}
	/* Without a byte jansson only says "wrong arguments". */
	body = json_loadb(r->body.len > 0 ? (const char *)r->body.data : "",
	    r->body.len, JSON_REJECT_DUPLICATES, &e);
	if (body == NULL) {
		reply_error(c, 400, "invalid_json", e.text, NULL);
		return;
	}
	check_workflow(&d, body);
	if (d.n > 0) {
		json_decref(body);
		reply_error(c, 422, "schema_violation",
		    "the workflow is not as it must be", &d);
		return;
	}
	(void)json_object_set_new(body, "op", json_string("workflow.put"));
	(void)json_object_set_new(body, "tenant",
	    json_string(c->identity->tenant));
	(void)json_object_set_new(body, "id", json_stringn(id.p, id.n));
	ask(c, body, pass_on);
}

void
rest_workflow(struct conn *c, const struct http_request *r)
{
	struct slice id = r->segments[3];

	if (!workflow_id_valid(id)) {
		reply_error(c, 400, "invalid_id", "a workflow's id is "
		    "letters, digits and ._~:/-, at most 512", NULL);
		return;
	}
	if (r->method == HTTP_PUT) {
		put_workflow(c, r, id);
		return;
	}
	ask(c, json_pack("{s:s, s:s, s:s%}", "op",
	    r->method == HTTP_DELETE ? "workflow.delete" : "workflow.get",
	    "tenant", c->identity->tenant, "id", id.p, id.n), pass_on);
}

void
rest_workflows(struct conn *c, const struct http_request *r UNUSED)
{
	ask(c, json_pack("{s:s, s:s}", "op", "workflow.list", "tenant",
	    c->identity->tenant), pass_on);
}

void
rest_clusters(struct conn *c, const struct http_request *r UNUSED)
{
	ask(c, json_pack("{s:s}", "op", "clusters"), pass_on);
}

/* --- health and metrics --------------------------------------------------- */

void
rest_healthz(struct conn *c, const struct http_request *r UNUSED)
{
	reply_send(c, 200, "text/plain; charset=utf-8", "ok\n", 3, "");
}

void
rest_readyz(struct conn *c, const struct http_request *r UNUSED)
{
	static const char memory[] = "ok\njournal: in memory after a disk "
	    "error; see sluicectl status\n";
	const char *why;

	if (!gateway_is_ready(c->gateway, &why))
		reply_unavailable(c, "not_ready", why);
	/* Events flow: no reason to send clients elsewhere. */
	else if ((c->gateway->beat.flags & HEARTBEAT_MEMORY) != 0)
		reply_send(c, 200, "text/plain; charset=utf-8", memory,
		    sizeof(memory) - 1, "");
	else
		reply_send(c, 200, "text/plain; charset=utf-8", "ok\n", 3, "");
}

void
rest_metrics(struct conn *c, const struct http_request *r UNUSED)
{
	struct gateway *g = c->gateway;
	struct ring_stats ring = ring_stats(g->ring);
	struct buf b = BUF_EMPTY;

	metrics_print(&b, &g->metrics, &ring, hub_count(g->hub));
	metrics_print_journal(&b, &g->beat);
	watcher_metrics_print(&b, &g->role->conf, wall_unix_ms());
	reply_send(c, 200, "text/plain; version=0.0.4; charset=utf-8", b.data,
	    b.len, "");
	buf_free(&b);
}
