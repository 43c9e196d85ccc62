#include "watcher/payload.h"

#include <inttypes.h>
#include <string.h>

#include "common/mono.h"
#include "watcher/inv_object.h"
#include "watcher/watch_words.h"

void
payload_clear(struct payload *p)
{
	buf_free(&p->key);
	buf_free(&p->frame);
	memset(&p->item, 0, sizeof(p->item));
}

/* --- the envelope --------------------------------------------------------- */

static void
add_text(struct buf *b, const char *name, struct slice text)
{
	buf_addc(b, ',');
	buf_json_member(b, name, text);
}

struct envelope {
	const char	*type;
	const char	*event_type;
	const char	*cluster;
	struct slice	 subject;      /* may be none */
	const char	*correlation;  /* NULL: none */
	int64_t		 now;
	bool		 terminal;
};

/* Up to and with the brace that opens data. The key is in p->key. */
static void
begin(struct payload *p, const struct envelope *e)
{
	char when[MONO_RFC3339_SIZE];
	struct buf *f = &p->frame;

	buf_addf(f, "\"type\":\"%s\"", e->type);
	add_text(f, "stream_key", (struct slice){ (const char *)p->key.data,
	    p->key.len });
	buf_addf(f, ",\"event_type\":\"%s\",\"timestamp\":\"%s\","
	    "\"source\":\"/watcher/%s\"", e->event_type,
	    wall_format(e->now, when), e->cluster);
	if (e->subject.n > 0)
		add_text(f, "subject", e->subject);
	buf_adds(f, ",\"version\":1");
	if (e->correlation != NULL)
		add_text(f, "correlation_id", slice_str(e->correlation));
	buf_addf(f, ",\"terminal\":%s,\"data\":",
	    e->terminal ? "true" : "false");
	p->item.data_off = (uint32_t)f->len;
	p->item.event_type = slice_str(e->event_type);
	p->item.subject = e->subject;
	buf_addc(f, '{');
}

static void
finish(struct payload *p, struct slice tenant)
{
	buf_adds(&p->frame, "}}");
	p->item.tenant = tenant;
	p->item.key = (struct slice){ (const char *)p->key.data, p->key.len };
	p->item.frame = (struct slice){ (const char *)p->frame.data,
		p->frame.len };
}

static void
start(struct payload *p)
{
	*p = (struct payload){ .key = BUF_EMPTY, .frame = BUF_EMPTY };
}

/* --- objects -------------------------------------------------------------- */

static void
add_name(struct buf *b, const char *cluster, const struct inv_object *o)
{
	/* A cluster-wide object's path begins with its slash. */
	buf_addf(b, "%s/%s%s%s", cluster, kinds[o->kind].name,
	    o->namespace_len > 0 ? "/" : "", o->path);
}

static void
add_version(struct buf *b, const struct inv_object *o)
{
	if (o->version != 0)
		buf_addf(b, ",\"resource_version\":\"%" PRIu64 "\"",
		    o->version);
}

static void
begin_resource(struct payload *p, const char *cluster,
    const struct inv_object *o, const char *event_type, int64_t now)
{
	start(p);
	buf_adds(&p->key, "resource:");
	add_name(&p->key, cluster, o);
	begin(p, &(struct envelope){ .type = "resource",
	    .event_type = event_type, .cluster = cluster, .now = now });
	buf_adds(&p->frame, "\"resource_id\":\"");
	add_name(&p->frame, cluster, o);
	buf_addf(&p->frame, "\",\"type\":\"%s\",\"status\":",
	    kinds[o->kind].name);
}

static const char *
change_of(const struct inv_object *o)
{
	if (o->sync)
		return "sync";
	return o->stored && !o->gone ? "modified" : "added";
}

void
payload_status_update(struct payload *p, const char *cluster,
    const struct inv_object *o, int64_t now_unix_ms)
{
	begin_resource(p, cluster, o, "status_update", now_unix_ms);
	buf_adds(&p->frame, o->status);
	if (o->published_state != NULL && !o->gone)
		buf_addf(&p->frame, ",\"previous_state\":\"%s\"",
		    o->published_state);
	add_version(&p->frame, o);
	buf_addf(&p->frame, ",\"change\":\"%s\"", change_of(o));
	finish(p, slice_str(EVENT_TENANT_DEFAULT));
}

void
payload_deleted(struct payload *p, const char *cluster,
    const struct inv_object *o, int64_t now_unix_ms)
{
	begin_resource(p, cluster, o, "resource.deleted", now_unix_ms);
	buf_adds(&p->frame, o->gone_status != NULL ? o->gone_status :
	    "{\"state\":\"partial\",\"health\":\"unknown\",\"message\":\"\"}");
	if (o->published_state != NULL)
		buf_addf(&p->frame, ",\"previous_state\":\"%s\"",
		    o->published_state);
	if (!o->present)
		add_version(&p->frame, o);
	buf_adds(&p->frame, ",\"change\":\"deleted\"");
	if (o->gone_unknown)
		buf_adds(&p->frame, ",\"final_state_unknown\":true");
	finish(p, slice_str(EVENT_TENANT_DEFAULT));
	/* What exists again is not to be forgotten. */
	if (!o->present)
		p->item.flags = ITEM_DELETED;
}

/* --- nodes ---------------------------------------------------------------- */

static void
add_uid(struct buf *b, const uint8_t uid[16])
{
	size_t i;

	buf_adds(b, ",\"uid\":\"");
	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_addc(b, '-');
		buf_addf(b, "%02x", uid[i]);
	}
	buf_addc(b, '"');
}

static void
add_resource(struct buf *b, const char *cluster, const struct inv_object *o)
{
	const struct kind *kind = &kinds[o->kind];

	buf_addf(b, ",\"resource\":{\"cluster_id\":\"%s\",\"group\":\"%s\","
	    "\"version\":\"%s\",\"kind\":\"%s\"", cluster, kind->group,
	    kind->version, kind->kind);
	add_text(b, "namespace", inv_object_namespace(o));
	buf_adds(b, ",\"name\":\"");
	key_name_show(b, inv_object_name(o));
	buf_addc(b, '"');
	if (inv_object_shown_uid(o) != NULL)
		add_uid(b, inv_object_shown_uid(o));
	buf_addc(b, '}');
}

static const char *
node_change(const struct inv_object *o, const struct inv_binding *b)
{
	if (o->sync)
		return "sync";
	if (!o->present)
		return "deleted";
	return b->published == 0 ? "added" : "modified";
}

void
payload_node_update(struct payload *p, const char *cluster,
    const struct inv_object *o, const struct inv_binding *b,
    int64_t now_unix_ms)
{
	struct slice status = inv_object_node_status(o);
	struct buf *f = &p->frame;

	start(p);
	buf_addf(&p->key, "workflow:%s", b->workflow);
	begin(p, &(struct envelope){ .type = "workflow",
	    .event_type = "node_update", .cluster = cluster,
	    .subject = slice_str(b->node), .now = now_unix_ms });
	buf_adds(f, "\"node_id\":\"");
	buf_json_text(f, b->node, strlen(b->node));
	buf_addf(f, "\",\"type\":\"%s\",\"status\":", kinds[o->kind].name);
	buf_add(f, status.p, status.n);
	add_text(f, "workflow_id", slice_str(b->workflow));
	add_resource(f, cluster, o);
	if (o->present)
		add_version(f, o);
	buf_addf(f, ",\"change\":\"%s\"", node_change(o, b));
	finish(p, slice_str(b->tenant));
}

/* --- jobs ----------------------------------------------------------------- */

static void
add_time(struct buf *b, const char *name, int64_t unix_ms)
{
	char when[MONO_RFC3339_SIZE];

	if (unix_ms != 0)
		buf_addf(b, ",\"%s\":\"%s\"", name,
		    wall_format(unix_ms, when));
}

static void
add_reason(struct buf *b, const struct job_stream *s,
    const struct payload_job_step *step)
{
	if (step->last && s->reason != NULL)
		add_text(b, "reason", slice_str(s->reason));
	else if (step->to.attempt > step->from.attempt &&
	    step->from.state != LIFECYCLE_NONE && s->failed > 0)
		add_text(b, "reason", slice_str("PodFailed"));
	if (step->last && s->message != NULL)
		add_text(b, "message", slice_str(s->message));
}

static void
add_times(struct buf *b, const struct job_stream *s, struct job_step at)
{
	bool over = lifecycle_final(LIFECYCLE_OF_JOB, at.state);

	add_time(b, "queued_at", s->created_unix_ms);
	if (over || at.state == LIFECYCLE_LEASED ||
	    at.state == LIFECYCLE_RUNNING)
		add_time(b, "started_at", s->started_unix_ms);
	if (!over || s->finished_unix_ms == 0)
		return;
	add_time(b, "finished_at", s->finished_unix_ms);
	if (s->started_unix_ms != 0 &&
	    s->finished_unix_ms >= s->started_unix_ms)
		buf_addf(b, ",\"duration_ms\":%" PRId64,
		    s->finished_unix_ms - s->started_unix_ms);
}

void
payload_job_state(struct payload *p, const char *cluster,
    const struct job_stream *s, const struct payload_job_step *step,
    int64_t now_unix_ms)
{
	bool over = lifecycle_final(LIFECYCLE_OF_JOB, step->to.state);
	const uint8_t *suffix = s->suffixed ? s->uid : NULL;
	char uid[JOB_UID_TEXT];
	struct buf *f = &p->frame;

	start(p);
	buf_adds(&p->key, "job:");
	job_name_add(&p->key, cluster, s->path, suffix);
	job_name_uid(s->uid, uid);
	begin(p, &(struct envelope){ .type = "job",
	    .event_type = "job.state_changed", .cluster = cluster,
	    .correlation = uid, .terminal = over, .now = now_unix_ms });
	buf_adds(f, "\"job_id\":\"");
	job_name_add(f, cluster, s->path, suffix);
	buf_addf(f, "\",\"state\":\"%s\",\"previous_state\":",
	    lifecycle_word((uint8_t)step->to.state));
	if (step->from.state != LIFECYCLE_NONE)
		buf_addf(f, "\"%s\"",
		    lifecycle_word((uint8_t)step->from.state));
	else
		buf_adds(f, "null");
	buf_addf(f, ",\"attempt\":%" PRIu32, step->to.attempt);
	/* One that was suspended has tries of its own. */
	if (step->to.attempt <= s->max_attempts)
		buf_addf(f, ",\"max_attempts\":%" PRIu32, s->max_attempts);
	buf_adds(f, ",\"job_type\":\"kubernetes\"");
	add_reason(f, s, step);
	add_times(f, s, step->to);
	finish(p, slice_str(EVENT_TENANT_DEFAULT));
	p->item.flags = (uint8_t)(ITEM_LIFECYCLE | (over ? ITEM_TERMINAL : 0) |
	    (step->guarded ? ITEM_GUARDED : 0));
	p->item.guard = s->guard;
	p->item.state = (uint8_t)step->to.state;
	p->item.attempt = step->to.attempt;
	job_name_mark(s->uid, p->item.body);
}

/* --- the watcher itself --------------------------------------------------- */

static void
add_known(struct buf *b, const char *name, const char *text)
{
	if (text[0] != '\0')
		add_text(b, name, slice_str(text));
}

void
payload_watcher_state(struct payload *p, const char *cluster,
    const struct kind_watch_view *view, const char *previous,
    uint64_t objects, int64_t now_unix_ms)
{
	struct buf *f = &p->frame;

	start(p);
	buf_addf(&p->key, "watcher:%s", cluster);
	begin(p, &(struct envelope){ .type = "watcher",
	    .event_type = "watcher.state_changed", .cluster = cluster,
	    .subject = slice_str(kinds[view->kind].name),
	    .now = now_unix_ms });
	buf_addf(f, "\"cluster_id\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\","
	    "\"previous_state\":", cluster, kinds[view->kind].name,
	    watch_words_shown(view->state));
	if (previous != NULL)
		buf_addf(f, "\"%s\"", previous);
	else
		buf_adds(f, "null");
	buf_addf(f, ",\"objects\":%" PRIu64, objects);
	add_known(f, "resource_version", view->resource_version);
	if (view->attempt > 0)
		buf_addf(f, ",\"attempt\":%u", view->attempt);
	if (view->delay_ms > 0)
		buf_addf(f, ",\"delay_ms\":%lld", (long long)view->delay_ms);
	add_known(f, "reason", view->reason);
	if (view->code != 0)
		buf_addf(f, ",\"code\":%ld", view->code);
	finish(p, slice_str(EVENT_TENANT_DEFAULT));
}
