#include "tests/kubesim/sim_faults.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_snapshot.h"
#include "tests/kubesim/sim_watch.h"

#define SECRET_BYTES (40u * 1024)

struct rule {
	char		 *match;
	int		  status;         /* 0: none */
	int		  retry_after;    /* -1: none */
	int		  watch_error;    /* 0: none */
	enum sim_action	  action;
	int64_t		  at;             /* of a cut; -1: half */
	bool		  html;           /* a load balancer's page */
	bool		  secret;         /* as the answer's body */
	uint64_t	  left;           /* 0: without end */
};

struct sim_faults {
	struct rule	rule[SIM_FAULTS_MAX];
	size_t		n;
	bool		not_ready;
	uint64_t	alerts;          /* handshakes yet to fail */
	bool		shutdown;        /* 429 to every new request */
	bool		honour_limit;   /* at version 0 */
	bool		forbidden[SIM_KIND_MAX];         /* cluster-wide */
	bool		forbidden_inside[SIM_KIND_MAX];  /* and per namespace */
	int64_t		latency_ms;
};

static const char *const action_names[SIM_ACT_MAX] = {
	[SIM_ACT_NONE] = "none",
	[SIM_ACT_RESET] = "reset",
	[SIM_ACT_CLOSE] = "close",
	[SIM_ACT_HANG] = "hang",
	[SIM_ACT_TRUNCATE] = "truncate",
	[SIM_ACT_GARBAGE] = "garbage",
	[SIM_ACT_HALFLINE] = "halfline",
	[SIM_ACT_CUTGZIP] = "cutgzip",
	[SIM_ACT_FREEZE] = "freeze",
	[SIM_ACT_DUPLICATE] = "duplicate",
	[SIM_ACT_REORDER] = "reorder",
	[SIM_ACT_MERGE] = "merge",
	[SIM_ACT_SPLIT] = "split",
	[SIM_ACT_TRICKLE] = "trickle",
	[SIM_ACT_DROP] = "drop",
	[SIM_ACT_STRANGE] = "strange",
};

struct sim_faults *
sim_faults_new(void)
{
	return xcalloc(1, sizeof(struct sim_faults));
}

void
sim_faults_clear(struct sim_faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->rule[i].match);
	memset(f, 0, sizeof(*f));
}

void
sim_faults_free(struct sim_faults *f)
{
	if (f == NULL)
		return;
	sim_faults_clear(f);
	free(f);
}

/* ---- rules ---- */

static void
rule_used(struct sim_faults *f, size_t i)
{
	if (f->rule[i].left == 0 || --f->rule[i].left != 0)
		return;
	free(f->rule[i].match);
	f->n--;
	memmove(&f->rule[i], &f->rule[i + 1],
	    (f->n - i) * sizeof(struct rule));
}

static bool
rule_matches(const struct rule *r, struct sim_conn *c)
{
	struct sim_request *q = sim_conn_request(c);
	struct buf line = BUF_EMPTY;
	bool hit;

	buf_addf(&line, "%s %s", q->method, q->target);
	hit = strstr(buf_cstr(&line), r->match) != NULL;
	buf_free(&line);
	return hit;
}

/* A whole secret under any status, as a proxy that mends nothing may send it:
 * "kubesim-secret-" in base64, over and over. */
static void
reply_secret(struct sim_conn *c, int status)
{
	struct buf body = BUF_EMPTY;

	buf_adds(&body, "{\"kind\":\"Secret\",\"data\":{\"a\":\"");
	while (body.len < SECRET_BYTES)
		buf_adds(&body, "a3ViZXNpbS1zZWNyZXQt");
	buf_adds(&body, "\"}}\n");
	sim_conn_reply(c, status, "application/json", buf_cstr(&body),
	    body.len, NULL);
	buf_free(&body);
}

static void
reply_rule(struct sim_conn *c, const struct rule *r)
{
	static const struct { int code; const char *reason; } reasons[] = {
		{ 400, "BadRequest" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "NotFound" },
		{ 409, "Conflict" }, { 410, "Expired" },
		{ 422, "Invalid" }, { 429, "TooManyRequests" },
		{ 500, "InternalError" }, { 503, "ServiceUnavailable" },
		{ 504, "Timeout" },
	};
	static const char page[] = "<html><body><h1>upstream failed</h1>"
	    "</body></html>\n";
	const char *reason = "Unknown";

	for (size_t i = 0; i < NELEM(reasons); i++)
		if (reasons[i].code == r->status)
			reason = reasons[i].reason;
	if (r->secret)
		reply_secret(c, r->status);
	else if (r->html)
		sim_conn_reply(c, r->status, "text/html", page,
		    sizeof(page) - 1, NULL);
	else
		sim_conn_status(c, r->status, reason, r->retry_after,
		    "injected by the test");
}

/* As in the grace period of a server that is told to end. */
static bool
refuse_new(struct sim_conn *c)
{
	const char *path = sim_conn_request(c)->path;

	if (strncmp(path, "/api", 4) != 0)
		return false;
	sim_conn_close_after(c);
	sim_conn_status(c, 429, "TooManyRequests", 5, "apiserver is shutting "
	    "down, please try again later.");
	return true;
}

bool
sim_faults_apply(struct sim_conn *c)
{
	struct sim_faults *f = sim_conn_sim(c)->faults;
	struct rule r;

	if (f->shutdown && refuse_new(c))
		return true;

	for (size_t i = 0; i < f->n; i++) {
		r = f->rule[i];
		if (r.watch_error != 0 || !rule_matches(&r, c))
			continue;
		rule_used(f, i);
		sim_conn_fault(c, r.action, r.at);
		if (r.status == 0)
			return r.action == SIM_ACT_RESET ||
			    r.action == SIM_ACT_CLOSE ||
			    r.action == SIM_ACT_HANG;
		reply_rule(c, &r);
		return true;
	}
	return false;
}

int
sim_faults_watch_error(struct sim_faults *f, struct sim_conn *c)
{
	int code;

	for (size_t i = 0; i < f->n; i++) {
		code = f->rule[i].watch_error;
		if (code == 0 || !rule_matches(&f->rule[i], c))
			continue;
		rule_used(f, i);
		return code;
	}
	return 0;
}

static int
action_of(const char *name)
{
	for (int i = 0; i < SIM_ACT_MAX; i++)
		if (strcmp(action_names[i], name) == 0)
			return i;
	return -1;
}

static bool
cuts(enum sim_action action)
{
	return action == SIM_ACT_TRUNCATE || action == SIM_ACT_HALFLINE ||
	    action == SIM_ACT_CUTGZIP;
}

static int
add_rule(struct sim_faults *f, json_t *doc, struct err *err)
{
	const char *match = "", *action = "none";
	int status = 0, retry_after = -1, watch_error = 0, html = 0, act;
	int secret = 0;
	json_int_t count = 1, at = -1;
	json_error_t why;

	if (json_unpack_ex(doc, &why, JSON_STRICT, "{s?s, s?s, s?i, s?i, s?i,"
	    " s?b, s?b, s?I, s?I}", "match", &match, "action", &action,
	    "status", &status, "retry_after", &retry_after, "watch_error",
	    &watch_error, "html", &html, "secret", &secret, "count", &count,
	    "at", &at) != 0)
		return err_set(err, "next: %s", why.text);
	act = action_of(action);
	if (act < 0)
		return err_set(err, "next: no action \"%s\"", action);
	if (count < 0 || (status != 0 && (status < 200 || status > 599)))
		return err_set(err, "next: count or status is out of range");
	if (at < -1 || (at >= 0 && !cuts((enum sim_action)act)))
		return err_set(err, "next: at is of what is cut, from 0 on");
	if (f->n == SIM_FAULTS_MAX)
		return err_set(err, "next: more than %d rules",
		    SIM_FAULTS_MAX);
	f->rule[f->n++] = (struct rule){ .match = xstrdup(match),
	    .status = status, .retry_after = retry_after,
	    .watch_error = watch_error, .action = (enum sim_action)act,
	    .at = at, .html = html != 0, .secret = secret != 0,
	    .left = (uint64_t)count };
	return 0;
}

/* ---- switches ---- */

/* ["pods", "deployments/all"]: cluster-wide only, or in namespaces too. */
static int
set_forbidden(struct sim_faults *f, json_t *list, struct err *err)
{
	bool wide[SIM_KIND_MAX] = { false }, inside[SIM_KIND_MAX] = { false };
	json_t *item;
	size_t i, n;
	int kind;

	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);
		char name[64];

		n = text != NULL ? strcspn(text, "/") : 0;
		if (n == 0 || n >= sizeof(name))
			return err_set(err, "forbid: a list of plurals");
		memcpy(name, text, n);
		name[n] = '\0';
		kind = sim_kinds_by_name(name);
		if (kind < 0)
			return err_set(err, "forbid: no kind %s", name);
		wide[kind] = true;
		inside[kind] = strcmp(text + n, "/all") == 0;
	}
	memcpy(f->forbidden, wide, sizeof(wide));
	memcpy(f->forbidden_inside, inside, sizeof(inside));
	return 0;
}

static int
set_member(struct sim *sim, const char *key, json_t *value, struct err *err)
{
	struct sim_faults *f = sim->faults;
	json_int_t n = json_integer_value(value);
	bool on = !json_is_false(value) && !json_is_null(value);
	json_t *item;
	size_t i;

	if (strcmp(key, "next") == 0) {
		json_array_foreach(value, i, item)
			if (add_rule(f, item, err) != 0)
				return -1;
	} else if (strcmp(key, "compact") == 0) {
		if (on)
			sim_store_compact(sim->store);
	} else if (strcmp(key, "rv_rollback") == 0 && n > 0) {
		sim_store_rollback(sim->store, (uint64_t)n);
	} else if (strcmp(key, "drop_watches") == 0) {
		if (on)
			sim_watch_drop_all(sim->watches,
			    json_is_string(value));
	} else if (strcmp(key, "bookmark_interval_ms") == 0 && n >= 0) {
		sim_watch_bookmark_interval(sim->watches, n);
	} else if (strcmp(key, "expire_continue") == 0) {
		if (on)
			sim_shelf_clear(sim->shelf);
	} else if (strcmp(key, "ready") == 0) {
		f->not_ready = !on;
	} else if (strcmp(key, "ignore_limit") == 0) {
		f->honour_limit = !on;
	} else if (strcmp(key, "latency_ms") == 0 && n >= 0) {
		f->latency_ms = n;
	} else if (strcmp(key, "forbid") == 0) {
		return set_forbidden(f, value, err);
	} else if (strcmp(key, "replica_hold") == 0) {
		sim->replica_rv = on ? sim->store->rv : UINT64_MAX;
		sim_watch_catch_up(sim->watches);
	} else if (strcmp(key, "tls_alert") == 0 && n >= 0) {
		f->alerts = (uint64_t)n;
	} else if (strcmp(key, "window_ms") == 0 && n >= 0) {
		sim->store->window_ms = n;
	} else if (strcmp(key, "shutdown") == 0) {
		f->shutdown = f->not_ready = on;
		if (on)
			sim_watch_drop_all(sim->watches, false);
	} else if (strcmp(key, "restart") == 0) {
		if (on)
			sim_http_drop_all(sim->http);
	} else if (strcmp(key, "clear") == 0) {
		sim_faults_clear(f);
	} else {
		return err_set(err, "%s: no such fault, or its value is "
		    "wrong", key);
	}
	return 0;
}

int
sim_faults_set(struct sim *sim, json_t *doc, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(doc))
		return err_set(err, "faults: an object was expected");
	json_object_foreach(doc, key, value)
		if (set_member(sim, key, value, err) != 0)
			return -1;
	return 0;
}

json_t *
sim_faults_show(const struct sim_faults *f)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < f->n; i++)
		(void)json_array_append_new(rules, json_pack(
		    "{s:s, s:s, s:I, s:i, s:i, s:I}", "match",
		    f->rule[i].match, "action",
		    action_names[f->rule[i].action], "at",
		    (json_int_t)f->rule[i].at, "status", f->rule[i].status,
		    "watch_error", f->rule[i].watch_error, "left",
		    (json_int_t)f->rule[i].left));
	return json_pack("{s:o, s:b, s:b, s:I}", "next", rules, "ready",
	    !f->not_ready, "ignore_limit", !f->honour_limit, "latency_ms",
	    (json_int_t)f->latency_ms);
}

bool
sim_faults_tls_alert(struct sim_faults *f)
{
	if (f->alerts == 0)
		return false;
	f->alerts--;
	return true;
}

bool
sim_faults_ready(const struct sim_faults *f)
{
	return !f->not_ready;
}

bool
sim_faults_ignores_limit(const struct sim_faults *f)
{
	return !f->honour_limit;
}

int64_t
sim_faults_latency_ms(const struct sim_faults *f)
{
	return f->latency_ms;
}

bool
sim_faults_forbidden(const struct sim_faults *f, enum sim_kind kind,
    const char *ns)
{
	return ns[0] == '\0' ? f->forbidden[kind] : f->forbidden_inside[kind];
}
