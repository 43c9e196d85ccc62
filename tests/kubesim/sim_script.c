#include "tests/kubesim/sim_script.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_bulk.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_life.h"
#include "tests/kubesim/sim_patch.h"
#include "tests/kubesim/sim_render.h"
#include "tests/kubesim/sim_write.h"

#define SCRIPT_MAGIC   0x5c217711u
#define STEP_MS        50          /* of a clock that is moved */
#define ADVANCE_MAX_MS 86400000
#define ERRORS_MAX     100u

struct step {
	int64_t	 at_ms;          /* of the cluster's clock */
	size_t	 number;
	json_t	*doc;
};

struct sim_script {
	unsigned	 magic;
	struct sim	*sim;
	struct event	*timer;
	struct step	*step;           /* by time */
	size_t		 n;
	size_t		 done;
	json_t		*errors;
};

/* ---- what a step does ---- */

static const char *
text_of(json_t *doc, const char *name)
{
	const char *text = json_string_value(json_object_get(doc, name));

	return text != NULL ? text : "";
}

/* Finds kind and, when it is to exist, the object. */
static int
find_object(struct sim *sim, json_t *doc, int *ret_kind,
    struct sim_object **ret, struct err *err)
{
	const char *ns = text_of(doc, "ns"), *name = text_of(doc, "name");

	*ret_kind = sim_kinds_by_name(text_of(doc, "kind"));
	if (*ret_kind < 0 || name[0] == '\0' ||
	    strlen(name) > SIM_NAME_MAX || strlen(ns) > SIM_NAME_MAX)
		return err_set(err, "kind, ns and name of an object are "
		    "needed");
	*ret = sim_store_find(sim->store, (enum sim_kind)*ret_kind, ns, name);
	return 0;
}

static int
do_create(struct sim *sim, json_t *doc, struct err *err)
{
	json_t *object = json_deep_copy(json_object_get(doc, "object"));
	struct sim_object *o;
	int kind, rc = 0;

	if (object == NULL)
		object = json_object();
	if (find_object(sim, doc, &kind, &o, err) != 0)
		rc = -1;
	else if (o != NULL)
		rc = err_set(err, "%s exists", o->name);
	else
		(void)sim_write_create(sim, (enum sim_kind)kind,
		    text_of(doc, "ns"), text_of(doc, "name"), object);
	json_decref(object);
	return rc;
}

static int
do_patch(struct sim *sim, json_t *doc, struct err *err)
{
	struct sim_object *o;
	json_t *whole;
	int kind;

	if (find_object(sim, doc, &kind, &o, err) != 0)
		return -1;
	if (o == NULL)
		return err_set(err, "no %s", text_of(doc, "name"));
	whole = sim_render_document(o, &o->st, false);
	sim_patch_merge(whole, json_object_get(doc, "patch"));
	sim_write_document(sim, o, whole,
	    json_is_true(json_object_get(doc, "status")));
	json_decref(whole);
	return 0;
}

static int
do_delete(struct sim *sim, json_t *doc, struct err *err)
{
	struct sim_object *o;
	int kind;

	if (find_object(sim, doc, &kind, &o, err) != 0)
		return -1;
	if (o == NULL)
		return err_set(err, "no %s", text_of(doc, "name"));
	sim_write_delete(sim, o);
	return 0;
}

static int
do_change(struct sim *sim, json_t *doc, struct err *err)
{
	return sim_bulk_now(sim->bulk, doc, err);
}

static int
do_modes(struct sim *sim, json_t *doc, struct err *err)
{
	return sim_modes_set(&sim->modes, doc, err);
}

static int
do_access(struct sim *sim, json_t *doc, struct err *err)
{
	return sim_access_set(&sim->access, doc, err);
}

static const struct {
	const char	*name;
	int		(*act)(struct sim *sim, json_t *doc, struct err *err);
} acts[] = {
	{ "create", do_create }, { "patch", do_patch },
	{ "delete", do_delete }, { "change", do_change },
	{ "faults", sim_faults_set }, { "modes", do_modes },
	{ "access", do_access },
};

static void
note_error(struct sim_script *p, const struct step *s, const char *what,
    const struct err *err)
{
	if (json_array_size(p->errors) < ERRORS_MAX)
		(void)json_array_append_new(p->errors, json_sprintf(
		    "step %zu, %s: %s", s->number, what, err->text));
}

static void
run_step(struct sim_script *p, const struct step *s)
{
	struct err err = { 0 };
	json_t *doc;

	for (size_t i = 0; i < NELEM(acts); i++) {
		doc = json_object_get(s->doc, acts[i].name);
		if (doc != NULL && acts[i].act(p->sim, doc, &err) != 0)
			note_error(p, s, acts[i].name, &err);
	}
}

/* ---- time ---- */

static void
run_due(struct sim_script *p)
{
	int64_t now = sim_store_now(p->sim->store);

	while (p->done < p->n && p->step[p->done].at_ms <= now)
		run_step(p, &p->step[p->done++]);
}

/* On a clock that stands nothing is waited for. */
static void
wait_next(struct sim_script *p)
{
	struct timeval tv;
	int64_t left;

	if (p->done == p->n || p->sim->store->clock_ms != 0)
		return;
	left = p->step[p->done].at_ms - sim_store_now(p->sim->store);
	tv = mono_timeval_ms(MAX(left, 0));
	(void)evtimer_add(p->timer, &tv);
}

static void
script_timer_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct sim_script *p = arg;

	assert(p->magic == SCRIPT_MAGIC);
	run_due(p);
	wait_next(p);
}

int
sim_script_advance(struct sim_script *p, int64_t ms, struct err *err)
{
	struct sim_store *s = p->sim->store;
	int64_t step;

	if (s->clock_ms == 0)
		return err_set(err, "the clock is the machine's: start with "
		    "--clock");
	if (ms < 0 || ms > ADVANCE_MAX_MS)
		return err_set(err, "advance_ms: a number from 0 to %d",
		    ADVANCE_MAX_MS);
	run_due(p);
	for (; ms > 0; ms -= step) {
		step = MIN(ms, STEP_MS);
		s->clock_ms += step;
		run_due(p);
		sim_life_step(p->sim->life, step);
	}
	return 0;
}

/* ---- loading ---- */

static int
step_compare(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

static int
check_step(json_t *doc, size_t number, struct err *err)
{
	const char *key;
	json_t *value;
	size_t i;

	if (!json_is_integer(json_object_get(doc, "at_ms")))
		return err_set(err, "step %zu: at_ms is missing", number);
	json_object_foreach(doc, key, value) {
		if (strcmp(key, "at_ms") == 0)
			continue;
		for (i = 0; i < NELEM(acts); i++)
			if (strcmp(acts[i].name, key) == 0)
				break;
		if (i == NELEM(acts) || !json_is_object(value))
			return err_set(err, "step %zu: no act \"%s\"", number,
			    key);
	}
	return 0;
}

void
sim_script_clear(struct sim_script *p)
{
	for (size_t i = 0; i < p->n; i++)
		json_decref(p->step[i].doc);
	free(p->step);
	p->step = NULL;
	p->n = p->done = 0;
	(void)json_array_clear(p->errors);
	(void)evtimer_del(p->timer);
}

int
sim_script_load(struct sim_script *p, json_t *doc, struct err *err)
{
	json_t *list = json_object_get(doc, "steps"), *item;
	int64_t begin = sim_store_now(p->sim->store);
	size_t i;

	if (!json_is_array(list) ||
	    json_array_size(list) > SIM_SCRIPT_STEPS_MAX)
		return err_set(err, "steps: a list of at most %u",
		    SIM_SCRIPT_STEPS_MAX);
	json_array_foreach(list, i, item)
		if (check_step(item, i, err) != 0)
			return -1;
	sim_script_clear(p);
	p->step = xcalloc(json_array_size(list) + 1, sizeof(*p->step));
	json_array_foreach(list, i, item)
		p->step[p->n++] = (struct step){ .number = i, .at_ms = begin +
		    json_integer_value(json_object_get(item, "at_ms")),
		    .doc = json_incref(item) };
	qsort(p->step, p->n, sizeof(*p->step), step_compare);
	if (p->sim->store->clock_ms == 0)
		run_due(p);
	wait_next(p);
	return 0;
}

json_t *
sim_script_show(const struct sim_script *p)
{
	return json_pack("{s:I, s:I, s:O}", "left",
	    (json_int_t)(p->n - p->done), "done", (json_int_t)p->done,
	    "errors", p->errors);
}

struct sim_script *
sim_script_new(struct sim *sim)
{
	struct sim_script *p = xcalloc(1, sizeof(*p));

	p->magic = SCRIPT_MAGIC;
	p->sim = sim;
	p->errors = json_array();
	p->timer = evtimer_new(sim->base, script_timer_cb, p);
	if (p->timer == NULL || p->errors == NULL)
		abort();
	return p;
}

void
sim_script_free(struct sim_script *p)
{
	if (p == NULL)
		return;
	sim_script_clear(p);
	event_free(p->timer);
	json_decref(p->errors);
	p->magic = 0;
	free(p);
}
