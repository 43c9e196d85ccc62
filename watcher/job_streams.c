#include "watcher/job_streams.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "watcher/inv_listed.h"
#include "watcher/inv_object.h"
#include "watcher/job_stored.h"

struct job_streams {
	struct job_table	 table;
	struct job_stream	*first;      /* with something to say */
	struct job_stream	**last;
	size_t			 n_counted;
	size_t			 n_silent;   /* of these */
	size_t			 max;        /* others of these; 0: any */
	struct inv_listed	 listed;     /* of the one kind, 0 */
	uint32_t		 mark;
	int64_t			 old_ms;
	char			*cluster;
};

/* --- life ----------------------------------------------------------------- */

struct job_streams *
job_streams_new(const char *cluster, int64_t retention_ms, size_t max)
{
	struct job_streams *j = xcalloc(1, sizeof(*j));

	job_table_init(&j->table);
	j->cluster = xstrdup(cluster);
	j->last = &j->first;
	j->old_ms = MAX(retention_ms, JOB_STREAMS_OLD_MS);
	j->max = max;
	return j;
}

void
job_streams_free(struct job_streams *j)
{
	if (j == NULL)
		return;
	job_table_clear(&j->table);
	inv_listed_clear(&j->listed);
	free(j->cluster);
	free(j);
}

size_t
job_streams_known(const struct job_streams *j)
{
	return j->table.n;
}

static bool
ended(const struct job_stream *s)
{
	return lifecycle_final(LIFECYCLE_OF_JOB, s->at.state);
}

/* Frees one that nobody needs any more, and no other. */
static void
release(struct job_streams *j, struct job_stream *s)
{
	if (s->present || s->dirty || s->in_flight ||
	    (!s->settled && s->at.state != LIFECYCLE_NONE && !ended(s)))
		return;
	j->n_counted -= s->counted;
	job_table_remove(&j->table, s);
}

/* --- what is to be said --------------------------------------------------- */

size_t
job_streams_steps(const struct job_stream *s,
    struct job_step ret[JOB_STEPS_MAX])
{
	/* One that no stream ever showed leaves without a word. */
	if (s->settled || s->state == LIFECYCLE_NONE ||
	    (!s->present && s->at.state == LIFECYCLE_NONE))
		return 0;
	return job_facts_path(s->at, s->state, s->failed - s->unsaid, ret);
}

static bool
needs(const struct job_stream *s)
{
	struct job_step steps[JOB_STEPS_MAX];

	return job_streams_steps(s, steps) > 0;
}

static void
unqueue(struct job_streams *j, struct job_stream *s)
{
	*s->link_dirty = s->next_dirty;
	if (s->next_dirty != NULL)
		s->next_dirty->link_dirty = s->link_dirty;
	else
		j->last = s->link_dirty;
	j->n_silent -= s->silent;
	s->dirty = s->silent = false;
}

static void
touch(struct job_streams *j, struct job_stream *s)
{
	if (s->in_flight || !needs(s))
		return;
	j->n_silent -= s->silent;
	s->silent = false;
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = NULL;
	s->link_dirty = j->last;
	*j->last = s;
	j->last = &s->next_dirty;
}

/* Of one that is gone, waits, and was never shown: the store may yet tell that
 * it was. With too many of them it leaves the queue, and can be released. */
static void
hush(struct job_streams *j, struct job_stream *s)
{
	if (!s->dirty || s->silent || s->at.state != LIFECYCLE_NONE)
		return;
	s->silent = true;
	if (j->n_silent++ == JOB_STREAMS_SILENT_MAX)
		unqueue(j, s);
}

struct job_stream *
job_streams_first(struct job_streams *j)
{
	struct job_stream *s;

	while ((s = j->first) != NULL && !needs(s)) {
		unqueue(j, s);
		release(j, s);
	}
	return s;
}

void
job_streams_sent(struct job_streams *j, struct job_stream *s,
    const struct job_step *steps, size_t n)
{
	unqueue(j, s);
	s->in_flight = true;
	s->was = s->at;
	s->at = steps[n - 1];
	s->unsaid = s->failed + 1 > s->at.attempt ?
	    s->failed + 1 - s->at.attempt : 0;
}

/* An earlier Job has its name. */
static void
take_suffix(struct job_stream *s)
{
	s->suffixed = true;
	s->at = (struct job_step){ LIFECYCLE_NONE, 0 };
	s->guard = (struct position){ 0, 0 };
}

/* Whether an end that this watcher did not know of is that of the Job itself.
 * The mark says so, unless somebody else published it, or a watcher of before
 * there were marks: then it is that of an earlier Job of the same name, but not
 * if this one is over, too. */
static bool
is_own_end(const struct job_stream *s, enum job_whose whose)
{
	return whose == JOB_WHOSE_OWN || s->was.state != LIFECYCLE_NONE ||
	    lifecycle_final(LIFECYCLE_OF_JOB, s->state);
}

/* Something else stands in the stream than what this watcher knew of: it goes
 * on from there, unless that is another Job's. */
static void
adopt(struct job_stream *s, const struct publish_result *result)
{
	enum job_whose whose = job_name_whose(s->uid, result->body);

	s->at = (struct job_step){ (enum lifecycle_state)(result->state &
	    ~LIFECYCLE_LOGS_OPEN), result->attempt };
	s->guard = result->position;
	if (whose == JOB_WHOSE_EARLIER && !s->suffixed)
		take_suffix(s);
	else if (ended(s) && (s->suffixed || is_own_end(s, whose)))
		s->settled = true;
	else if (ended(s))
		take_suffix(s);
}

/* False: there is nothing to go on with now. */
static bool
lose(struct job_stream *s, const struct publish_result *result)
{
	adopt(s, result);
	return ++s->losses < JOB_STREAMS_LOSSES_MAX;
}

/* The Job has changed since that was sent. */
static bool
wants_other(const struct job_stream *s, struct job_step sent)
{
	struct job_step steps[JOB_STEPS_MAX];
	size_t n = job_streams_steps(s, steps);

	return n > 0 && (steps[n - 1].state != sent.state ||
	    steps[n - 1].attempt != sent.attempt);
}

bool
job_streams_answered(struct job_streams *j, struct job_stream *s,
    const struct publish_result *result)
{
	bool taken = result->code == RECORD_APPENDED;
	bool lost = result->code == RECORD_GUARD_LOST ||
	    result->code == RECORD_ENDED;
	struct job_step sent = s->at;
	bool more = taken;

	s->in_flight = false;
	if (taken) {
		s->guard = result->last;
		s->losses = 0;
	} else if (lost) {
		more = lose(s, result);
	} else {
		s->at = s->was;
		more = wants_other(s, sent);
	}
	/* The same again would be refused again, and again; and what is gone
	 * does not change. */
	s->settled |= !more && !s->present;
	if (more)
		touch(j, s);
	release(j, s);
	return taken || lost;
}

/* --- what the cluster says ------------------------------------------------ */

static void
set_text(char **to, const char *text)
{
	free(*to);
	*to = text[0] != '\0' ? xstrdup(text) : NULL;
}

static void
take_facts(struct job_stream *s, const struct kube_object *object,
    int64_t now, int64_t old_ms)
{
	bool first = s->state == LIFECYCLE_NONE && s->at.state ==
	    LIFECYCLE_NONE;
	struct job_facts f;

	job_facts_read(object, &f);
	s->state = f.state;
	s->failed = f.failed;
	s->unsaid = MIN(s->unsaid, f.failed);
	s->max_attempts = f.max_attempts;
	s->created_unix_ms = f.created_unix_ms;
	if (f.started_unix_ms != 0)
		s->started_unix_ms = f.started_unix_ms;
	s->finished_unix_ms = f.finished_unix_ms;
	s->losses = 0;
	set_text(&s->reason, f.text.reason);
	set_text(&s->message, f.text.message);
	if (first && f.finished_unix_ms != 0 &&
	    now - f.finished_unix_ms > old_ms)
		s->settled = true;
}

/* What is there already has its room. */
static bool
has_room(const struct job_streams *j, const char *path,
    const uint8_t uid[JOB_UID_SIZE])
{
	return j->max == 0 || j->n_counted - j->n_silent < j->max ||
	    job_table_find(&j->table, path, uid) != NULL;
}

/* NULL: it has no room, or (*ret_room) no key has room for its name. */
static struct job_stream *
entry_of(struct job_streams *j, const struct kube_object *object,
    bool *ret_room)
{
	uint8_t uid[JOB_UID_SIZE] = { 0 };
	struct job_stream *s = NULL;
	char *path;

	*ret_room = true;
	if (!job_name_fits(j->cluster, object->namespace, object->name))
		return NULL;
	/* Of a uid that is none this is a hash, no other Job's either. */
	(void)inv_object_uid(object->uid, uid);
	path = xasprintf("%.*s/%.*s", (int)object->namespace.n,
	    object->namespace.p, (int)object->name.n, object->name.p);
	*ret_room = has_room(j, path, uid);
	if (*ret_room)
		s = job_table_entry(&j->table, path, object->namespace.n, uid);
	free(path);
	return s;
}

/* The Job is gone. */
static void
vanish(struct job_streams *j, struct job_stream *s, const char *message)
{
	s->present = false;
	if (!lifecycle_final(LIFECYCLE_OF_JOB, s->state)) {
		s->state = LIFECYCLE_CANCELED;
		set_text(&s->reason, "Deleted");
		set_text(&s->message, message);
	}
	touch(j, s);
	hush(j, s);
	release(j, s);
}

/* Others of that name are no more. */
static void
vanish_earlier(struct job_streams *j, const struct job_stream *now)
{
	struct job_stream *s, *next;

	for (s = job_table_named(&j->table, now->path); s != NULL; s = next) {
		next = job_table_named_next(s);
		if (s != now && s->present)
			vanish(j, s, "the job was deleted and another of its "
			    "name created; how it ended was not seen");
	}
}

bool
job_streams_seen(struct job_streams *j, const struct kube_object *object,
    int64_t now_unix_ms)
{
	bool room;
	struct job_stream *s = entry_of(j, object, &room);

	if (s == NULL)
		return room;
	j->n_counted += !s->counted;
	s->counted = s->present = true;
	s->mark = j->mark;
	take_facts(s, object, now_unix_ms, j->old_ms);
	vanish_earlier(j, s);
	touch(j, s);
	return true;
}

void
job_streams_deleted(struct job_streams *j, const struct kube_object *object,
    int64_t now_unix_ms)
{
	bool room;
	struct job_stream *s = entry_of(j, object, &room);

	if (s == NULL)
		return;
	/* Not the one that was known: nothing to say. */
	if (s->present) {
		take_facts(s, object, now_unix_ms, j->old_ms);
		vanish(j, s, "the job was deleted");
	} else {
		release(j, s);
	}
}

static struct slice
namespace_of(const struct job_stream *s)
{
	return (struct slice){ s->path, s->namespace_len };
}

/* After a whole list: what it did not name, and what the store told of and no
 * list named, is gone. */
static void
sweep(struct job_streams *j, struct slice namespace, uint32_t mark)
{
	struct job_table_cursor c = { 0 };
	struct job_stream *s;

	while ((s = job_table_next(&j->table, &c)) != NULL) {
		if (namespace.p != NULL &&
		    !slice_eq(namespace_of(s), namespace))
			continue;
		/* As in the inventory: marks may go round. */
		if (!s->present || s->mark - mark > UINT32_MAX / 2)
			vanish(j, s, "the job is gone; how it ended was not "
			    "seen");
	}
}

void
job_streams_list_begin(struct job_streams *j, struct slice namespace,
    uint32_t mark)
{
	j->mark = mark;
	inv_listed_begin(&j->listed, 0, namespace);
}

void
job_streams_list_end(struct job_streams *j, struct slice namespace,
    uint32_t mark)
{
	inv_listed_end(&j->listed, 0, namespace);
	sweep(j, namespace, mark);
}

/* --- what the store says -------------------------------------------------- */

/* What this watcher said itself is newer. */
static void
take_stored(struct job_streams *j, struct job_stream *s,
    const struct job_step *stored, struct position at, bool suffixed)
{
	if (s->at.state == LIFECYCLE_NONE && !s->in_flight) {
		s->at = *stored;
		s->guard = at;
		s->suffixed = suffixed;
		s->settled = ended(s);
	}
	if (!s->present && inv_listed_at_rest(&j->listed, 0, namespace_of(s)))
		vanish(j, s, "the job is gone; how it ended was not seen");
	else
		touch(j, s);
}

/* Jobs that were listed before the store said that their name is taken. */
static void
suffix_others(struct job_streams *j, const struct job_stream *s)
{
	struct job_stream *o = job_table_named(&j->table, s->path);

	for (; o != NULL; o = job_table_named_next(o))
		if (o != s && o->at.state == LIFECYCLE_NONE && !o->in_flight)
			o->suffixed = true;
}

void
job_streams_stored(struct job_streams *j, const struct item *item)
{
	struct job_step stored;
	uint8_t uid[JOB_UID_SIZE] = { 0 };
	size_t namespace_len;
	struct job_stream *s;
	bool suffixed;
	char *path;

	if (!job_stored_read(item, &stored, uid))
		return;
	path = job_name_path(item->key, j->cluster, uid, &namespace_len,
	    &suffixed);
	if (path == NULL)
		return;
	s = job_table_entry(&j->table, path, namespace_len, uid);
	suffix_others(j, s);
	take_stored(j, s, &stored, item->position, suffixed);
	free(path);
}
