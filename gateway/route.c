#include "gateway/route.h"

#include <stdio.h>
#include <string.h>

#include "gateway/access.h"
#include "gateway/api_docs.h"
#include "gateway/conn_api.h"
#include "gateway/connection.h"
#include "gateway/drain.h"
#include "gateway/cors.h"
#include "gateway/history_api.h"
#include "gateway/http_request.h"
#include "gateway/log_api.h"
#include "gateway/page.h"
#include "gateway/publish_api.h"
#include "gateway/reply.h"
#include "gateway/rest.h"
#include "gateway/status_api.h"
#include "gateway/stream.h"

#define M(m) (1u << HTTP_##m)
#define READ (M(GET) | M(HEAD))

typedef void (*route_handler)(struct conn *c, const struct http_request *r);

static void
route_streams(struct conn *c, const struct http_request *r)
{
	stream_start(c, r, SLICE_NONE);
}

/* .../orchestrator/stream/<jobs>/{id}: one stream, named by the path. */
static void
route_single(struct conn *c, const struct http_request *r, const char *type)
{
	char key[EVENT_KEY_MAX + 32];
	struct slice id = r->segments[5];
	struct err err;

	if (id.n > EVENT_NAME_MAX) {
		reply_error(c, 400, "invalid_id", "the id is too long", NULL);
		return;
	}
	(void)snprintf(key, sizeof(key), "%s:%.*s", type, (int)id.n, id.p);
	/* Not a selector: an id "*" must not open all streams there are. */
	if (stream_key_check(slice_str(key), NULL, &err) < 0) {
		reply_error(c, 400, "invalid_id", err.text, NULL);
		return;
	}
	stream_start(c, r, slice_str(key));
}

static void
route_job(struct conn *c, const struct http_request *r)
{
	route_single(c, r, "job");
}

static void
route_run(struct conn *c, const struct http_request *r)
{
	route_single(c, r, "run");
}

static void
route_pack_run(struct conn *c, const struct http_request *r)
{
	route_single(c, r, "pack-run");
}

static const struct route {
	const char	*path[6];     /* "*": any one segment */
	size_t		 n;
	unsigned int	 methods;
	bool		 stream;      /* drain and overload answer 200 */
	bool		 always;      /* also while draining or overloaded */
	bool		 any_host;    /* tells nothing of what is watched */
	enum access_need need;        /* with auth: jwt */
	route_handler	 handler;
} routes[] = {
	{ .n = 0, .methods = READ, .handler = page_index },
	{ { "style.css" }, 1, READ, .handler = page_file },
	{ { "app.js" }, 1, READ, .handler = page_file },
	{ { "clusters.js" }, 1, READ, .handler = page_file },
	{ { "dom.js" }, 1, READ, .handler = page_file },
	{ { "objects.js" }, 1, READ, .handler = page_file },
	{ { "runs.js" }, 1, READ, .handler = page_file },
	{ { "stream.js" }, 1, READ, .handler = page_file },
	{ { "token.js" }, 1, READ, .handler = page_file },
	{ { "healthz" }, 1, READ, .always = true, .any_host = true,
	    .handler = rest_healthz },
	{ { "readyz" }, 1, READ, .always = true, .any_host = true,
	    .handler = rest_readyz },
	{ { "metrics" }, 1, READ, .always = true, .handler = rest_metrics },
	{ { "api", "v1", "openapi.json" }, 3, READ,
	    .handler = api_docs_openapi },
	{ { "api", "v1", "asyncapi.json" }, 3, READ,
	    .handler = api_docs_asyncapi },
	{ { "api", "v1", "streams" }, 3, M(GET), .stream = true,
	    .need = ACCESS_SUBSCRIBE, .handler = route_streams },
	{ { "api", "v1", "streams", "*", "events" }, 5, READ,
	    .need = ACCESS_TICKET, .handler = history_api },
	{ { "api", "v1", "orchestrator", "stream", "jobs", "*" }, 6, M(GET),
	    .stream = true,
	    .need = ACCESS_SUBSCRIBE, .handler = route_job },
	{ { "api", "v1", "orchestrator", "stream", "runs", "*" }, 6, M(GET),
	    .stream = true,
	    .need = ACCESS_SUBSCRIBE, .handler = route_run },
	{ { "api", "v1", "orchestrator", "stream", "pack-runs", "*" }, 6,
	    M(GET), .stream = true, .need = ACCESS_SUBSCRIBE,
	    .handler = route_pack_run },
	{ { "api", "v1", "events" }, 3, M(POST),
	    .need = ACCESS_PUBLISH, .handler = publish_api },
	{ { "api", "v1", "streams", "*", "logs" }, 5, M(POST),
	    .need = ACCESS_PUBLISH, .handler = log_api },
	{ { "api", "v1", "tickets" }, 3, M(POST),
	    .need = ACCESS_TICKET, .handler = access_ticket },
	{ { "api", "v1", "workflows" }, 3, READ, .need = ACCESS_ADMIN,
	    .handler = rest_workflows },
	{ { "api", "v1", "workflows", "*" }, 4,
	    READ | M(PUT) | M(DELETE), .need = ACCESS_ADMIN,
	    .handler = rest_workflow },
	{ { "api", "v1", "clusters" }, 3, READ, .need = ACCESS_ADMIN,
	    .handler = rest_clusters },
	/* What ends a flood must not be kept out by it. */
	{ { "api", "v1", "connections" }, 3, READ | M(DELETE), .always = true,
	    .need = ACCESS_ADMIN, .handler = conn_api_all },
	{ { "api", "v1", "connections", "*" }, 4, M(DELETE), .always = true,
	    .need = ACCESS_ADMIN, .handler = conn_api_one },
	{ { "api", "v1", "status" }, 3, READ, .need = ACCESS_ADMIN,
	    .handler = status_api_get },
};

/* A path has one spelling: a balancer compares the bytes it received, and what
 * it keeps to itself must not be had as "/metrics/" or "/%6detrics". */
static bool
route_matches(const struct route *t, const struct http_request *r)
{
	size_t i;

	if (t->n != r->n_segments || r->slash_last)
		return false;
	for (i = 0; i < t->n; i++)
		if (strcmp(t->path[i], "*") != 0 &&
		    ((r->escaped & (UINT32_C(1) << i)) != 0 ||
		    !slice_is(r->segments[i], t->path[i])))
			return false;
	return true;
}

/* Nothing, or a colon and a number. */
static bool
is_port(const char *p, size_t n)
{
	size_t i;

	if (n == 0)
		return true;
	if (n < 2 || n > 6 || p[0] != ':')
		return false;
	for (i = 1; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

/* "host" or "host:port" names this machine: what a page elsewhere, whose name
 * was rebound to 127.0.0.1, can not say. */
static bool
host_is_local(struct slice host)
{
	static const char *const names[] = { "localhost", "127.0.0.1",
	    "[::1]" };
	size_t i, n;

	for (i = 0; i < NELEM(names); i++) {
		n = strlen(names[i]);
		if (host.n >= n && http_slice_is_nocase(
		    (struct slice){ host.p, n }, names[i]) &&
		    is_port(host.p + n, host.n - n))
			return true;
	}
	return false;
}

/* A browser says where a write comes from: only from our own pages. */
static bool
origin_is_own(const struct http_request *r)
{
	struct slice origin = http_header(r, "origin");
	struct slice site = http_header(r, "sec-fetch-site");

	if (site.p != NULL && http_slice_is_nocase(site, "cross-site"))
		return false;
	if (origin.p == NULL)
		return true;
	if (http_header_count(r, "origin") != 1 || origin.n <= 7 ||
	    memcmp(origin.p, "http://", 7) != 0)
		return false;
	return slice_eq((struct slice){ origin.p + 7, origin.n - 7 },
	    r->host);
}

/* "OPTIONS, GET, HEAD": what there is at this path. */
static void
list_methods(const struct route *t, char *ret, size_t n)
{
	size_t i, len;

	(void)snprintf(ret, n, "OPTIONS");
	for (i = 0; i < HTTP_OTHER; i++) {
		if ((t->methods & (1u << i)) == 0)
			continue;
		len = strlen(ret);
		(void)snprintf(ret + len, n - len, ", %s",
		    http_method_name((enum http_method)i));
	}
}

/* OPTIONS: needs no proof of who asks, a browser sends none with it. */
static void
answer_options(struct conn *c, const struct http_request *r,
    const char *methods)
{
	struct buf lines = BUF_EMPTY;

	buf_addf(&lines, "Allow: %s\r\n", methods);
	cors_preflight(&lines, &c->gateway->role->conf, r, methods);
	buf_addc(&lines, '\0');
	reply_send(c, 204, "", "", 0, (const char *)lines.data);
	buf_free(&lines);
}

/* What holds for every handler; true = it was answered here. */
static bool
refused(struct conn *c, const struct route *t, const struct http_request *r)
{
	bool anybody = access_is_free(c->gateway->access);
	char methods[128];

	if (anybody && !t->any_host && !host_is_local(r->host)) {
		reply_error(c, 403, "forbidden_host", "with auth: none the "
		    "Host must be localhost, 127.0.0.1 or [::1]", NULL);
		return true;
	}
	list_methods(t, methods, sizeof(methods));
	if (r->method == HTTP_OPTIONS) {
		answer_options(c, r, methods);
		return true;
	}
	if ((t->methods & (1u << r->method)) == 0) {
		reply_method(c, methods);
		return true;
	}
	/* A token is proof enough: no browser adds one to a write by itself. */
	if (anybody && ((1u << r->method) & READ) == 0 && !origin_is_own(r)) {
		reply_error(c, 403, "forbidden_origin", "writes are taken "
		    "from this service's own pages only", NULL);
		return true;
	}
	/* With its head: a body takes at most CONN_BODY_MS. */
	if (!c->exchange->judged && !access_check(c, r, t->need))
		return true;
	if (t->stream || t->always)
		return false;
	if (drain_refuses(c->gateway->drain)) {
		reply_unavailable(c, "draining", "this gateway is stopping");
		return true;
	}
	if (c->spare) {
		reply_error(c, 429, "overloaded", "too many connections",
		    NULL);
		return true;
	}
	return false;
}

/* A name with "/" in it, as those of Kubernetes Jobs have, is one segment. */
static const char *
nothing_here(const struct http_request *r)
{
	return r->n_segments > 5 && slice_is(r->segments[0], "api") &&
	    slice_is(r->segments[1], "v1") ?
	    "there is nothing at this path; a / in the name of a stream is "
	    "written %2F" : "there is nothing at this path";
}

/* NULL: the client was answered that there is none. */
static const struct route *
find(struct conn *c, const struct http_request *r)
{
	for (size_t i = 0; i < NELEM(routes); i++)
		if (route_matches(&routes[i], r))
			return &routes[i];
	reply_error(c, 404, "not_found", nothing_here(r), NULL);
	return NULL;
}

bool
route_head(struct conn *c, const struct http_request *r)
{
	bool keep_alive = c->keep_alive;
	const struct route *t;

	if (access_is_free(c->gateway->access))
		return true;
	/* For an answer: the body that follows is not read. */
	c->keep_alive = false;
	t = find(c, r);
	if (t == NULL || refused(c, t, r))
		return false;
	c->keep_alive = keep_alive;
	c->exchange->judged = true;
	return true;
}

void
route_request(struct conn *c, const struct http_request *r)
{
	const struct route *t = find(c, r);

	if (t != NULL && !refused(c, t, r))
		t->handler(c, r);
}
