#include "watcher/request_path.h"

#include <string.h>

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

/* "/api/v1/pods" or "/apis/apps/v1/namespaces/shop/deployments" */
static void
add_place(struct buf *b, const struct request_place *place)
{
	const struct kind *kind = place->kind;

	if (kind->group[0] == '\0')
		buf_adds(b, "/api/");
	else
		buf_addf(b, "/apis/%s/", kind->group);
	buf_addf(b, "%s/", kind->version);
	if (place->namespace != NULL) {
		buf_adds(b, "namespaces/");
		add_escaped(b, place->namespace);
		buf_addc(b, '/');
	}
	buf_adds(b, kind->resource);
}

/* Which objects, by their fields; the last of the query. */
static void
add_selector(struct buf *b, const struct request_place *place, bool first)
{
	if (place->fields == NULL)
		return;
	buf_addf(b, "%cfieldSelector=", first ? '?' : '&');
	add_escaped(b, place->fields);
}

/* True: there is a query. */
static bool
add_list(struct buf *b, const struct request_place *place,
    const struct request_list *list)
{
	add_place(b, place);
	if (list->token == NULL && list->version == WATCH_VERSION_LAST &&
	    list->last[0] != '\0') {
		/* With a limit it would mean "exactly". */
		buf_adds(b, "?resourceVersion=");
		add_escaped(b, list->last);
		return true;
	}
	if (list->token == NULL && list->whole) {
		if (list->version == WATCH_VERSION_ZERO)
			buf_adds(b, "?resourceVersion=0");
		return list->version == WATCH_VERSION_ZERO;
	}
	buf_addf(b, "?limit=%d", REQUEST_PATH_PAGE);
	if (list->token != NULL) {
		/* Never with a resourceVersion (k8s-watch.md A.2). */
		buf_adds(b, "&continue=");
		add_escaped(b, list->token);
	} else if (list->version == WATCH_VERSION_ZERO) {
		buf_adds(b, "&resourceVersion=0");
	}
	return true;
}

void
request_path_list(struct buf *b, const struct request_place *place,
    const struct request_list *list)
{
	bool query = add_list(b, place, list);

	add_selector(b, place, !query);
}

void
request_path_watch(struct buf *b, const struct request_place *place,
    const char *version, unsigned timeout_s)
{
	add_place(b, place);
	buf_adds(b, "?watch=1&resourceVersion=");
	add_escaped(b, version);
	buf_addf(b, "&allowWatchBookmarks=true&timeoutSeconds=%u", timeout_s);
	add_selector(b, place, false);
}

void
request_path_stream(struct buf *b, const struct request_place *place,
    unsigned timeout_s)
{
	add_place(b, place);
	buf_addf(b, "?watch=1&sendInitialEvents=true"
	    "&resourceVersionMatch=NotOlderThan&resourceVersion="
	    "&allowWatchBookmarks=true&timeoutSeconds=%u", timeout_s);
	add_selector(b, place, false);
}

void
request_path_probe(struct buf *b, const struct request_place *place,
    const char *version)
{
	add_place(b, place);
	buf_adds(b, "?limit=1&resourceVersion=");
	add_escaped(b, version);
	buf_adds(b, "&resourceVersionMatch=NotOlderThan");
	add_selector(b, place, false);
}
