#include "watcher/cluster_objects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/kinds.h"
#include "watcher/status/rules.h"

#define OBJECTS_MAGIC 0x4f424a53u   /* "OBJS" */

struct cluster_objects {
	uint32_t		 magic;
	struct inventory	*inv;
	struct job_streams	*jobs;       /* or NULL */
	struct figures		*figures;
	cluster_objects_due_cb	 due;
	void			*arg;
	struct event		*tick;       /* statuses that time changes */
	int64_t			 tick_at;    /* what it is armed for; 0: not */
};

/* --- what time changes ---------------------------------------------------- */

static void
arm_tick(struct cluster_objects *o)
{
	int64_t due = inventory_due(o->inv);

	if (due == 0 || (o->tick_at != 0 && o->tick_at <= due))
		return;
	o->tick_at = due;
	timer_arm(o->tick, due - wall_unix_ms());
}

static void
cluster_objects_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct cluster_objects *o = arg;

	(void)fd;
	(void)what;
	assert(o->magic == OBJECTS_MAGIC);
	o->tick_at = 0;
	inventory_tick(o->inv, wall_unix_ms());
	arm_tick(o);
	o->due(o->arg);
}

/* --- what lists and watches tell ------------------------------------------ */

/* NULL: this kind's objects are no streams. */
static struct job_streams *
jobs_of(const struct cluster_objects *o, unsigned kind)
{
	return kinds[kind].rule == job_status ? o->jobs : NULL;
}

/* False: no room. */
static bool
tell_jobs(struct job_streams *jobs, enum kube_event_type type,
    const struct kube_object *object)
{
	if (type != KUBE_EVENT_DELETED)
		return job_streams_seen(jobs, object, wall_unix_ms());
	job_streams_deleted(jobs, object, wall_unix_ms());
	return true;
}

bool
cluster_objects_event(struct cluster_objects *o, unsigned kind,
    enum kube_event_type type, const struct kube_object *object)
{
	struct job_streams *jobs = jobs_of(o, kind);
	bool room = true;

	figures_event(o->figures, kind);
	if (type == KUBE_EVENT_DELETED)
		inventory_deleted(o->inv, kind, object, wall_unix_ms());
	else
		room = inventory_seen(o->inv, kind, object, wall_unix_ms());
	if (room && jobs != NULL)
		room = tell_jobs(jobs, type, object);
	arm_tick(o);
	return room;
}

uint32_t
cluster_objects_list_begin(struct cluster_objects *o, unsigned kind,
    struct slice namespace)
{
	struct job_streams *jobs = jobs_of(o, kind);
	uint32_t mark = inventory_list_begin(o->inv, kind, namespace);

	figures_list(o->figures, kind);
	if (jobs != NULL)
		job_streams_list_begin(jobs, namespace, mark);
	return mark;
}

void
cluster_objects_list_end(struct cluster_objects *o, unsigned kind,
    struct slice namespace, uint32_t mark)
{
	struct job_streams *jobs = jobs_of(o, kind);

	inventory_list_end(o->inv, kind, namespace, mark);
	if (jobs != NULL)
		job_streams_list_end(jobs, namespace, mark);
}

/* --- life ----------------------------------------------------------------- */

static struct job_streams *
make_jobs(const struct role *role)
{
	const struct conf *conf = &role->conf;
	size_t i = 0;

	while (i < conf->watch.n_kinds &&
	    strcmp(conf->watch.kinds[i], "job") != 0)
		i++;
	if (i < conf->watch.n_kinds)
		return job_streams_new(role->instance,
		    conf_stream(conf, STREAM_JOB)->snapshot_retention_ms,
		    conf->watch.max_objects);
	log_warn("watch.jobs_as_streams is set, but job is not among "
	    "watch.kinds: no Job becomes a stream until it is");
	return NULL;
}

struct cluster_objects *
cluster_objects_new(struct role *role, cluster_objects_due_cb due, void *arg)
{
	struct cluster_objects *o = xcalloc(1, sizeof(*o));

	o->magic = OBJECTS_MAGIC;
	o->due = due;
	o->arg = arg;
	o->inv = inventory_new(role->conf.watch.max_objects);
	if (role->conf.watch.jobs_as_streams)
		o->jobs = make_jobs(role);
	o->figures = figures_new(role, o->inv);
	o->tick = timer_new(role->base, cluster_objects_tick_cb, o);
	return o;
}

void
cluster_objects_free(struct cluster_objects *o)
{
	if (o == NULL)
		return;
	event_free(o->tick);
	figures_free(o->figures);
	job_streams_free(o->jobs);
	inventory_free(o->inv);
	o->magic = 0;
	free(o);
}

struct inventory *
cluster_objects_inventory(const struct cluster_objects *o)
{
	return o->inv;
}

struct figures *
cluster_objects_figures(const struct cluster_objects *o)
{
	return o->figures;
}

struct job_streams *
cluster_objects_jobs(const struct cluster_objects *o)
{
	return o->jobs;
}
