#include "watcher/watch_body.h"

#include <stdio.h>
#include <string.h>

#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/kinds.h"

/* --- versions ------------------------------------------------------------- */

static bool
is_number(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0 && (s.n == 1 || s.p[0] != '0');
}

bool
watch_body_older(struct slice a, struct slice b)
{
	if (!is_number(a) || !is_number(b))
		return false;
	if (a.n != b.n)
		return a.n < b.n;
	return memcmp(a.p, b.p, a.n) < 0;
}

static void
take_version(struct watch_body *b, struct slice version)
{
	if (version.n > 0)
		(void)snprintf(b->version, sizeof(b->version), "%.*s",
		    (int)version.n, version.p);
}

/* --- frames --------------------------------------------------------------- */

static bool
end_with(struct watch_body *b, enum watch_body_end end)
{
	b->end = end;
	return false;
}

/* KEP-3157: the bookmark with this annotation. */
static bool
ends_initial(struct slice frame)
{
	static const struct json_want want_annotations[] = {
		{ "k8s.io/initial-events-end", 0, NULL, 0 },
	};
	static const struct json_want want_metadata[] = {
		{ "annotations", -1, want_annotations,
		    NELEM(want_annotations) },
	};
	static const struct json_want want_object[] = {
		{ "metadata", -1, want_metadata, NELEM(want_metadata) },
	};
	static const struct json_want want[] = {
		{ "object", -1, want_object, NELEM(want_object) },
	};
	struct slice value;

	return json_scan(frame, want, NELEM(want), &value, 1) &&
	    json_scan_is(value, "true");
}

/* Before anything is taken of what it stands on. */
static bool
goes_back(struct watch_body *b, struct slice version)
{
	if (b->initial || !watch_body_older(version, slice_str(b->version)))
		return false;
	(void)err_set(&b->err, "version %.*s after %s: the server's history "
	    "went back", (int)version.n, version.p, b->version);
	b->end = WATCH_BODY_BACK;
	return true;
}

static bool
take_object(struct watch_body *b, const struct kube_event *ev,
    const struct watch_body_ops *ops, void *arg)
{
	struct slice version = ev->object.resource_version;

	if (b->metadata && !slice_is(ev->object.kind, KINDS_METADATA)) {
		(void)err_set(&b->err, KINDS_REFUSED);
		return end_with(b, WATCH_BODY_BAD);
	}
	if (goes_back(b, version))
		return false;
	if (ev->object.unfit)
		b->unfit++;
	else
		ops->object(ev->type, &ev->object, arg);
	if (!b->initial)
		take_version(b, version);
	b->events = true;
	return true;
}

static bool
take_bookmark(struct watch_body *b, struct slice frame,
    const struct kube_event *ev, const struct watch_body_ops *ops, void *arg)
{
	struct slice version = ev->object.resource_version;

	if (goes_back(b, version))
		return false;
	if (b->initial) {
		if (!ends_initial(frame))
			return true;
		b->initial = false;
		b->version[0] = '\0';
		take_version(b, version);
		ops->listed(arg);
	} else {
		take_version(b, version);
	}
	b->events = true;
	return true;
}

struct feed {
	struct watch_body		*b;
	const struct watch_body_ops	*ops;
	void				*arg;
};

static bool
watch_body_frame_cb(struct slice frame, void *arg)
{
	struct feed *f = arg;
	struct watch_body *b = f->b;
	struct kube_event ev;

	if (kube_object_parse_event(frame, &ev, &b->err) < 0)
		return end_with(b, WATCH_BODY_BAD);
	switch (ev.type) {
	case KUBE_EVENT_ADDED:
	case KUBE_EVENT_MODIFIED:
	case KUBE_EVENT_DELETED:
		return take_object(b, &ev, f->ops, f->arg);
	case KUBE_EVENT_BOOKMARK:
		return take_bookmark(b, frame, &ev, f->ops, f->arg);
	case KUBE_EVENT_ERROR:
		b->error = ev.error;
		return end_with(b, WATCH_BODY_ERROR);
	case KUBE_EVENT_UNKNOWN:
		break;
	}
	(void)err_set(&b->err, "a watch event of unknown type");
	return end_with(b, WATCH_BODY_BAD);
}

/* --- life ----------------------------------------------------------------- */

void
watch_body_reset(struct watch_body *b)
{
	b->stream.sealed = b->metadata;
	watch_stream_reset(&b->stream);
}

void
watch_body_begin(struct watch_body *b, bool initial)
{
	watch_body_reset(b);
	b->initial = initial;
	b->events = false;
	b->stream.oversized = b->unfit = 0;
	b->end = WATCH_BODY_OPEN;
	b->err = (struct err){ 0 };
}

bool
watch_body_feed(struct watch_body *b, const char *p, size_t n,
    const struct watch_body_ops *ops, void *arg)
{
	struct feed f = { b, ops, arg };

	return watch_stream_feed(&b->stream, p, n, watch_body_frame_cb, &f);
}
