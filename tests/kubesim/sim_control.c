#include "tests/kubesim/sim_control.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_render.h"
#include "tests/kubesim/sim_watch.h"

#define CONTROL_MAGIC  0xc0274011u
#define SLICE          200u        /* changes per turn of the loop */
#define STALL_SLICE    8u          /* ... while a reader has stopped */
#define CHANGE_TICK_MS 1
#define STALL_MS       1000        /* how long changes wait for a slow reader */

/* The bulk change under way; one at a time. */
struct job {
	enum sim_kind	kind;
	char		ns[SIM_NAME_MAX + 1];
	char		name[SIM_NAME_MAX + 1];
	uint64_t	left;
	uint64_t	done;
	uint64_t	first_rv;
	uint64_t	last_rv;
	double		rate;           /* per second; 0: full speed */
	double		allowance;
	size_t		at;             /* next object of the kind */
	struct mono	last;
	struct mono	moved;
};

struct sim_control {
	unsigned		 magic;
	struct sim		*sim;
	struct job		 job;
	struct event		*tick;
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

/* ---- bulk changes ---- */

static struct sim_object *
job_object(struct sim_control *k)
{
	struct sim_store *s = k->sim->store;
	struct job *j = &k->job;
	struct sim_object *o;

	if (j->name[0] != '\0')
		return sim_store_find(s, j->kind, j->ns, j->name);
	for (size_t tried = 0; tried < s->n[j->kind]; tried++) {
		if (j->at >= s->n[j->kind])
			j->at = 0;
		o = s->sorted[j->kind][j->at++];
		if (j->ns[0] == '\0' || strcmp(j->ns, o->ns) == 0)
			return o;
	}
	return NULL;
}

static void
job_step(struct sim_control *k)
{
	struct sim_object *o = job_object(k);
	struct job *j = &k->job;

	if (o == NULL) {             /* all are gone: nothing left to change */
		j->left = 0;
		return;
	}
	sim_kinds_row(o->kind)->touch(&o->st);
	sim_store_update(k->sim->store, o);
	if (j->done == 0)
		j->first_rv = o->st.rv;
	j->last_rv = o->st.rv;
	j->done++;
	j->left--;
}

/* How many changes may be made now. A reader that lags is waited for; for one
 * that has stopped it goes on slowly, until its buffer is full and it is
 * dropped, so that the others do not lose their connections with it. */
static unsigned
job_slice(struct sim_control *k, struct mono now)
{
	if (sim_watch_backlog(k->sim->watches) <=
	    k->sim->opt.watch_buffer / 2) {
		k->job.moved = now;
		return SLICE;
	}
	return mono_diff_ms(now, k->job.moved) < STALL_MS ? 0 : STALL_SLICE;
}

static void
change_tick_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct timeval tv = mono_timeval_ms(CHANGE_TICK_MS);
	struct sim_control *k = arg;
	struct job *j = &k->job;
	struct mono now = mono_now();

	assert(k->magic == CONTROL_MAGIC);
	if (j->rate > 0)
		j->allowance += j->rate *
		    (double)(now.ns - j->last.ns) / 1e9;
	else
		j->allowance = SLICE;
	j->last = now;
	for (unsigned i = 0; j->left != 0 && j->allowance >= 1 &&
	    i < SLICE; i += STALL_SLICE) {
		for (unsigned n = MIN(job_slice(k, now), STALL_SLICE);
		    n > 0 && j->left != 0 && j->allowance >= 1; n--) {
			job_step(k);
			j->allowance -= 1;
		}
		if (mono_before(j->moved, now))
			break;
	}
	if (j->left != 0)
		(void)evtimer_add(k->tick, &tv);
}

static void
reply_job(struct sim_control *k, struct sim_conn *c, int status)
{
	struct job *j = &k->job;

	sim_conn_reply_json(c, status, json_pack("{s:I, s:I, s:I, s:I}",
	    "left", (json_int_t)j->left, "done", (json_int_t)j->done,
	    "first_rv", (json_int_t)j->first_rv, "last_rv",
	    (json_int_t)j->last_rv));
}

static int
job_parse(struct job *j, json_t *doc, struct err *err)
{
	const char *kind = "pod", *ns = "", *name = "";
	json_int_t count = 0;
	double rate = 0;
	json_error_t why;
	int k;

	if (json_unpack_ex(doc, &why, JSON_STRICT, "{s?s, s:I, s?F, s?s, s?s}",
	    "kind", &kind, "count", &count, "rate", &rate, "ns", &ns, "name",
	    &name) != 0)
		return err_set(err, "change: %s", why.text);
	k = sim_kinds_by_name(kind);
	if (k < 0 || sim_kinds_row((enum sim_kind)k)->touch == NULL)
		return err_set(err, "change: kind %s has no status to change",
		    kind);
	if (count < 0 || rate < 0 || strlen(ns) > SIM_NAME_MAX ||
	    strlen(name) > SIM_NAME_MAX)
		return err_set(err, "change: count, rate or a name is out of "
		    "range");
	*j = (struct job){ .kind = (enum sim_kind)k, .left = (uint64_t)count,
	    .rate = rate, .last = mono_now(), .moved = mono_now() };
	memcpy(j->ns, ns, strlen(ns) + 1);
	memcpy(j->name, name, strlen(name) + 1);
	return 0;
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
		reply_job(k, c, 200);
		return;
	}
	if (k->job.left != 0) {
		sim_conn_status(c, 409, "Conflict", -1,
		    "a bulk change is under way");
		return;
	}
	doc = body_json(c);
	if (job_parse(&k->job, doc, &err) != 0) {
		sim_conn_status(c, 400, "BadRequest", -1, "%s", err.text);
	} else {
		change_tick_cb(-1, 0, k);
		reply_job(k, c, 202);
	}
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
	k->tick = evtimer_new(sim->base, change_tick_cb, k);
	if (k->tick == NULL)
		abort();
	return k;
}

void
sim_control_free(struct sim_control *k)
{
	if (k == NULL)
		return;
	event_free(k->tick);
	k->magic = 0;
	free(k);
}
