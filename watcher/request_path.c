#include "watcher/request_path.h"

#include <string.h>

/* "/api/v1/pods" or "/apis/apps/v1/deployments" */
static void
add_kind(struct buf *b, const struct kind *kind)
{
	if (kind->group[0] == '\0')
		buf_adds(b, "/api/");
	else
		buf_addf(b, "/apis/%s/", kind->group);
	buf_addf(b, "%s/%s", kind->version, kind->resource);
}

/* All but RFC 3986's unreserved characters. */
static void
add_escaped(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		if ((*text >= 'a' && *text <= 'z') ||
		    (*text >= 'A' && *text <= 'Z') ||
		    (*text >= '0' && *text <= '9') ||
		    strchr("-._~", *text) != NULL)
			buf_addc(b, *text);
		else
			buf_addf(b, "%%%02X", (unsigned)(unsigned char)*text);
}

void
request_path_list(struct buf *b, const struct kind *kind,
    const struct request_list *list)
{
	add_kind(b, kind);
	if (list->token == NULL && list->version == WATCH_VERSION_LAST &&
	    list->last[0] != '\0') {
		/* With a limit it would mean "exactly". */
		buf_adds(b, "?resourceVersion=");
		add_escaped(b, list->last);
		return;
	}
	buf_addf(b, "?limit=%d", REQUEST_PATH_PAGE);
	if (list->token != NULL) {
		/* Never with a resourceVersion (k8s-watch.md A.2). */
		buf_adds(b, "&continue=");
		add_escaped(b, list->token);
	} else if (list->version == WATCH_VERSION_ZERO) {
		buf_adds(b, "&resourceVersion=0");
	}
}

void
request_path_watch(struct buf *b, const struct kind *kind,
    const char *version, unsigned timeout_s)
{
	add_kind(b, kind);
	buf_adds(b, "?watch=1&resourceVersion=");
	add_escaped(b, version);
	buf_addf(b, "&allowWatchBookmarks=true&timeoutSeconds=%u", timeout_s);
}
