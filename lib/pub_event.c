#include "lib/pub_event.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json_slice.h"
#include "common/macros.h"
#include "common/mono.h"

/* Texts of one event are short; `data` is the rest of SLUICE_EVENT_MAX. */
#define TEXT_MAX 1024u

static json_t *
parse(const char *json, size_t size)
{
	json_error_t e;

	/* Integers as reals: only whether it is JSON is asked, and a number
	 * beyond 64 bits is. */
	return json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL |
	    JSON_DECODE_INT_AS_REAL, &e);
}

/* `,"name":"text"`; a member that is not there is left out. */
static bool
add_text(struct buf *b, const char *name, const char *text)
{
	if (text == NULL)
		return true;
	if (strlen(text) > TEXT_MAX)
		return false;
	buf_addc(b, ',');
	buf_json_member(b, name, slice_str(text));
	return true;
}

/* JSON has no line break inside a string, so each is between two tokens. */
static void
add_line(struct buf *b, const char *json, size_t size)
{
	size_t at = b->len;

	buf_add(b, json, size);
	for (; at < b->len; at++)
		if (b->data[at] == '\n' || b->data[at] == '\r')
			b->data[at] = ' ';
}

static int
finish(struct buf *b, char **ret, size_t *ret_size)
{
	if (b->len > SLUICE_EVENT_MAX) {
		buf_free(b);
		return SLUICE_TOO_LARGE;
	}
	*ret_size = b->len;
	*ret = buf_cstr(b);
	return SLUICE_OK;
}

/* True where `data` is one JSON object and nothing else. */
static int
check_data(const char *data, size_t size)
{
	json_t *root;
	int rc;

	if (size > SLUICE_EVENT_MAX)
		return SLUICE_TOO_LARGE;
	root = parse(data, size);
	rc = json_is_object(root) ? SLUICE_OK : SLUICE_INVALID;
	json_decref(root);
	return rc;
}

int
pub_event_of_fields(const struct sluice_event *e,
    const struct pub_defaults *d, char **ret, size_t *ret_size)
{
	const char *colon = e->stream_key != NULL ?
	    strchr(e->stream_key, ':') : NULL;
	char now[MONO_RFC3339_SIZE];
	struct buf b = BUF_EMPTY;
	int rc;

	if (colon == NULL || e->event_type == NULL || e->data == NULL ||
	    e->version < 0 || strlen(e->stream_key) > TEXT_MAX)
		return SLUICE_INVALID;
	rc = check_data(e->data, strlen(e->data));
	if (rc != SLUICE_OK)
		return rc;
	buf_adds(&b, "{\"type\":\"");
	buf_json_text(&b, e->stream_key, (size_t)(colon - e->stream_key));
	buf_addc(&b, '"');
	if (!add_text(&b, "stream_key", e->stream_key) ||
	    !add_text(&b, "event_type", e->event_type) ||
	    !add_text(&b, "timestamp", e->timestamp != NULL ? e->timestamp :
	    wall_format(d->now_unix_ms, now)) ||
	    !add_text(&b, "source", e->source != NULL ? e->source :
	    d->source) ||
	    !add_text(&b, "subject", e->subject) ||
	    !add_text(&b, "correlation_id", e->correlation_id) ||
	    !add_text(&b, "traceparent", e->traceparent) ||
	    !add_text(&b, "idempotency_key", e->idempotency_key != NULL ?
	    e->idempotency_key : d->key)) {
		buf_free(&b);
		return SLUICE_INVALID;
	}
	buf_addf(&b, ",\"version\":%d,\"data\":", e->version != 0 ?
	    e->version : 1);
	add_line(&b, e->data, strlen(e->data));
	buf_addc(&b, '}');
	return finish(&b, ret, ret_size);
}

/* What an event is given that has no such member, or null: to the service
 * those are one. */
struct filled {
	const char	*name;
	const char	*text;       /* NULL: it is left as it is */
	const char	*null;       /* where its null stands; NULL: nowhere */
};

/* `"name":"text",` where the event does not have that member. */
static void
add_missing(struct buf *b, const json_t *root, struct slice object,
    struct filled *f)
{
	const json_t *v = json_object_get(root, f->name);
	struct slice value;

	if (f->text == NULL)
		return;
	if (json_is_null(v) && json_slice_member(object, f->name, &value))
		f->null = value.p;
	if (v != NULL)
		return;
	buf_json_member(b, f->name, slice_str(f->text));
	buf_addc(b, ',');
}

/* The object behind its brace, with texts for the nulls that were found. */
static void
add_members(struct buf *b, struct slice object, const struct filled *all,
    size_t n)
{
	struct slice at = object, name, value;
	const char *p = object.p + 1, *end = object.p + object.n;

	(void)json_slice_object(object, &at);
	while (json_slice_pair(&at, &name, &value)) {
		for (size_t i = 0; i < n; i++) {
			if (all[i].null != value.p)
				continue;
			add_line(b, p, (size_t)(value.p - p));
			buf_json_string(b, slice_str(all[i].text));
			p = value.p + value.n;
		}
	}
	add_line(b, p, (size_t)(end - p));
}

int
pub_event_of_json(const char *json, size_t size, const struct pub_defaults *d,
    char **ret, size_t *ret_size)
{
	char now[MONO_RFC3339_SIZE];
	struct filled all[] = {
		{ "idempotency_key", d->key, NULL },
		{ "timestamp", wall_format(d->now_unix_ms, now), NULL },
		{ "source", d->source, NULL },
	};
	struct slice text = { json, size }, object, rest;
	struct buf b = BUF_EMPTY;
	json_t *root;

	if (size > SLUICE_EVENT_MAX)
		return SLUICE_TOO_LARGE;
	root = parse(json, size);
	/* An object without a member would leave a comma before its end, and
	 * is no event either. */
	if (!json_is_object(root) || json_object_size(root) == 0 ||
	    !json_slice_value(text, &object, &rest)) {
		json_decref(root);
		return SLUICE_INVALID;
	}
	buf_addc(&b, '{');
	for (size_t i = 0; i < NELEM(all); i++)
		add_missing(&b, root, object, &all[i]);
	add_members(&b, object, all, NELEM(all));
	json_decref(root);
	return finish(&b, ret, ret_size);
}
