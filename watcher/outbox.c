#include "watcher/outbox.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/inv_object.h"
#include "watcher/payload.h"
#include "watcher/state_queue.h"
#include "watcher/store_ask.h"

#define OUTBOX_MAGIC 0x4f555442u   /* "OUTB" */
#define REFUSED_MS   60000         /* between two lines about refusals */

/* A group, of an object or a job stream, that is with the broker. */
struct sent {
	struct sent		*next, **link;
	struct outbox		*outbox;
	struct inv_object	*object;     /* or NULL */
	struct job_stream	*job;        /* or NULL */
	size_t			 n;          /* events */
	int64_t			 since_unix_ms;
	bool			 deletion;   /* one is among them */
};

struct outbox {
	uint32_t		 magic;
	struct role		*role;
	struct inventory	*inv;
	struct job_streams	*jobs;       /* or NULL */
	struct figures		*figures;
	struct publisher	*publisher;
	struct store_ask	*store;
	outbox_registered_cb	 registered;
	void			*arg;
	struct event		*flush;
	struct sent		*sent;
	struct state_queue	*states;
	uint64_t		 refused;    /* groups not told of yet */
	struct mono		 next_refused;
};

void
outbox_kick(struct outbox *o)
{
	event_active(o->flush, EV_TIMEOUT, 0);
}

/* --- to the broker -------------------------------------------------------- */

static void
sent_add(struct sent *s)
{
	s->link = &s->outbox->sent;
	s->next = *s->link;
	if (s->next != NULL)
		s->next->link = &s->next;
	*s->link = s;
}

static void
sent_free(struct sent *s)
{
	if (s->next != NULL)
		s->next->link = s->link;
	*s->link = s->next;
	free(s);
}

/* For the log, what the broker did not take: once in REFUSED_MS. */
static void
say_refused(struct outbox *o, enum record_code code)
{
	struct mono now = mono_now();

	o->refused++;
	if (mono_before(now, o->next_refused))
		return;
	o->next_refused = mono_add_ms(now, REFUSED_MS);
	if (code == RECORD_LIMIT)
		log_error("%" PRIu64 " changes are not published: a new "
		    "object needs a stream, and the broker has "
		    "journal.max_streams of them; raise it. Each object is "
		    "tried again when it changes", o->refused);
	else
		log_error("the broker refused %" PRIu64 " groups of events "
		    "with code %d, which a watcher's never get: the broker is "
		    "of another version; restart sluice as a whole",
		    o->refused, (int)code);
	o->refused = 0;
}

/* `deleted`: the object whose deletion was in it. */
static void
take_result(struct outbox *o, const struct publish_result *result,
    const struct inv_object *deleted)
{
	if (result->code == RECORD_APPENDED)
		store_ask_appended(o->store, result->last, deleted);
	else
		say_refused(o, result->code);
}

static void
outbox_object_result_cb(const struct publish_result *result, void *arg)
{
	struct sent *s = arg;
	struct outbox *o = s->outbox;
	struct inv_object *object = s->object;

	assert(o->magic == OUTBOX_MAGIC);
	take_result(o, result, s->deletion ? object : NULL);
	if (result->code == RECORD_APPENDED)
		figures_published(o->figures, object->kind, s->n,
		    s->since_unix_ms);
	sent_free(s);
	inventory_answered(o->inv, object, result->code == RECORD_APPENDED);
	outbox_kick(o);
}

static void
outbox_job_result_cb(const struct publish_result *result, void *arg)
{
	struct sent *s = arg;
	struct outbox *o = s->outbox;
	struct job_stream *job = s->job;

	assert(o->magic == OUTBOX_MAGIC);
	sent_free(s);
	if (result->code == RECORD_APPENDED)
		store_ask_appended(o->store, result->last, NULL);
	if (!job_streams_answered(o->jobs, job, result))
		say_refused(o, result->code);
	outbox_kick(o);
}

static void
outbox_state_result_cb(const struct publish_result *result, void *arg)
{
	struct outbox *o = arg;

	assert(o->magic == OUTBOX_MAGIC);
	take_result(o, result, NULL);
	outbox_kick(o);
}

/* The object's events as one atomic group; returns how many. */
static size_t
make_group(const struct outbox *o, const struct inv_object *object,
    struct payload *p)
{
	const char *cluster = o->role->instance;
	const struct inv_binding *b;
	int64_t now = wall_unix_ms();
	size_t n = 0;

	if (object->gone)
		payload_deleted(&p[n++], cluster, object, now);
	if (inv_object_differs(object))
		payload_status_update(&p[n++], cluster, object, now);
	for (b = object->bindings; b != NULL; b = b->next)
		if (inv_object_node_differs(object, b))
			payload_node_update(&p[n++], cluster, object, b, now);
	return n;
}

/* False: the publisher takes nothing more now. */
static bool
send_object(struct outbox *o, struct inv_object *object)
{
	struct payload p[INV_OBJECT_BINDINGS_MAX + 2];
	struct item items[INV_OBJECT_BINDINGS_MAX + 2];
	struct sent *s;
	size_t n, i;
	int rc;

	/* The store could not say what its stream shows. */
	if (store_ask_behind(o->store) && object->present && !object->stored)
		object->sync = true;
	n = make_group(o, object, p);
	for (i = 0; i < n; i++)
		items[i] = p[i].item;
	s = xcalloc(1, sizeof(*s));
	s->outbox = o;
	s->object = object;
	s->n = n;
	s->since_unix_ms = object->since_unix_ms;
	s->deletion = object->gone;
	rc = publisher_submit(o->publisher, items, n,
	    outbox_object_result_cb, s);
	for (i = 0; i < n; i++)
		payload_clear(&p[i]);
	if (rc < 0) {
		free(s);
		return false;
	}
	sent_add(s);
	inventory_sent(o->inv, object);
	return true;
}

/* Likewise: all that a job stream has to say, one after the other. */
static bool
send_job(struct outbox *o, struct job_stream *job)
{
	struct payload p[JOB_STEPS_MAX];
	struct item items[JOB_STEPS_MAX];
	struct job_step steps[JOB_STEPS_MAX];
	size_t n = job_streams_steps(job, steps), i;
	int64_t now = wall_unix_ms();
	struct sent *s;
	int rc;

	for (i = 0; i < n; i++) {
		payload_job_state(&p[i], o->role->instance, job,
		    &(struct payload_job_step){
			.from = i == 0 ? job->at : steps[i - 1],
			.to = steps[i], .guarded = i == 0, .last = i + 1 == n,
		    }, now);
		items[i] = p[i].item;
	}
	s = xcalloc(1, sizeof(*s));
	s->outbox = o;
	s->job = job;
	rc = publisher_submit(o->publisher, items, n, outbox_job_result_cb, s);
	for (i = 0; i < n; i++)
		payload_clear(&p[i]);
	if (rc < 0) {
		free(s);
		return false;
	}
	sent_add(s);
	job_streams_sent(o->jobs, job, steps, n);
	return true;
}

static struct job_stream *
first_job(struct outbox *o)
{
	return o->jobs == NULL ? NULL : job_streams_first(o->jobs);
}

static void
send_states(struct outbox *o)
{
	struct payload p;
	int rc;

	while (!state_queue_empty(o->states)) {
		state_queue_write(o->states, o->role->instance, &p);
		rc = publisher_submit(o->publisher, &p.item, 1,
		    outbox_state_result_cb, o);
		payload_clear(&p);
		if (rc < 0)
			return;
		state_queue_sent(o->states);
	}
}

/* Objects first: who reads "watching" may rely on their being there. */
static void
outbox_flush_cb(evutil_socket_t fd, short what, void *arg)
{
	struct outbox *o = arg;
	struct inv_object *object;
	struct job_stream *job;

	(void)fd;
	(void)what;
	assert(o->magic == OUTBOX_MAGIC);
	if (!store_ask_open(o->store))
		return;
	while ((object = inventory_first(o->inv)) != NULL)
		if (!send_object(o, object))
			return;
	while ((job = first_job(o)) != NULL)
		if (!send_job(o, job))
			return;
	/* Nor may the store take them for the end of what it asked for. */
	if (!store_ask_holding(o->store))
		send_states(o);
}

/* --- life ----------------------------------------------------------------- */

static void
outbox_moved_cb(void *arg)
{
	struct outbox *o = arg;

	assert(o->magic == OUTBOX_MAGIC);
	outbox_kick(o);
}

static void
outbox_ready_cb(struct position tip, void *arg)
{
	struct outbox *o = arg;

	assert(o->magic == OUTBOX_MAGIC);
	if (store_ask_start(o->store, tip))
		o->registered(o->arg);
}

static void
outbox_fenced_cb(void *arg)
{
	struct outbox *o = arg;

	assert(o->magic == OUTBOX_MAGIC);
	log_warn("a newer watcher of this cluster is at work: leaving");
	role_exit(o->role);
}

struct outbox *
outbox_new(struct role *role, struct inventory *inv,
    struct job_streams *jobs, struct figures *figures,
    outbox_registered_cb registered, void *arg, struct err *err)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	char *bus = conf_bus_directory(&role->conf);

	o->magic = OUTBOX_MAGIC;
	o->role = role;
	o->inv = inv;
	o->jobs = jobs;
	o->figures = figures;
	o->registered = registered;
	o->arg = arg;
	o->states = state_queue_new();
	o->flush = timer_new(role->base, outbox_flush_cb, o);
	o->store = store_ask_new(role, inv, jobs, outbox_moved_cb, o, err);
	if (o->store != NULL)
		o->publisher = publisher_new(role->base, bus, role->title,
		    role->incarnation, OUTBOX_BYTES_MAX, outbox_ready_cb,
		    outbox_fenced_cb, o, err);
	free(bus);
	if (o->publisher == NULL) {
		outbox_free(o);
		return NULL;
	}
	return o;
}

void
outbox_free(struct outbox *o)
{
	if (o == NULL)
		return;
	store_ask_free(o->store);
	if (o->publisher != NULL)
		publisher_free(o->publisher);
	for (struct sent *s = o->sent, *next; s != NULL; s = next) {
		next = s->next;
		sent_free(s);
	}
	state_queue_free(o->states);
	event_free(o->flush);
	o->magic = 0;
	free(o);
}

void
outbox_watcher_state(struct outbox *o, const struct kind_watch_view *view)
{
	state_queue_push(o->states, view,
	    inventory_counts(o->inv)->objects[view->kind], wall_unix_ms());
	outbox_kick(o);
}

void
outbox_bindings_changed(struct outbox *o)
{
	store_ask_bindings(o->store);
}

/* What the store holds of objects that are gone becomes deletions: it may have
 * missed those this inventory has long let go. */
void
outbox_resync(struct outbox *o)
{
	inventory_sync_all(o->inv);
	store_ask_compare(o->store);
	outbox_kick(o);
}

const char *
outbox_trouble(const struct outbox *o)
{
	return store_ask_trouble(o->store);
}

bool
outbox_idle(struct outbox *o)
{
	return publisher_pending(o->publisher) == 0 &&
	    state_queue_empty(o->states) &&
	    inventory_first(o->inv) == NULL && first_job(o) == NULL;
}
