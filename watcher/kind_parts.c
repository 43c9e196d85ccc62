#include "watcher/kind_parts.h"

#include <stdio.h>
#include <string.h>

#define SKIPPED_MAX 300
#define MESSAGE_MAX 511   /* of a watch_reason */

/* The higher, the more there is to say of it. */
static unsigned
severity(const struct list_watch_view *v)
{
	switch (v->state) {
	case WATCH_FORBIDDEN:
		return 6;
	case WATCH_ABSENT:
	case WATCH_FULL:
		return 5;
	case WATCH_WAIT_LIST:
	case WATCH_WAIT_WATCH:
		return 4;
	case WATCH_IDLE:
	case WATCH_LISTING:
	case WATCH_STREAMING:
	case WATCH_ASKING:
	case WATCH_REVIEWING:
		return 3;
	case WATCH_PROBING:
		return 2;
	case WATCH_WATCHING:
		return v->skipped ? 1 : 0;
	case WATCH_STOPPED:
	case WATCH_STATE_MAX:
		break;
	}
	return 0;
}

static const struct kind_part *
worst(const struct kind_part *parts, size_t n)
{
	const struct kind_part *found = &parts[0];
	size_t i;

	for (i = 1; i < n; i++)
		if (severity(&parts[i].view) > severity(&found->view))
			found = &parts[i];
	return found;
}

struct list_watch_view
kind_parts_view(const struct kind_part *parts, size_t n)
{
	struct list_watch_view v = worst(parts, n)->view;
	size_t i;

	if (v.state == WATCH_WATCHING && !v.skipped) {
		v.reason = "NamespacesOnly";
		v.code = 403;
	}
	/* It is served; what is missing is the right to see it. */
	if (strcmp(v.reason, "NotInNamespaces") == 0) {
		v.state = WATCH_FORBIDDEN;
		v.code = 403;
	}
	for (i = 0; i < n; i++)
		v.skipped = v.skipped || parts[i].view.skipped;
	v.tried = true;   /* the cluster was */
	return v;
}

void
kind_parts_text(const struct kind_part *parts, size_t n,
    char text[KIND_PARTS_TEXT_MAX])
{
	const struct kind_part *w = worst(parts, n);
	bool watching = w->view.state == WATCH_WATCHING;
	size_t i, at = 0;

	/* Room is kept only where something is said behind it. */
	if (!watching || w->view.skipped)
		at = (size_t)snprintf(text, KIND_PARTS_TEXT_MAX,
		    "in namespace %s: %.*s", w->namespace, watching ?
		    SKIPPED_MAX : MESSAGE_MAX, w->view.message);
	if (!watching || at >= KIND_PARTS_TEXT_MAX)
		return;
	(void)snprintf(text + at, KIND_PARTS_TEXT_MAX - at, "%snot allowed in "
	    "the whole cluster; watched in namespaces", at > 0 ? "; " : "");
	for (i = 0; i < n; i++) {
		at = strlen(text);
		(void)snprintf(text + at, KIND_PARTS_TEXT_MAX - at, "%s %s",
		    i == 0 ? "" : ",", parts[i].namespace);
	}
}
