#include "health/health_event.h"

#include <inttypes.h>
#include <string.h>

#include "common/mono.h"

#define SOURCE "/health"

/* --- members -------------------------------------------------------------- */
static void
add_text(struct buf *b, const char *name, const char *text)
{
	buf_addc(b, ',');
	buf_json_member(b, name, slice_str(text));
}

static void
add_known(struct buf *b, const char *name, const char *text)
{
	if (text != NULL && *text != '\0')
		add_text(b, name, text);
}

static void
add_time(struct buf *b, const char *name, int64_t unix_ms)
{
	char text[MONO_RFC3339_SIZE];

	add_text(b, name, wall_format(unix_ms, text));
}

static void
add_names(struct buf *b, const char *name, const struct cluster_names *names)
{
	if (!names->known)
		return;
	buf_addf(b, ",\"%s\":[", name);
	for (size_t i = 0; i < names->n; i++) {
		if (i != 0)
			buf_addc(b, ',');
		buf_json_string(b, slice_str(names->at[i]));
	}
	buf_addc(b, ']');
}

/* --- the envelope --------------------------------------------------------- */
/* Up to and with the brace that opens data; its first member is cluster_id. */
static void
begin(struct health_event *e, const char *id, const char *event_type,
    int64_t now_unix_ms)
{
	memset(e, 0, sizeof(*e));
	buf_addf(&e->key, "cluster:%s", id);
	buf_adds(&e->frame, "\"type\":\"cluster\",");
	buf_json_member(&e->frame, "stream_key", (struct slice){
	    (const char *)e->key.data, e->key.len });
	add_text(&e->frame, "event_type", event_type);
	add_time(&e->frame, "timestamp", now_unix_ms);
	add_text(&e->frame, "source", SOURCE);
	buf_adds(&e->frame, ",\"version\":1,\"terminal\":false,\"data\":");
	e->item.data_off = (uint32_t)e->frame.len;
	e->item.event_type = slice_str(event_type);
	buf_addc(&e->frame, '{');
	buf_json_member(&e->frame, "cluster_id", slice_str(id));
}

static void
finish(struct health_event *e)
{
	buf_adds(&e->frame, "}}");
	e->item.tenant = slice_str(EVENT_TENANT_DEFAULT);
	e->item.key = (struct slice){ (const char *)e->key.data, e->key.len };
	e->item.frame = (struct slice){ (const char *)e->frame.data,
		e->frame.len };
}

void
health_event_status(struct health_event *ret, const char *event_type,
    const struct health_view *view, int64_t now_unix_ms)
{
	struct buf *b = &ret->frame;

	begin(ret, view->id, event_type, now_unix_ms);
	add_text(b, "name", view->name);
	add_text(b, "status", cluster_status_name(view->status));
	add_text(b, "previous_status", cluster_status_name(view->previous));
	buf_addf(b, ",\"reachable\":%s", view->reachable ? "true" : "false");
	if (view->latency_ms >= 0)
		buf_addf(b, ",\"latency_ms\":%" PRId64, view->latency_ms);
	add_time(b, "checked_at", view->checked_at_unix_ms);
	buf_addf(b, ",\"consecutive_failures\":%" PRIu32,
	    view->consecutive_failures);
	add_known(b, "version", view->version);
	if (view->code != PROBE_OK) {
		buf_addf(b, ",\"error\":{\"code\":\"%s\"",
		    probe_code_name(view->code));
		add_text(b, "message",
		    view->message != NULL ? view->message : "");
		buf_addc(b, '}');
	}
	finish(ret);
}

void
health_event_metadata(struct health_event *ret, const char *id,
    const struct cluster_facts *facts, int64_t now_unix_ms)
{
	struct buf *b = &ret->frame;

	begin(ret, id, "cluster.metadata_updated", now_unix_ms);
	add_known(b, "version", facts->version);
	add_known(b, "platform", facts->platform);
	add_known(b, "provider", facts->provider);
	add_known(b, "region", facts->region);
	if (facts->nodes_known) {
		buf_addf(b, ",\"node_count\":%" PRId64, facts->node_count);
		/* Cores, to the thousandth; bytes. */
		buf_addf(b, ",\"cpu_capacity\":%" PRId64 ".%03d",
		    facts->cpu_milli / 1000, (int)(facts->cpu_milli % 1000));
		buf_addf(b, ",\"memory_capacity\":%" PRId64,
		    facts->memory_bytes);
	}
	add_names(b, "namespaces", &facts->namespaces);
	add_names(b, "storage_classes", &facts->storage_classes);
	add_time(b, "last_updated", now_unix_ms);
	finish(ret);
}

void
health_event_free(struct health_event *e)
{
	buf_free(&e->key);
	buf_free(&e->frame);
}
