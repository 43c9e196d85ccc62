#include "tests/kubesim/sim_bulk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_watch.h"

#define BULK_MAGIC     0xc0274b01u
#define SLICE          200u        /* changes per turn of the loop */
#define STALL_SLICE    8u          /* ... while a reader has stopped */
#define CHANGE_TICK_MS 1
#define FILLER_MAX     (64 * 1024 * 1024)
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
	int64_t		size;           /* of their filler; < 0: as it is */
	double		rate;           /* per second; 0: full speed */
	double		allowance;
	size_t		at;             /* next object of the kind */
	struct mono	last;
	struct mono	moved;
};

struct sim_bulk {
	unsigned	 magic;
	struct sim	*sim;
	struct job	 job;
	struct event	*tick;
};

static struct sim_object *
job_object(struct sim_bulk *k)
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
job_step(struct sim_bulk *k)
{
	struct sim_object *o = job_object(k);
	struct job *j = &k->job;

	if (o == NULL) {             /* all are gone: nothing left to change */
		j->left = 0;
		return;
	}
	sim_kinds_row(o->kind)->touch(&o->st);
	if (j->size >= 0)
		o->st.filler = (uint32_t)j->size;
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
job_slice(struct sim_bulk *k, struct mono now)
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
	struct sim_bulk *k = arg;
	struct job *j = &k->job;
	struct mono now = mono_now();

	assert(k->magic == BULK_MAGIC);
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

static int
job_parse(struct job *j, json_t *doc, struct err *err)
{
	const char *kind = "pod", *ns = "", *name = "";
	json_int_t count = 0, size = -1;
	double rate = 0;
	json_error_t why;
	int k;

	if (json_unpack_ex(doc, &why, JSON_STRICT, "{s?s, s:I, s?F, s?s, s?s,"
	    " s?I}", "kind", &kind, "count", &count, "rate", &rate, "ns", &ns,
	    "name", &name, "size", &size) != 0)
		return err_set(err, "change: %s", why.text);
	k = sim_kinds_by_name(kind);
	if (k < 0 || sim_kinds_row((enum sim_kind)k)->touch == NULL)
		return err_set(err, "change: kind %s has no status to change",
		    kind);
	if (count < 0 || rate < 0 || size > FILLER_MAX ||
	    strlen(ns) > SIM_NAME_MAX || strlen(name) > SIM_NAME_MAX)
		return err_set(err, "change: count, rate, size or a name is "
		    "out of range");
	*j = (struct job){ .kind = (enum sim_kind)k, .left = (uint64_t)count,
	    .size = size, .rate = rate, .last = mono_now(),
	    .moved = mono_now() };
	memcpy(j->ns, ns, strlen(ns) + 1);
	memcpy(j->name, name, strlen(name) + 1);
	return 0;
}

bool
sim_bulk_busy(const struct sim_bulk *k)
{
	return k->job.left != 0;
}

int
sim_bulk_start(struct sim_bulk *k, json_t *doc, struct err *err)
{
	if (job_parse(&k->job, doc, err) != 0)
		return -1;
	change_tick_cb(-1, 0, k);
	return 0;
}

int
sim_bulk_now(struct sim_bulk *k, json_t *doc, struct err *err)
{
	if (sim_bulk_busy(k))
		return err_set(err, "a bulk change is under way");
	if (job_parse(&k->job, doc, err) != 0)
		return -1;
	while (k->job.left != 0)
		job_step(k);
	return 0;
}

json_t *
sim_bulk_show(const struct sim_bulk *k)
{
	const struct job *j = &k->job;

	return json_pack("{s:I, s:I, s:I, s:I}", "left", (json_int_t)j->left,
	    "done", (json_int_t)j->done, "first_rv", (json_int_t)j->first_rv,
	    "last_rv", (json_int_t)j->last_rv);
}

struct sim_bulk *
sim_bulk_new(struct sim *sim)
{
	struct sim_bulk *k = xcalloc(1, sizeof(*k));

	k->magic = BULK_MAGIC;
	k->sim = sim;
	k->tick = evtimer_new(sim->base, change_tick_cb, k);
	if (k->tick == NULL)
		abort();
	return k;
}

void
sim_bulk_free(struct sim_bulk *k)
{
	if (k == NULL)
		return;
	event_free(k->tick);
	k->magic = 0;
	free(k);
}
