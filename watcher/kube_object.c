#include "watcher/kube_object.h"

#include <string.h>

#include "common/json_text.h"
#include "common/macros.h"
#include "common/mono.h"
#include "watcher/json_scan.h"

enum slot {
	S_TYPE, S_KIND, S_UID, S_NAMESPACE, S_NAME, S_RV, S_GENERATION,
	S_DELETED, S_CREATED, S_OWNERS, S_SPEC, S_STATUS,
	S_CODE, S_REASON, S_MESSAGE, S_CAUSES, S_RETRY, S_MAX
};

static const struct json_want want_metadata[] = {
	{ "uid", S_UID, NULL, 0 },
	{ "namespace", S_NAMESPACE, NULL, 0 },
	{ "name", S_NAME, NULL, 0 },
	{ "resourceVersion", S_RV, NULL, 0 },
	{ "generation", S_GENERATION, NULL, 0 },
	{ "deletionTimestamp", S_DELETED, NULL, 0 },
	{ "creationTimestamp", S_CREATED, NULL, 0 },
	{ "ownerReferences", S_OWNERS, NULL, 0 },
};

static const struct json_want want_details[] = {
	{ "causes", S_CAUSES, NULL, 0 },
	{ "retryAfterSeconds", S_RETRY, NULL, 0 },
};

static const struct json_want want_object[] = {
	{ "kind", S_KIND, NULL, 0 },
	{ "metadata", -1, want_metadata, NELEM(want_metadata) },
	{ "spec", S_SPEC, NULL, 0 },
	{ "status", S_STATUS, NULL, 0 },
	{ "code", S_CODE, NULL, 0 },
	{ "reason", S_REASON, NULL, 0 },
	{ "message", S_MESSAGE, NULL, 0 },
	{ "details", -1, want_details, NELEM(want_details) },
};

static const struct json_want want_event[] = {
	{ "type", S_TYPE, NULL, 0 },
	{ "object", -1, want_object, NELEM(want_object) },
};

/* --- objects -------------------------------------------------------------- */

/* The characters a stream key admits, without its slash. */
static bool
plain(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((s.p[i] < 'a' || s.p[i] > 'z') &&
		    (s.p[i] < '0' || s.p[i] > '9') &&
		    (s.p[i] < 'A' || s.p[i] > 'Z') &&
		    memchr("-._~:", s.p[i], 5) == NULL)
			return false;
	return true;
}

static int
identity(struct slice raw, const char *member, size_t max, bool required,
    struct slice *ret, struct err *err)
{
	struct slice text;

	if (json_scan_null(raw) && !required)
		return 0;
	text = json_scan_text(raw);
	if (text.p == NULL)
		return err_set(err, "metadata.%s is not a plain string",
		    member);
	if (text.n > max || !plain(text) || (required && text.n == 0))
		return err_set(err, "metadata.%s is empty, too long or holds "
		    "characters no name may have", member);
	*ret = text;
	return 0;
}

struct slice
kube_object_name(struct slice raw, char buf[KEY_NAME_SIZE])
{
	struct slice text = json_scan_text(raw);
	/* One byte more than may be, to tell what was cut. */
	char plain_text[KEY_NAME_MAX + 4];

	if (text.p == NULL)
		text = (struct slice){ plain_text, json_text_unescape(raw,
			plain_text, sizeof(plain_text)) };
	return key_name_make(text, buf);
}

static int
take_name(struct kube_object *o, struct slice raw, struct err *err)
{
	/* Of a string no less than its quotes is there. */
	if (raw.n <= 2 || *raw.p != '"')
		return err_set(err, "metadata.name is no string, or empty");
	o->name = kube_object_name(raw, o->text);
	o->unfit = o->name.p == NULL;
	return 0;
}

int64_t
kube_object_time(struct slice raw)
{
	struct slice text = json_scan_text(raw);
	int64_t ms;

	if (text.p == NULL || !wall_parse(text.p, text.n, &ms))
		return 0;
	return ms;
}

static int
fill_object(const struct slice *slots, struct kube_object *ret,
    struct err *err)
{
	*ret = (struct kube_object){
		.kind = json_scan_text(slots[S_KIND]),
		.owner_references = slots[S_OWNERS],
		.spec = slots[S_SPEC],
		.status = slots[S_STATUS],
		.generation = json_scan_int(slots[S_GENERATION], -1),
		.created_unix_ms = kube_object_time(slots[S_CREATED]),
		.deleting = !json_scan_null(slots[S_DELETED]),
	};

	if (take_name(ret, slots[S_NAME], err) < 0 ||
	    identity(slots[S_NAMESPACE], "namespace", KUBE_NAME_MAX, false,
	    &ret->namespace, err) < 0 ||
	    identity(slots[S_UID], "uid", KUBE_UID_MAX, true, &ret->uid,
	    err) < 0 ||
	    identity(slots[S_RV], "resourceVersion", KUBE_UID_MAX, false,
	    &ret->resource_version, err) < 0)
		return -1;
	return 0;
}

int
kube_object_parse(struct slice json, struct kube_object *ret,
    struct err *err)
{
	struct slice slots[S_MAX];

	if (!json_scan(json, want_object, NELEM(want_object), slots, S_MAX))
		return err_set(err, "an item of the list is not valid JSON");
	return fill_object(slots, ret, err);
}

/* --- errors --------------------------------------------------------------- */

static void
copy_text(char *buf, size_t size, struct slice raw)
{
	size_t n = json_text_unescape(raw, buf, size - 1), i;

	for (i = 0; i < n; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 0x7f)
			buf[i] = ' ';
	buf[n] = '\0';
}

static bool
cause_too_large(struct slice causes)
{
	static const struct json_want want[] = { { "reason", 0, NULL, 0 } };
	const char *cursor = NULL;
	struct slice cause, reason;

	while (json_scan_next(causes, &cursor, &cause))
		if (json_scan(cause, want, 1, &reason, 1) &&
		    json_scan_is(reason, "ResourceVersionTooLarge"))
			return true;
	return false;
}

static void
fill_error(const struct slice *slots, struct kube_error *ret)
{
	*ret = (struct kube_error){
		.code = json_scan_int(slots[S_CODE], 0),
		.retry_after_s = json_scan_int(slots[S_RETRY], 0),
	};
	copy_text(ret->reason, sizeof(ret->reason), slots[S_REASON]);
	copy_text(ret->message, sizeof(ret->message), slots[S_MESSAGE]);
	/* The text alone marks it on servers 1.17.0 to 1.18.5. */
	ret->too_large = cause_too_large(slots[S_CAUSES]) ||
	    strstr(ret->message, "Too large resource version") != NULL;
}

bool
kube_object_parse_error(struct slice body, struct kube_error *ret)
{
	struct slice slots[S_MAX];

	if (!json_scan(body, want_object, NELEM(want_object), slots, S_MAX) ||
	    !json_scan_is(slots[S_KIND], "Status"))
		return false;
	fill_error(slots, ret);
	return true;
}

/* --- events and lists ----------------------------------------------------- */

static enum kube_event_type
event_type(struct slice raw)
{
	static const struct {
		const char		*name;
		enum kube_event_type	 type;
	} types[] = {
		{ "MODIFIED", KUBE_EVENT_MODIFIED },
		{ "ADDED", KUBE_EVENT_ADDED },
		{ "DELETED", KUBE_EVENT_DELETED },
		{ "BOOKMARK", KUBE_EVENT_BOOKMARK },
		{ "ERROR", KUBE_EVENT_ERROR },
	};
	size_t i;

	for (i = 0; i < NELEM(types); i++)
		if (json_scan_is(raw, types[i].name))
			return types[i].type;
	return KUBE_EVENT_UNKNOWN;
}

int
kube_object_parse_event(struct slice frame, struct kube_event *ret,
    struct err *err)
{
	struct slice slots[S_MAX];
	int rc = 0;

	if (!json_scan(frame, want_event, NELEM(want_event), slots, S_MAX))
		return err_set(err, "a line of the watch is not valid JSON");
	ret->type = event_type(slots[S_TYPE]);
	switch (ret->type) {
	case KUBE_EVENT_ADDED:
	case KUBE_EVENT_MODIFIED:
	case KUBE_EVENT_DELETED:
		rc = fill_object(slots, &ret->object, err);
		break;
	case KUBE_EVENT_BOOKMARK:
		ret->object = (struct kube_object){ .generation = -1 };
		rc = identity(slots[S_RV], "resourceVersion", KUBE_UID_MAX,
		    true, &ret->object.resource_version, err);
		break;
	case KUBE_EVENT_ERROR:
		fill_error(slots, &ret->error);
		break;
	case KUBE_EVENT_UNKNOWN:
		break;
	}
	return rc;
}

int
kube_object_parse_list(struct slice metadata, struct kube_list *ret,
    struct err *err)
{
	static const struct json_want wants[] = {
		{ "resourceVersion", 0, NULL, 0 },
		{ "continue", 1, NULL, 0 },
	};
	struct slice slots[2];
	struct kube_list list = { SLICE_NONE, SLICE_NONE };

	if (!json_scan(metadata, wants, NELEM(wants), slots, NELEM(slots)) ||
	    identity(slots[0], "resourceVersion", KUBE_UID_MAX, true,
	    &list.resource_version, err) < 0)
		return err_set(err, "the list has no metadata with a "
		    "resourceVersion; is this a Kubernetes API server?");
	/* Taken for the last page, the rest would be swept as deleted. */
	if (!json_scan_null(slots[1])) {
		list.continue_token = json_scan_text(slots[1]);
		if (list.continue_token.p == NULL)
			return err_set(err, "the list's continue token is no "
			    "plain text");
	}
	*ret = list;
	return 0;
}
