#include "watcher/job_streams.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/sip.h"
#include "common/xmalloc.h"
#include "watcher/inv_listed.h"
#include "watcher/inv_object.h"
#include "watcher/json_scan.h"

#define BUCKETS_MIN 64u
#define SUFFIX_LEN  8u    /* digits of the uid */

struct job_streams {
	struct job_stream	**buckets;   /* by path */
	size_t			  n_buckets; /* a power of two */
	size_t			  n;
	struct job_stream	 *first;     /* with something to say */
	struct job_stream	**last;
	struct inv_listed	  listed;    /* of the one kind, 0 */
	struct sip_key		  key;
	uint32_t		  mark;
	char			 *cluster;
};

/* --- the entries ---------------------------------------------------------- */

struct job_streams *
job_streams_new(const char *cluster)
{
	struct job_streams *j = xcalloc(1, sizeof(*j));

	j->cluster = xstrdup(cluster);
	j->n_buckets = BUCKETS_MIN;
	j->buckets = xcalloc(j->n_buckets, sizeof(struct job_stream *));
	j->last = &j->first;
	sip_key_random(&j->key);
	return j;
}

static void
stream_free(struct job_stream *s)
{
	free(s->reason);
	free(s->message);
	free(s);
}

void
job_streams_free(struct job_streams *j)
{
	struct job_stream *s;

	if (j == NULL)
		return;
	for (size_t i = 0; i < j->n_buckets; i++)
		while ((s = j->buckets[i]) != NULL) {
			j->buckets[i] = s->next;
			stream_free(s);
		}
	free(j->buckets);
	inv_listed_clear(&j->listed);
	free(j->cluster);
	free(j);
}

static struct job_stream **
bucket_of(const struct job_streams *j, const char *path)
{
	return &j->buckets[sip_hash(&j->key, slice_str(path)) &
	    (j->n_buckets - 1)];
}

static void
grow(struct job_streams *j)
{
	struct job_stream **old = j->buckets, *s, **to;
	size_t n = j->n_buckets;

	j->n_buckets *= 2;
	j->buckets = xcalloc(j->n_buckets, sizeof(struct job_stream *));
	for (size_t i = 0; i < n; i++)
		while ((s = old[i]) != NULL) {
			old[i] = s->next;
			to = bucket_of(j, s->path);
			s->next = *to;
			*to = s;
		}
	free(old);
}

/* Finds the stream of that Job, or makes it, empty. Another of the same name
 * has its key already. */
static struct job_stream *
entry(struct job_streams *j, const char *path, size_t namespace_len,
    const uint8_t uid[16])
{
	struct job_stream **bucket = bucket_of(j, path), *s;
	size_t n = strlen(path);
	bool taken = false;

	for (s = *bucket; s != NULL; s = s->next) {
		if (strcmp(s->path, path) != 0)
			continue;
		if (memcmp(s->uid, uid, sizeof(s->uid)) == 0)
			return s;
		taken = true;
	}
	if (j->n >= j->n_buckets) {
		grow(j);
		bucket = bucket_of(j, path);
	}
	s = xcalloc(1, sizeof(*s) + n + 1);
	memcpy(s->path, path, n + 1);
	memcpy(s->uid, uid, sizeof(s->uid));
	s->namespace_len = (uint16_t)namespace_len;
	s->suffixed = taken;
	s->next = *bucket;
	*bucket = s;
	j->n++;
	return s;
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
	struct job_stream **link;

	if (s->present || s->dirty || s->in_flight ||
	    (!s->settled && s->at.state != LIFECYCLE_NONE && !ended(s)))
		return;
	for (link = bucket_of(j, s->path); *link != s; link = &(*link)->next)
		;
	*link = s->next;
	j->n--;
	stream_free(s);
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
touch(struct job_streams *j, struct job_stream *s)
{
	if (s->dirty || s->in_flight || !needs(s))
		return;
	s->dirty = true;
	s->next_dirty = NULL;
	*j->last = s;
	j->last = &s->next_dirty;
}

static void
unqueue(struct job_streams *j)
{
	struct job_stream *s = j->first;

	j->first = s->next_dirty;
	if (j->first == NULL)
		j->last = &j->first;
	s->dirty = false;
}

struct job_stream *
job_streams_first(struct job_streams *j)
{
	struct job_stream *s;

	while ((s = j->first) != NULL && !needs(s)) {
		unqueue(j);
		release(j, s);
	}
	return s;
}

void
job_streams_sent(struct job_streams *j, struct job_stream *s,
    const struct job_step *steps, size_t n)
{
	unqueue(j);
	s->in_flight = true;
	s->was = s->at;
	s->at = steps[n - 1];
	s->unsaid = s->failed + 1 > s->at.attempt ?
	    s->failed + 1 - s->at.attempt : 0;
}

/* Something else stands in the stream than what this watcher knew of: it goes
 * on from there. An end that it knew nothing of is that of an earlier Job of
 * the same name, unless this one is over, too: then it may be its own. */
static void
adopt(struct job_stream *s, const struct publish_result *result)
{
	s->at = (struct job_step){ (enum lifecycle_state)(result->state &
	    ~LIFECYCLE_LOGS_OPEN), result->attempt };
	s->guard = result->position;
	if (!ended(s))
		return;
	s->settled = s->suffixed || s->was.state != LIFECYCLE_NONE ||
	    lifecycle_final(LIFECYCLE_OF_JOB, s->state);
	if (s->settled)
		return;
	s->suffixed = true;
	s->at = (struct job_step){ LIFECYCLE_NONE, 0 };
	s->guard = (struct position){ 0, 0 };
}

bool
job_streams_answered(struct job_streams *j, struct job_stream *s,
    const struct publish_result *result)
{
	bool taken = result->code == RECORD_APPENDED;
	bool lost = result->code == RECORD_GUARD_LOST ||
	    result->code == RECORD_ENDED;

	s->in_flight = false;
	if (taken)
		s->guard = result->last;
	else if (lost)
		adopt(s, result);
	else
		s->at = s->was;
	s->settled |= !taken && !lost && !s->present;
	/* The same again would be refused again, and again. */
	if (taken || lost)
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
    int64_t now)
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
	set_text(&s->reason, f.text.reason);
	set_text(&s->message, f.text.message);
	if (first && f.finished_unix_ms != 0 &&
	    now - f.finished_unix_ms > JOB_STREAMS_OLD_MS)
		s->settled = true;
}

static struct job_stream *
entry_of(struct job_streams *j, const struct kube_object *object)
{
	uint8_t uid[16] = { 0 };
	struct job_stream *s;
	char *path;

	/* A key has no room for it. */
	if (strlen(j->cluster) + object->namespace.n + object->name.n + 3 +
	    SUFFIX_LEN > EVENT_NAME_MAX)
		return NULL;
	(void)inv_object_uid(object->uid, uid);
	path = xasprintf("%.*s/%.*s", (int)object->namespace.n,
	    object->namespace.p, (int)object->name.n, object->name.p);
	s = entry(j, path, object->namespace.n, uid);
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
	release(j, s);
}

/* Others of that name are no more. */
static void
vanish_earlier(struct job_streams *j, const struct job_stream *now)
{
	struct job_stream *s, *next;

	for (s = *bucket_of(j, now->path); s != NULL; s = next) {
		next = s->next;
		if (s != now && s->present && strcmp(s->path, now->path) == 0)
			vanish(j, s, "the job was deleted and another of its "
			    "name created; how it ended was not seen");
	}
}

void
job_streams_seen(struct job_streams *j, const struct kube_object *object,
    int64_t now_unix_ms)
{
	struct job_stream *s = entry_of(j, object);

	if (s == NULL)
		return;
	s->present = true;
	s->mark = j->mark;
	take_facts(s, object, now_unix_ms);
	vanish_earlier(j, s);
	touch(j, s);
}

void
job_streams_deleted(struct job_streams *j, const struct kube_object *object,
    int64_t now_unix_ms)
{
	struct job_stream *s = entry_of(j, object);

	if (s == NULL)
		return;
	/* Not the one that was known: nothing to say. */
	if (s->present) {
		take_facts(s, object, now_unix_ms);
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
	struct job_stream *s, *next;

	for (size_t i = 0; i < j->n_buckets; i++)
		for (s = j->buckets[i]; s != NULL; s = next) {
			next = s->next;
			if (namespace.p != NULL &&
			    !slice_eq(namespace_of(s), namespace))
				continue;
			/* As in the inventory: marks may go round. */
			if (!s->present || s->mark - mark > UINT32_MAX / 2)
				vanish(j, s, "the job is gone; how it ended "
				    "was not seen");
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

/* "<namespace>/<name>" of a key of this cluster's, perhaps with the suffix of
 * that uid; NULL: it is none. */
static char *
path_of(const struct job_streams *j, struct slice key, const char *uid,
    size_t *ret_namespace_len, bool *ret_suffixed)
{
	size_t skip = strlen("job:") + strlen(j->cluster) + 1;
	const char *slash, *colon;
	struct slice path;

	if (key.n <= skip || memcmp(key.p + 4, j->cluster, skip - 5) != 0 ||
	    key.p[skip - 1] != '/')
		return NULL;
	path = (struct slice){ key.p + skip, key.n - skip };
	slash = memchr(path.p, '/', path.n);
	if (slash == NULL)
		return NULL;
	colon = memchr(path.p, ':', path.n);
	*ret_suffixed = colon != NULL;
	if (colon != NULL) {
		if (path.n - (size_t)(colon - path.p) != SUFFIX_LEN + 1 ||
		    memcmp(colon + 1, uid, SUFFIX_LEN) != 0)
			return NULL;
		path.n = (size_t)(colon - path.p);
	}
	*ret_namespace_len = (size_t)(slash - path.p);
	return slice_dup(path);
}

struct stored {
	struct slice	uid;      /* as text */
	struct job_step	at;
};

static bool
read_stored(struct slice event, struct stored *ret)
{
	enum { S_UID, S_STATE, S_ATTEMPT, S_MAX };
	static const struct json_want want_data[] = {
		{ "state", S_STATE, NULL, 0 },
		{ "attempt", S_ATTEMPT, NULL, 0 },
	};
	static const struct json_want want[] = {
		{ "correlation_id", S_UID, NULL, 0 },
		{ "data", -1, want_data, NELEM(want_data) },
	};
	struct slice v[S_MAX];
	int64_t attempt;

	if (!json_scan(event, want, NELEM(want), v, S_MAX))
		return false;
	ret->uid = json_scan_text(v[S_UID]);
	ret->at.state = lifecycle_state_of(LIFECYCLE_OF_JOB,
	    json_scan_text(v[S_STATE]));
	attempt = json_scan_int(v[S_ATTEMPT], 0);
	ret->at.attempt = (uint32_t)attempt;
	return ret->uid.n == JOB_UID_TEXT - 1 &&
	    ret->at.state != LIFECYCLE_NONE && attempt > 0 &&
	    attempt <= LIFECYCLE_ATTEMPT_MAX;
}

/* What this watcher said itself is newer. */
static void
take_stored(struct job_streams *j, struct job_stream *s,
    const struct stored *stored, struct position at, bool suffixed)
{
	if (s->at.state == LIFECYCLE_NONE && !s->in_flight) {
		s->at = stored->at;
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
	struct job_stream *o;

	for (o = *bucket_of(j, s->path); o != NULL; o = o->next)
		if (o != s && o->at.state == LIFECYCLE_NONE && !o->in_flight &&
		    strcmp(o->path, s->path) == 0)
			o->suffixed = true;
}

void
job_streams_stored(struct job_streams *j, const struct item *item)
{
	struct buf event = BUF_EMPTY;
	struct stored stored;
	uint8_t uid[16] = { 0 };
	size_t namespace_len;
	struct job_stream *s;
	bool suffixed;
	char *path;

	if (!slice_is(item->event_type, "job.state_changed"))
		return;
	buf_addc(&event, '{');
	buf_add(&event, item->frame.p, item->frame.n);
	if (read_stored((struct slice){ (const char *)event.data, event.len },
	    &stored) && inv_object_uid(stored.uid, uid) &&
	    (path = path_of(j, item->key, stored.uid.p, &namespace_len,
	    &suffixed)) != NULL) {
		s = entry(j, path, namespace_len, uid);
		suffix_others(j, s);
		take_stored(j, s, &stored, item->position, suffixed);
		free(path);
	}
	buf_free(&event);
}

/* --- how it is called ----------------------------------------------------- */

void
job_streams_uid(const struct job_stream *s, char ret[JOB_UID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < sizeof(s->uid); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[n++] = '-';
		ret[n++] = digits[s->uid[i] >> 4];
		ret[n++] = digits[s->uid[i] & 15];
	}
	ret[n] = '\0';
}

void
job_streams_name(struct buf *b, const char *cluster,
    const struct job_stream *s)
{
	char uid[JOB_UID_TEXT];

	buf_addf(b, "%s/%s", cluster, s->path);
	if (!s->suffixed)
		return;
	job_streams_uid(s, uid);
	buf_addf(b, ":%.*s", (int)SUFFIX_LEN, uid);
}
