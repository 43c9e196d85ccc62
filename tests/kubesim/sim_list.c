#include "tests/kubesim/sim_list.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_status.h"

#define TOKEN_MAX      2048u
#define TOO_LARGE_MS   3000     /* cacher: how long a list waits for its rv */
#define TOKEN_VERSION  "meta.k8s.io/v1"

/* A collection at one moment; pages are cut from it. */
struct snapshot {
	enum sim_kind		  kind;
	char			  ns[SIM_NAME_MAX + 1];
	uint64_t		  rv;
	struct mono		  expires;
	size_t			  n;
	struct sim_object	**objects;       /* counted */
	struct sim_blob		**blobs;         /* counted */
};

struct sim_api {
	struct snapshot	 snapshots[SIM_SNAPSHOTS_MAX];   /* oldest first */
	size_t		 n;
};

/* A continue token taken apart; rv < 0: inconsistent continuation. */
struct token {
	int64_t	rv;
	char	ns[SIM_NAME_MAX + 1];
	char	name[SIM_NAME_MAX + 1];
};

/* ---- snapshots ---- */

static void
snapshot_clear(struct snapshot *s)
{
	for (size_t i = 0; i < s->n; i++) {
		sim_object_unref(s->objects[i]);
		sim_blob_unref(s->blobs[i]);
	}
	free(s->objects);
	free(s->blobs);
	memset(s, 0, sizeof(*s));
}

static void
snapshot_drop(struct sim_api *api, size_t i)
{
	snapshot_clear(&api->snapshots[i]);
	api->n--;
	memmove(&api->snapshots[i], &api->snapshots[i + 1],
	    (api->n - i) * sizeof(struct snapshot));
}

static void
collect(struct sim_store *store, const struct sim_path *p, const char *from_ns,
    const char *from_name, struct snapshot *s)
{
	size_t i = sim_store_lower(store, p->kind, from_ns, from_name);
	size_t room = store->n[p->kind] - i;

	s->objects = xreallocarray(NULL, room + 1,
	    sizeof(struct sim_object *));
	s->blobs = xreallocarray(NULL, room + 1, sizeof(struct sim_blob *));
	s->kind = p->kind;
	memcpy(s->ns, p->ns, sizeof(s->ns));
	s->rv = store->rv;
	for (; i < store->n[p->kind]; i++) {
		struct sim_object *o = store->sorted[p->kind][i];

		if (p->ns[0] != '\0' && strcmp(o->ns, p->ns) != 0)
			break;
		s->objects[s->n] = sim_object_ref(o);
		s->blobs[s->n++] = sim_blob_ref(o->blob);
	}
}

static struct snapshot *
snapshot_find(struct sim_api *api, const struct sim_path *p, uint64_t rv)
{
	struct mono now = mono_now();

	while (api->n != 0 && mono_before(api->snapshots[0].expires, now))
		snapshot_drop(api, 0);
	for (size_t i = 0; i < api->n; i++)
		if (api->snapshots[i].kind == p->kind &&
		    api->snapshots[i].rv == rv &&
		    strcmp(api->snapshots[i].ns, p->ns) == 0)
			return &api->snapshots[i];
	return NULL;
}

/* Keeps *s (its contents move) for later pages. */
static void
snapshot_keep(struct sim *sim, struct snapshot *s)
{
	struct sim_api *api = sim->api;

	if (api->n == SIM_SNAPSHOTS_MAX)
		snapshot_drop(api, 0);
	s->expires = mono_add_ms(mono_now(), sim->opt.continue_ms);
	api->snapshots[api->n++] = *s;
	memset(s, 0, sizeof(*s));
}

void
sim_list_expire(struct sim *sim)
{
	while (sim->api->n != 0)
		snapshot_drop(sim->api, 0);
}

struct sim_api *
sim_list_new(void)
{
	return xcalloc(1, sizeof(struct sim_api));
}

void
sim_list_free(struct sim_api *api)
{
	if (api == NULL)
		return;
	while (api->n != 0)
		snapshot_drop(api, 0);
	free(api);
}

/* ---- continue tokens: base64url of JSON, as the real ones ---- */

static char *
token_make(int64_t rv, const char *ns, const char *name)
{
	char *text = xasprintf("{\"v\":\"" TOKEN_VERSION "\",\"rv\":%" PRId64
	    ",\"start\":\"%s/%s\"}", rv, ns, name);
	size_t n = strlen(text);
	char *out = xmalloc(n * 4 / 3 + 8);
	size_t len;

	len = (size_t)EVP_EncodeBlock((unsigned char *)out,
	    (const unsigned char *)text, (int)n);
	for (size_t i = 0; i < len; i++) {
		if (out[i] == '+')
			out[i] = '-';
		else if (out[i] == '/')
			out[i] = '_';
	}
	while (len > 0 && out[len - 1] == '=')
		len--;
	out[len] = '\0';
	free(text);
	return out;
}

static bool
token_start(const char *start, struct token *ret)
{
	const char *slash = strchr(start, '/');
	size_t n;

	if (slash == NULL)
		return false;
	n = (size_t)(slash - start);
	if (n > SIM_NAME_MAX || strlen(slash + 1) > SIM_NAME_MAX)
		return false;
	memcpy(ret->ns, start, n);
	ret->ns[n] = '\0';
	memcpy(ret->name, slash + 1, strlen(slash + 1) + 1);
	return true;
}

static bool
token_parse(const char *text, struct token *ret)
{
	unsigned char in[TOKEN_MAX + 4], out[TOKEN_MAX + 4];
	size_t n = strlen(text), pad;
	json_t *doc;
	const char *start = NULL;
	json_int_t rv = 0;
	bool good;
	int len;

	if (n == 0 || n > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		in[i] = (unsigned char)(text[i] == '-' ? '+' :
		    text[i] == '_' ? '/' : text[i]);
	for (pad = 0; (n + pad) % 4 != 0; pad++)
		in[n + pad] = '=';
	len = EVP_DecodeBlock(out, in, (int)(n + pad));
	if (len < (int)pad)
		return false;
	doc = json_loadb((const char *)out, (size_t)len - pad, 0, NULL);
	good = json_unpack(doc, "{s:I, s:s}", "rv", &rv, "start", &start) == 0
	    && token_start(start, ret);
	ret->rv = rv;
	json_decref(doc);
	return good;
}

/* ---- one page ---- */

static void
add_list_head(struct evbuffer *body, const struct snapshot *s,
    enum sim_form form, const char *token, size_t remaining)
{
	const struct sim_kind_row *row = sim_kinds_row(s->kind);

	(void)evbuffer_add_printf(body, "{\"kind\":\"%sList\",\"apiVersion\":"
	    "\"%s\",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"",
	    form >= SIM_PARTIAL ? "PartialObjectMetadata" : row->kind,
	    form >= SIM_PARTIAL ? "meta.k8s.io/v1" :
	    sim_kinds_api_version(s->kind), s->rv);
	if (token != NULL)
		(void)evbuffer_add_printf(body, ",\"continue\":\"%s\","
		    "\"remainingItemCount\":%zu", token, remaining);
	(void)evbuffer_add_printf(body, "},\"items\":[");
}

/* Items from..from+limit of the snapshot; the token goes on behind them. */
static void
reply_page(struct sim_conn *c, const struct snapshot *s, size_t from,
    size_t limit)
{
	size_t end = limit == 0 || limit > s->n - from ? s->n : from + limit;
	enum sim_form form = sim_api_form(c, SIM_COLLECTION);
	struct evbuffer *body = evbuffer_new();
	char *token = NULL;

	if (body == NULL)
		abort();
	if (end < s->n)
		token = token_make((int64_t)s->rv, s->objects[end]->ns,
		    s->objects[end]->name);
	add_list_head(body, s, form, token, s->n - end);
	for (size_t i = from; i < end; i++)
		sim_api_add_object(body, s->blobs[i], form, true,
		    i == from ? "" : ",");
	(void)evbuffer_add(body, "]}\n", 3);
	sim_conn_reply_buffer(c, 200, "application/json", body, NULL);
	evbuffer_free(body);
	free(token);
}

static size_t
snapshot_index(const struct snapshot *s, const struct token *t)
{
	size_t i = 0;
	int order;

	for (; i < s->n; i++) {
		order = strcmp(s->objects[i]->ns, t->ns);
		if (order == 0)
			order = strcmp(s->objects[i]->name, t->name);
		if (order >= 0)
			break;
	}
	return i;
}

/* 410 with a token for the rest as it is now, inconsistent with before. */
static void
reply_expired(struct sim_conn *c, const struct token *t)
{
	char *rest = token_make(-1, t->ns, t->name);
	json_t *status = sim_status_make(410, "Expired", "The provided "
	    "continue parameter is too old to display a consistent list "
	    "result. You can start a new list without the continue parameter, "
	    "or use the continue token in this response to retrieve the "
	    "remainder of the results. Continuing with the provided token "
	    "results in an inconsistent list.", NULL);

	(void)json_object_set_new(json_object_get(status, "metadata"),
	    "continue", json_string(rest));
	sim_conn_reply_json(c, 410, status);
	free(rest);
}

/* A list from a key on, of the state as it is now. */
static void
list_now(struct sim_conn *c, const struct sim_path *p, const char *from_ns,
    const char *from_name, size_t limit)
{
	struct sim *sim = sim_conn_sim(c);
	struct snapshot s = { 0 }, *kept;

	collect(sim->store, p, from_ns, from_name, &s);
	reply_page(c, &s, 0, limit);
	/* What an inconsistent continuation kept begins in the middle. */
	kept = snapshot_find(sim->api, p, s.rv);
	if (limit != 0 && limit < s.n && (kept == NULL || kept->n < s.n)) {
		if (kept != NULL)
			snapshot_drop(sim->api,
			    (size_t)(kept - sim->api->snapshots));
		snapshot_keep(sim, &s);
	}
	snapshot_clear(&s);
}

static void
list_continue(struct sim_conn *c, const struct sim_path *p, const char *text,
    size_t limit)
{
	struct sim *sim = sim_conn_sim(c);
	struct snapshot *s;
	struct token t = { 0 };

	if (!token_parse(text, &t)) {
		sim_conn_status(c, 400, "BadRequest", -1, "continue key is "
		    "not valid: %.32s", text);
		return;
	}
	if (t.rv < 0) {
		list_now(c, p, t.ns, t.name, limit);
		return;
	}
	s = snapshot_find(sim->api, p, (uint64_t)t.rv);
	if (s == NULL)
		reply_expired(c, &t);
	else
		reply_page(c, s, snapshot_index(s, &t), limit);
}

/* ---- parameters ---- */

/* The combinations a real server refuses; false after having answered. */
static bool
parameters_fit(struct sim_conn *c, bool rv_given, uint64_t rv, bool more)
{
	const char *match = sim_conn_param(c, "resourceVersionMatch");
	const char *label = sim_conn_param(c, "labelSelector");
	const char *field = sim_conn_param(c, "fieldSelector");

	if (sim_conn_param(c, "sendInitialEvents") != NULL) {
		sim_conn_status(c, 422, "Invalid", -1, "sendInitialEvents: "
		    "Forbidden: sendInitialEvents is forbidden for list");
	} else if (match != NULL && (more || !rv_given ||
	    (strcmp(match, "Exact") == 0 && rv == 0) ||
	    (strcmp(match, "Exact") != 0 &&
	    strcmp(match, "NotOlderThan") != 0))) {
		sim_conn_status(c, 422, "Invalid", -1, "resourceVersionMatch: "
		    "Forbidden: not allowed with these parameters");
	} else if (more && rv != 0) {
		sim_conn_status(c, 400, "BadRequest", -1, "specifying resource "
		    "version is not allowed when using continue");
	} else if (label != NULL && label[0] != '\0') {
		sim_conn_status(c, 400, "BadRequest", -1,
		    "label selectors are not served by the simulator");
	} else if (field != NULL && field[0] != '\0') {
		sim_conn_status(c, 400, "BadRequest", -1,
		    "field label not supported: %.64s", field);
	} else {
		return true;
	}
	return false;
}

static void
reply_too_large(struct sim_conn *c, uint64_t rv, uint64_t current)
{
	json_t *details = json_pack("{s:[{s:s, s:s}], s:i}", "causes",
	    "reason", "ResourceVersionTooLarge", "message",
	    "Too large resource version", "retryAfterSeconds", 1);
	char message[128];

	(void)snprintf(message, sizeof(message), "Timeout: Too large resource "
	    "version: %" PRIu64 ", current: %" PRIu64, rv, current);
	sim_conn_reply_json(c, 504, sim_status_make(504, "Timeout",
	    message, details));
}

static void
list_at(struct sim_conn *c, const struct sim_path *p, uint64_t rv,
    size_t limit)
{
	const char *match = sim_conn_param(c, "resourceVersionMatch");
	const char *given = sim_conn_param(c, "resourceVersion");
	struct sim *sim = sim_conn_sim(c);
	bool zero = given != NULL && strcmp(given, "0") == 0;
	bool exact = match != NULL && strcmp(match, "Exact") == 0;

	if (rv > sim->store->rv)
		reply_too_large(c, rv, sim->store->rv);
	else if (exact && rv != sim->store->rv)
		sim_conn_status(c, 410, "Expired", -1, "The resourceVersion "
		    "for the provided list is too old.");
	else
		list_now(c, p, p->ns, "", zero &&
		    sim_faults_ignores_limit(sim->faults) ? 0 : limit);
}

struct pending_list {
	struct sim_path	path;
	uint64_t	rv;
	size_t		limit;
};

static void
pending_gone(UNUSED struct sim_conn *c, void *ctx)
{
	free(ctx);
}

static void
pending_due(struct sim_conn *c, void *ctx)
{
	struct pending_list *pending = ctx;

	sim_conn_own(c, NULL, NULL);
	list_at(c, &pending->path, pending->rv, pending->limit);
	free(pending);
}

void
sim_list_start(struct sim_conn *c, const struct sim_path *p)
{
	const char *more = sim_conn_param(c, "continue");
	const char *limit_text = sim_conn_param(c, "limit");
	struct pending_list *pending;
	uint64_t rv, limit = 0;
	bool given;

	if (sim_api_version(c, &rv, &given) != 0)
		return;
	if (more != NULL && more[0] == '\0')
		more = NULL;
	if (!parameters_fit(c, given, rv, more != NULL))
		return;
	if (limit_text != NULL && !sim_http_number(limit_text, &limit)) {
		sim_conn_status(c, 400, "BadRequest", -1, "limit: not a "
		    "number: %.32s", limit_text);
	} else if (more != NULL) {
		list_continue(c, p, more, (size_t)limit);
	} else if (rv > sim_conn_sim(c)->store->rv) {
		pending = xmalloc(sizeof(*pending));
		*pending = (struct pending_list){ *p, rv, (size_t)limit };
		sim_conn_own(c, pending_gone, pending);
		sim_conn_defer(c, TOO_LARGE_MS, pending_due, pending);
	} else {
		list_at(c, p, rv, (size_t)limit);
	}
}
