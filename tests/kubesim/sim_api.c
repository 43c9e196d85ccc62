#include "tests/kubesim/sim_api.h"

#include <stdlib.h>
#include <string.h>

#include "tests/kubesim/sim_control.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_list.h"
#include "tests/kubesim/sim_watch.h"
#include "tests/kubesim/sim_write.h"

#define SEGMENTS_MAX 9
#define PARTIAL_HEAD "{\"kind\":\"PartialObjectMetadata\"," \
	"\"apiVersion\":\"meta.k8s.io/v1\","

/* ---- objects as bytes ---- */

enum sim_form
sim_api_form(struct sim_conn *c)
{
	const char *accept = sim_conn_request(c)->accept;

	if (strstr(accept, "as=PartialObjectMetadata") != NULL)
		return SIM_PARTIAL;
	if (strstr(accept, "drop=metadata.managedFields") != NULL)
		return SIM_NO_MANAGED;
	return SIM_FULL;
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

void
sim_api_add_object(struct evbuffer *out, struct sim_blob *blob,
    enum sim_form form, bool item, const char *separator)
{
	size_t from = item ? blob->body : 0;

	(void)evbuffer_add(out, separator, strlen(separator));
	if (item)
		(void)evbuffer_add(out, "{", 1);
	if (form == SIM_PARTIAL) {
		if (!item)
			(void)evbuffer_add(out, PARTIAL_HEAD,
			    sizeof(PARTIAL_HEAD) - 1);
		add_part(out, blob, blob->body, blob->meta_end);
		(void)evbuffer_add(out, "}", 1);
	} else if (form == SIM_NO_MANAGED && blob->managed_len != 0) {
		add_part(out, blob, from, blob->managed);
		add_part(out, blob, blob->managed + blob->managed_len,
		    blob->len);
	} else {
		add_part(out, blob, from, blob->len);
	}
}

void
sim_api_reply_object(struct sim_conn *c, int status, struct sim_object *o)
{
	struct evbuffer *body = evbuffer_new();

	if (body == NULL)
		abort();
	sim_api_add_object(body, o->blob, sim_api_form(c), false, "");
	sim_conn_reply_buffer(c, status, "application/json", body, NULL);
	evbuffer_free(body);
}

int
sim_api_version(struct sim_conn *c, uint64_t *ret, bool *ret_given)
{
	const char *text = sim_conn_param(c, "resourceVersion");
	uint64_t rv = 0;

	*ret_given = text != NULL && text[0] != '\0';
	if (*ret_given && !sim_http_number(text, &rv)) {
		sim_conn_status(c, 400, "BadRequest", -1,
		    "Invalid value: \"%.64s\": resourceVersion: invalid",
		    text);
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
	json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
	    "major", "1", "minor", "36", "gitVersion", "v1.36.1+kubesim",
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

/* Anonymous callers may ask for health and version, as the API server's
 * default role lets them; a wrong token is refused everywhere. */
static bool
authorized(struct sim_conn *c, const char *path)
{
	const char *header = sim_conn_request(c)->authorization;
	const char *token = sim_conn_sim(c)->opt.token;

	if (strncmp(header, "Bearer ", 7) == 0)
		return strcmp(header + 7, token) == 0;
	return strcmp(path, "/version") == 0 || strcmp(path, "/readyz") == 0 ||
	    strcmp(path, "/livez") == 0 || strcmp(path, "/healthz") == 0;
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
 * the plural, a name, a subresource. */
static bool
parse_path(char *path, struct sim_path *ret)
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
	if (strcmp(seg[i], "namespaces") == 0 && n - i >= 3) {
		if (!copy_name(ret->ns, sizeof(ret->ns), seg[i + 1]))
			return false;
		i += 2;
	}
	kind = sim_kinds_by_path(group, version, seg[i]);
	if (kind < 0 || n - i > 3)
		return false;
	ret->kind = (enum sim_kind)kind;
	if (ret->ns[0] != '\0' && !sim_kinds_row(ret->kind)->namespaced)
		return false;
	if (n - i >= 2 &&
	    !copy_name(ret->name, sizeof(ret->name), seg[i + 1]))
		return false;
	return n - i < 3 || copy_name(ret->sub, sizeof(ret->sub), seg[i + 2]);
}

static void
handle_get(struct sim_conn *c, const struct sim_path *p)
{
	const char *watch = sim_conn_param(c, "watch");
	struct sim_object *o;

	if (p->name[0] == '\0') {
		if (watch != NULL && strcmp(watch, "0") != 0 &&
		    strcmp(watch, "false") != 0)
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

static void
handle_resource(struct sim_conn *c)
{
	struct sim_request *r = sim_conn_request(c);
	struct sim_path p = { 0 };

	if (!parse_path(r->path, &p)) {
		/* Seen on a real server: plain text, not a Status. */
		sim_conn_reply(c, 404, "text/plain; charset=utf-8",
		    "404 page not found\n", 19, NULL);
	} else if (sim_faults_forbidden(sim_conn_sim(c)->faults, p.kind,
	    p.ns)) {
		sim_conn_status(c, 403, "Forbidden", -1, "%s is forbidden: "
		    "User \"kubesim\" cannot list resource \"%s\" in API "
		    "group \"%s\" %s", sim_kinds_row(p.kind)->plural,
		    sim_kinds_row(p.kind)->plural,
		    sim_kinds_row(p.kind)->group, p.ns[0] != '\0' ?
		    "in the namespace" : "at the cluster scope");
	} else if (strstr(r->accept, "as=Table") != NULL) {
		sim_conn_status(c, 406, "NotAcceptable", -1, "only the "
		    "following media types are accepted: application/json, "
		    "application/json;as=PartialObjectMetadata");
	} else if (strcmp(r->method, "GET") == 0) {
		handle_get(c, &p);
	} else {
		sim_write_handle(c, &p);
	}
}

/* ---- the way of a request ---- */

static void
handle_checked(struct sim_conn *c, UNUSED void *ctx)
{
	const char *path = sim_conn_request(c)->path;

	if (!authorized(c, path))
		sim_conn_status(c, 401, "Unauthorized", -1, "Unauthorized");
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
	r->log_id = sim_control_log(sim, c);
	if (sim_faults_apply(c))
		return;
	delay = sim_faults_latency_ms(sim->faults);
	if (delay > 0)
		sim_conn_defer(c, delay, handle_checked, NULL);
	else
		handle_checked(c, NULL);
}
