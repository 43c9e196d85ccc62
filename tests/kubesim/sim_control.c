#include "tests/kubesim/sim_control.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_bulk.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_render.h"
#include "tests/kubesim/sim_script.h"
#include "tests/kubesim/sim_watch.h"

#define CONTROL_MAGIC  0xc0274011u

struct sim_control {
	unsigned		 magic;
	struct sim		*sim;
};

static void
handle_requests(struct sim_control *k, struct sim_conn *c)
{
	const char *text = sim_conn_param(c, "after");
	uint64_t after = 0;

	if (text != NULL && !sim_http_number(text, &after)) {
		sim_conn_status(c, 400, "BadRequest", -1, "after: a number");
		return;
	}
	if (strcmp(sim_conn_request(c)->method, "DELETE") == 0)
		sim_log_empty(k->sim->log);
	sim_conn_reply_json(c, 200, sim_log_show(k->sim->log, after));
}

/* ---- the truth ---- */

static void
handle_state(struct sim_control *k, struct sim_conn *c)
{
	const char *kind = sim_conn_param(c, "kind");
	struct sim_store *s = k->sim->store;
	struct evbuffer *body = evbuffer_new();
	struct sim_object *o;
	const char *comma = "";

	if (body == NULL)
		abort();
	(void)evbuffer_add_printf(body, "{\"resourceVersion\":%" PRIu64
	    ",\"objects\":[", s->rv);
	for (int i = 0; i < SIM_KIND_MAX; i++) {
		if (kind != NULL && sim_kinds_by_name(kind) != i)
			continue;
		for (size_t j = 0; j < s->n[i]; j++) {
			o = s->sorted[i][j];
			sim_api_add_object(body, o, &o->st, SIM_FULL, false,
			    comma);
			comma = ",";
		}
	}
	(void)evbuffer_add(body, "]}\n", 3);
	sim_conn_reply_buffer(c, 200, "application/json", body, NULL);
	evbuffer_free(body);
}

static void
handle_history(struct sim_control *k, struct sim_conn *c)
{
	static const char *const names[SIM_CHANGE_MAX] = { "ADDED",
	    "MODIFIED", "DELETED" };
	const char *kind = sim_conn_param(c, "kind");
	const char *ns = sim_conn_param(c, "ns");
	const char *name = sim_conn_param(c, "name");
	int wanted = kind != NULL ? sim_kinds_by_name(kind) : -1;
	struct sim_store *s = k->sim->store;
	json_t *list;
	struct sim_truth *t;

	if (wanted < 0 || name == NULL) {
		sim_conn_status(c, 400, "BadRequest", -1,
		    "kind and name are needed");
		return;
	}
	list = json_array();
	for (size_t i = 0; i < s->truth_n; i++) {
		t = sim_store_truth(s, i);
		if (t->object->kind != (enum sim_kind)wanted ||
		    strcmp(t->object->name, name) != 0 ||
		    strcmp(t->object->ns, ns != NULL ? ns : "") != 0)
			continue;
		(void)json_array_append_new(list, json_pack("{s:I, s:s, s:s,"
		    " s:o}", "rv", (json_int_t)t->st.rv, "type",
		    names[t->change], "uid", t->object->uid, "object",
		    sim_render_document(t->object, &t->st, false)));
	}
	sim_conn_reply_json(c, 200, json_pack("{s:b, s:o}", "complete",
	    s->truth_n < s->truth_size, "states", list));
}

static void
handle_stats(struct sim_control *k, struct sim_conn *c)
{
	struct sim_store *s = k->sim->store;
	json_t *counts = json_object();

	for (int i = 0; i < SIM_KIND_MAX; i++)
		(void)json_object_set_new(counts,
		    sim_kinds_row((enum sim_kind)i)->name,
		    json_integer((json_int_t)s->n[i]));
	sim_conn_reply_json(c, 200, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I,"
	    " s:o}", "resourceVersion", (json_int_t)s->rv, "oldest",
	    (json_int_t)s->floor_rv, "changes", (json_int_t)s->changes,
	    "watches", (json_int_t)sim_watch_count(k->sim->watches),
	    "dropped_watches", (json_int_t)sim_watch_dropped(k->sim->watches),
	    "connections", (json_int_t)sim_http_connections(k->sim->http),
	    "objects", counts));
}

static json_t *
body_json(struct sim_conn *c)
{
	struct sim_request *r = sim_conn_request(c);

	return json_loadb(r->body, r->body_len, 0, NULL);
}

static void
handle_change(struct sim_control *k, struct sim_conn *c)
{
	struct err err = { 0 };
	json_t *doc;

	if (strcmp(sim_conn_request(c)->method, "POST") != 0) {
		sim_conn_reply_json(c, 200, sim_bulk_show(k->sim->bulk));
		return;
	}
	if (sim_bulk_busy(k->sim->bulk)) {
		sim_conn_status(c, 409, "Conflict", -1,
		    "a bulk change is under way");
		return;
	}
	doc = body_json(c);
	if (sim_bulk_start(k->sim->bulk, doc, &err) != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
	else
		sim_conn_reply_json(c, 202, sim_bulk_show(k->sim->bulk));
	json_decref(doc);
}

static void
handle_script(struct sim_control *k, struct sim_conn *c)
{
	const char *method = sim_conn_request(c)->method;
	struct err err = { 0 };
	json_t *doc;
	int rc = 0;

	if (strcmp(method, "DELETE") == 0) {
		sim_script_clear(k->sim->script);
	} else if (strcmp(method, "POST") == 0) {
		doc = body_json(c);
		rc = sim_script_load(k->sim->script, doc, &err);
		json_decref(doc);
	}
	if (rc != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
	else
		sim_conn_reply_json(c, 200, sim_script_show(k->sim->script));
}

static void
handle_clock(struct sim_control *k, struct sim_conn *c)
{
	json_t *doc = body_json(c);
	json_t *n = json_object_get(doc, "advance_ms");
	struct err err = { 0 };
	int rc = 0;

	if (n != NULL)
		rc = sim_script_advance(k->sim->script,
		    json_integer_value(n), &err);
	if (rc != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
	else
		sim_conn_reply_json(c, 200, json_pack("{s:I}", "time_ms",
		    (json_int_t)sim_store_now(k->sim->store)));
	json_decref(doc);
}

/* ---- routes ---- */

static void
handle_faults(struct sim_control *k, struct sim_conn *c)
{
	const char *method = sim_conn_request(c)->method;
	struct err err = { 0 };
	json_t *doc;
	int rc = 0;

	if (strcmp(method, "DELETE") == 0) {
		sim_faults_clear(k->sim->faults);
	} else if (strcmp(method, "POST") == 0) {
		doc = body_json(c);
		rc = sim_faults_set(k->sim, doc, &err);
		json_decref(doc);
	}
	if (rc != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
	else
		sim_conn_reply_json(c, 200, sim_faults_show(k->sim->faults));
}

static void
handle_modes(struct sim_control *k, struct sim_conn *c)
{
	const char *method = sim_conn_request(c)->method;
	struct err err = { 0 };
	json_t *doc;
	int rc = 0;

	if (strcmp(method, "DELETE") == 0) {
		sim_modes_init(&k->sim->modes);
	} else if (strcmp(method, "POST") == 0) {
		doc = body_json(c);
		rc = sim_modes_set(&k->sim->modes, doc, &err);
		json_decref(doc);
	}
	if (rc != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
	else
		sim_conn_reply_json(c, 200, sim_modes_show(&k->sim->modes));
}

static void
handle_access(struct sim_control *k, struct sim_conn *c)
{
	const char *method = sim_conn_request(c)->method;
	struct err err = { 0 };
	json_t *doc;
	int rc = 0;

	if (strcmp(method, "DELETE") == 0) {
		sim_access_clear(&k->sim->access);
	} else if (strcmp(method, "POST") == 0) {
		doc = body_json(c);
		rc = sim_access_set(&k->sim->access, doc, &err);
		json_decref(doc);
	}
	if (rc != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
	else
		sim_conn_reply_json(c, 200,
		    sim_access_show(&k->sim->access));
}

void
sim_control_handle(struct sim_conn *c)
{
	static const struct {
		const char *path;
		void (*handle)(struct sim_control *k, struct sim_conn *c);
	} routes[] = {
		{ "/_sim/state", handle_state },
		{ "/_sim/history", handle_history },
		{ "/_sim/stats", handle_stats },
		{ "/_sim/requests", handle_requests },
		{ "/_sim/faults", handle_faults },
		{ "/_sim/change", handle_change },
		{ "/_sim/script", handle_script },
		{ "/_sim/clock", handle_clock },
		{ "/_sim/modes", handle_modes },
		{ "/_sim/access", handle_access },
	};
	struct sim_control *k = sim_conn_sim(c)->control;

	for (size_t i = 0; i < NELEM(routes); i++) {
		if (strcmp(routes[i].path, sim_conn_request(c)->path) == 0) {
			routes[i].handle(k, c);
			return;
		}
	}
	sim_conn_status(c, 404, "NotFound", -1, "no such control endpoint");
}

struct sim_control *
sim_control_new(struct sim *sim)
{
	struct sim_control *k = xcalloc(1, sizeof(*k));

	k->magic = CONTROL_MAGIC;
	k->sim = sim;
	return k;
}

void
sim_control_free(struct sim_control *k)
{
	if (k == NULL)
		return;
	k->magic = 0;
	free(k);
}
