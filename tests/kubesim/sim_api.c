#include "tests/kubesim/sim_api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kubesim/sim_control.h"
#include "tests/kubesim/sim_discovery.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_list.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_render.h"
#include "tests/kubesim/sim_review.h"
#include "tests/kubesim/sim_status.h"
#include "tests/kubesim/sim_table.h"
#include "tests/kubesim/sim_watch.h"
#include "tests/kubesim/sim_write.h"

#define SEGMENTS_MAX 9
#define MESSAGE_MAX  1024
#define PARTIAL_HEAD "{\"kind\":\"PartialObjectMetadata\"," \
	"\"apiVersion\":\"meta.k8s.io/v1\","

/* ---- objects as bytes ---- */

enum sim_form
sim_api_form(struct sim_conn *c, enum sim_shape shape)
{
	struct sim_accept a;

	(void)sim_accept_parse(sim_conn_request(c)->accept, shape,
	    &sim_conn_sim(c)->modes, &a);
	if (a.table)
		return SIM_TABLE_HEAD;
	if (a.partial)
		return a.drop_managed ? SIM_PARTIAL_NO_MANAGED : SIM_PARTIAL;
	return a.drop_managed ? SIM_NO_MANAGED : SIM_FULL;
}

static void
blob_sent_cb(UNUSED const void *data, UNUSED size_t len, void *arg)
{
	sim_blob_unref(arg);
}

static void
add_part(struct evbuffer *out, struct sim_blob *blob, size_t from, size_t to)
{
	(void)evbuffer_add_reference(out, blob->text + from, to - from,
	    blob_sent_cb, sim_blob_ref(blob));
}

/* A row of a list's table, or a table of one row. */
static void
add_row(struct evbuffer *out, const struct sim_object *o,
    const struct sim_state *st, enum sim_form form, bool item)
{
	if (!item)
		sim_table_begin(out, o->kind, st->rv, form == SIM_TABLE_HEAD);
	sim_table_row(out, o, st);
	sim_api_add_object(out, o, st, SIM_PARTIAL, true, "");
	(void)evbuffer_add(out, "}", 1);
	if (!item)
		(void)evbuffer_add(out, "]}", 2);
}

void
sim_api_add_object(struct evbuffer *out, const struct sim_object *o,
    const struct sim_state *st, enum sim_form form, bool item,
    const char *separator)
{
	struct sim_blob *blob;
	bool drop = form == SIM_NO_MANAGED || form == SIM_PARTIAL_NO_MANAGED;
	bool partial = form >= SIM_PARTIAL;
	/* Items of a typed list have no kind of their own; these have. */
	size_t from, to;

	(void)evbuffer_add(out, separator, strlen(separator));
	if (form == SIM_TABLE_HEAD || form == SIM_TABLE) {
		add_row(out, o, st, form, item);
		return;
	}
	blob = sim_render_blob(o, st);
	from = item || partial ? blob->body : 0;
	to = partial ? blob->meta_end : blob->len;
	if (partial)
		(void)evbuffer_add(out, PARTIAL_HEAD,
		    sizeof(PARTIAL_HEAD) - 1);
	else if (item)
		(void)evbuffer_add(out, "{", 1);
	if (drop && blob->managed_len != 0) {
		add_part(out, blob, from, blob->managed);
		add_part(out, blob, blob->managed + blob->managed_len, to);
	} else {
		add_part(out, blob, from, to);
	}
	if (partial)
		(void)evbuffer_add(out, "}", 1);
	sim_blob_unref(blob);
}

uint64_t
sim_api_seen(const struct sim_conn *c)
{
	const struct sim *sim = sim_conn_sim(c);

	return sim_conn_replica(c) ? MIN(sim->replica_rv, sim->store->rv) :
	    sim->store->rv;
}

void
sim_api_reply_object(struct sim_conn *c, int status, struct sim_object *o)
{
	struct evbuffer *body = evbuffer_new();

	if (body == NULL)
		abort();
	sim_api_add_object(body, o, &o->st, sim_api_form(c, SIM_OBJECT),
	    false, "");
	sim_conn_reply_buffer(c, status, "application/json", body, NULL);
	evbuffer_free(body);
}

void
sim_api_refuse(struct sim_conn *c, const struct sim_path *p, int code,
    const char *reason, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	sim_conn_reply_json(c, code, sim_status_make(code, reason, message,
	    sim_status_details(sim_kinds_row(p->kind), p->name)));
}

int
sim_api_version(struct sim_conn *c, bool watch, uint64_t *ret,
    bool *ret_given)
{
	const char *text = sim_conn_param(c, "resourceVersion");
	uint64_t rv = 0;

	*ret_given = text != NULL && text[0] != '\0';
	if (*ret_given && !sim_http_number(text, &rv)) {
		/* Seen on a real server: a watch gets this without reason. */
		sim_conn_status(c, watch ? 500 : 400, watch ? "" :
		    "BadRequest", -1, "%sresourceVersion: Invalid value: "
		    "\"%.64s\": strconv.ParseUint: parsing \"%.64s\": "
		    "invalid syntax", watch ? "" : "invalid resource "
		    "version: ", text, text);
		return -1;
	}
	*ret = rv;
	return 0;
}

/* ---- health and version ---- */

static void
reply_checks(struct sim_conn *c, const char *what)
{
	struct sim *sim = sim_conn_sim(c);
	bool ok = strcmp(what, "livez") == 0 || sim_faults_ready(sim->faults);
	bool verbose = sim_conn_param(c, "verbose") != NULL || !ok;
	struct buf b = BUF_EMPTY;

	if (verbose)
		buf_addf(&b, "[+]ping ok\n[+]log ok\n%s\n"
		    "[+]poststarthook/start-apiextensions-informers ok\n"
		    "[+]poststarthook/rbac/bootstrap-roles ok\n"
		    "%s check %s\n", ok ? "[+]etcd ok" :
		    "[-]etcd failed: reason withheld", what,
		    ok ? "passed" : "failed");
	else
		buf_adds(&b, "ok");
	sim_conn_reply(c, ok ? 200 : 500, "text/plain; charset=utf-8", b.data,
	    b.len, "X-Content-Type-Options: nosniff\r\n");
	buf_free(&b);
}

static void
reply_version(struct sim_conn *c)
{
	int minor = (int)sim_conn_sim(c)->modes.minor;
	json_t *v = json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s}",
	    "major", "1", "minor", json_sprintf("%d", minor), "gitVersion",
	    json_sprintf("v1.%d.1+kubesim", minor),
	    "gitCommit", "0000000000000000000000000000000000000000",
	    "gitTreeState", "clean", "buildDate", "2026-01-01T00:00:00Z",
	    "compiler", "c", "platform", "linux/amd64");

	sim_conn_reply_json(c, 200, v);
}

static bool
handle_plain_path(struct sim_conn *c, const char *path)
{
	if (strcmp(path, "/version") == 0)
		reply_version(c);
	else if (strcmp(path, "/readyz") == 0 ||
	    strcmp(path, "/livez") == 0 || strcmp(path, "/healthz") == 0)
		reply_checks(c, path + 1);
	else
		return false;
	return true;
}

/* ---- the token ---- */

/* A token or a client's certificate. Anonymous callers may ask for health and
 * version, as the API server's default role lets them; a wrong token is
 * refused everywhere. */
static bool
authorized(struct sim_conn *c, const char *path)
{
	const char *header = sim_conn_request(c)->authorization;
	const char *token = sim_conn_sim(c)->opt.token;

	if (strncmp(header, "Bearer ", 7) == 0)
		return strcmp(header + 7, token) == 0;
	return sim_conn_certified(c) || strcmp(path, "/version") == 0 ||
	    strcmp(path, "/readyz") == 0 || strcmp(path, "/livez") == 0 ||
	    strcmp(path, "/healthz") == 0;
}

/* ---- resource paths ---- */

static size_t
split_path(char *path, char *segment[SEGMENTS_MAX])
{
	size_t n = 0;
	char *next = path + 1, *part;

	while ((part = strsep(&next, "/")) != NULL) {
		if (n == SEGMENTS_MAX)
			return 0;
		segment[n++] = part;
	}
	return n;
}

static bool
copy_name(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	if (n == 0 || n >= size)
		return false;
	memcpy(to, from, n + 1);
	return true;
}

/* /api/v1/... and /apis/GROUP/VERSION/..., optionally namespaces/NS/, then
 * the plural, a name, a subresource. *ret_group: its group is served. */
static bool
parse_path(char *path, uint32_t unserved, struct sim_path *ret,
    bool *ret_group)
{
	char *seg[SEGMENTS_MAX];
	size_t n = split_path(path, seg), i;
	const char *group, *version;
	int kind;

	if (n >= 3 && strcmp(seg[0], "api") == 0) {
		group = "";
		version = seg[1];
		i = 2;
	} else if (n >= 4 && strcmp(seg[0], "apis") == 0) {
		group = seg[1];
		version = seg[2];
		i = 3;
	} else {
		return false;
	}
	*ret_group = sim_kinds_group_served(group, version, unserved);
	if (strcmp(seg[i], "namespaces") == 0 && n - i >= 3) {
		if (!copy_name(ret->ns, sizeof(ret->ns), seg[i + 1]))
			return false;
		i += 2;
	}
	kind = sim_kinds_by_path(group, version, seg[i]);
	if (kind < 0 || n - i > 3 || (unserved & SIM_BIT(kind)) != 0)
		return false;
	ret->kind = (enum sim_kind)kind;
	if (ret->ns[0] != '\0' && !sim_kinds_row(ret->kind)->namespaced)
		return false;
	if (n - i >= 2 &&
	    !copy_name(ret->name, sizeof(ret->name), seg[i + 1]))
		return false;
	return n - i < 3 || copy_name(ret->sub, sizeof(ret->sub), seg[i + 2]);
}

static bool
watches(struct sim_conn *c)
{
	const char *watch = sim_conn_param(c, "watch");

	return watch != NULL && strcmp(watch, "0") != 0 &&
	    strcmp(watch, "false") != 0;
}

static void
handle_get(struct sim_conn *c, const struct sim_path *p)
{
	struct sim_object *o;

	if (p->name[0] == '\0') {
		if (watches(c))
			sim_watch_start(c, p);
		else
			sim_list_start(c, p);
		return;
	}
	o = sim_store_find(sim_conn_sim(c)->store, p->kind, p->ns, p->name);
	if (o == NULL)
		sim_write_not_found(c, p);
	else if (strcmp(p->sub, "scale") == 0)
		sim_write_scale(c, o);
	else
		sim_api_reply_object(c, 200, o);
}

static const char *
verb_of(struct sim_conn *c, const struct sim_path *p)
{
	static const struct { const char *method, *one, *all; } verbs[] = {
		{ "GET", "get", "list" }, { "POST", "create", "create" },
		{ "PUT", "update", "update" }, { "PATCH", "patch", "patch" },
		{ "DELETE", "delete", "deletecollection" },
	};
	const char *method = sim_conn_request(c)->method;

	if (p->name[0] == '\0' && strcmp(method, "GET") == 0 && watches(c))
		return "watch";
	for (size_t i = 0; i < NELEM(verbs); i++)
		if (strcmp(verbs[i].method, method) == 0)
			return p->name[0] != '\0' ? verbs[i].one :
			    verbs[i].all;
	return "head";
}

static bool
permitted(struct sim_conn *c, const struct sim_path *p, const char *verb)
{
	struct sim *sim = sim_conn_sim(c);
	const struct sim_kind_row *row = sim_kinds_row(p->kind);

	if (!sim_faults_forbidden(sim->faults, p->kind, p->ns) &&
	    sim_access_allows(&sim->access, verb, row->plural, p->ns))
		return true;
	sim_api_refuse(c, p, 403, "Forbidden", "%s%s%s%s is forbidden: User "
	    "\"" SIM_USER "\" cannot %s resource \"%s\" in API group "
	    "\"%s\" %s%s%s", sim_status_resource(row),
	    p->name[0] != '\0' ? " \"" : "", p->name,
	    p->name[0] != '\0' ? "\"" : "", verb, row->plural, row->group,
	    p->ns[0] != '\0' ? "in the namespace \"" : "at the cluster scope",
	    p->ns, p->ns[0] != '\0' ? "\"" : "");
	return false;
}

static bool
acceptable(struct sim_conn *c, const struct sim_path *p, const char *verb)
{
	enum sim_shape shape = strcmp(verb, "list") == 0 ? SIM_COLLECTION :
	    strcmp(verb, "watch") == 0 ? SIM_STREAM : SIM_OBJECT;
	struct sim_accept a;

	switch (sim_accept_parse(sim_conn_request(c)->accept, shape,
	    &sim_conn_sim(c)->modes, &a)) {
	case SIM_ACCEPT_OK:
		return true;
	case SIM_ACCEPT_WRONG_KIND:
		sim_conn_status(c, 406, "NotAcceptable", -1, "you requested "
		    "PartialObjectMetadata%s, but the requested object is %s "
		    "(*core.%s%s)", shape == SIM_COLLECTION ? "" : "List",
		    shape == SIM_COLLECTION ? "a list" : "not a list",
		    sim_kinds_row(p->kind)->kind,
		    shape == SIM_COLLECTION ? "List" : "");
		return false;
	case SIM_ACCEPT_UNKNOWN_KIND:
		sim_conn_status(c, 406, "NotAcceptable", -1, "only the "
		    "following media types are accepted: application/json, "
		    "application/yaml, application/vnd.kubernetes.protobuf");
		return false;
	case SIM_ACCEPT_NONE:
		break;
	}
	sim_conn_status(c, 406, "NotAcceptable", -1, "406: Not Acceptable\n\n"
	    "Available representations: application/json, application/yaml, "
	    "application/vnd.kubernetes.protobuf%s", shape == SIM_OBJECT ? "" :
	    ", application/json;stream=watch, "
	    "application/vnd.kubernetes.protobuf;stream=watch");
	return false;
}

/* Seen on a real server: a group it does not know gets plain text, a resource
 * it does not know in one that it serves a Status. */
static void
reply_not_served(struct sim_conn *c, bool group)
{
	if (group)
		sim_conn_status(c, 404, "NotFound", -1, "the server could not "
		    "find the requested resource");
	else
		sim_conn_reply(c, 404, "text/plain; charset=utf-8",
		    "404 page not found\n", 19,
		    "X-Content-Type-Options: nosniff\r\n");
}

static void
handle_resource(struct sim_conn *c)
{
	struct sim_request *r = sim_conn_request(c);
	struct sim_path p = { 0 };
	bool group = false;
	const char *verb;

	if (sim_discovery_handle(c, r->path) || sim_review_handle(c))
		return;
	if (!parse_path(r->path, sim_conn_sim(c)->modes.unserved, &p,
	    &group)) {
		reply_not_served(c, group);
		return;
	}
	verb = verb_of(c, &p);
	if (!permitted(c, &p, verb) || !acceptable(c, &p, verb))
		return;
	if (strcmp(r->method, "GET") == 0)
		handle_get(c, &p);
	else
		sim_write_handle(c, &p);
}

/* ---- the way of a request ---- */

static void
handle_checked(struct sim_conn *c, UNUSED void *ctx)
{
	const char *path = sim_conn_request(c)->path;

	if (!authorized(c, path))
		sim_conn_status(c, 401, "Unauthorized", -1, "Unauthorized");
	else if (strncmp(path, "/api", 4) != 0 &&
	    !sim_access_allows(&sim_conn_sim(c)->access, "get", path, ""))
		sim_conn_status(c, 403, "Forbidden", -1, "forbidden: User "
		    "\"" SIM_USER "\" cannot get path \"%s\"", path);
	else if (!handle_plain_path(c, path))
		handle_resource(c);
}

void
sim_api_handle(struct sim_conn *c)
{
	struct sim_request *r = sim_conn_request(c);
	struct sim *sim = sim_conn_sim(c);
	int64_t delay;

	if (strncmp(r->path, "/_sim/", 6) == 0) {
		sim_control_handle(c);
		return;
	}
	r->log_id = sim_log_add(sim->log, c, sim_watch_count(sim->watches));
	if (sim_faults_apply(c))
		return;
	delay = sim_faults_latency_ms(sim->faults);
	if (delay > 0)
		sim_conn_defer(c, delay, handle_checked, NULL);
	else
		handle_checked(c, NULL);
}
