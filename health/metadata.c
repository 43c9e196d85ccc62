#include "health/metadata.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "common/list_stream.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "health/classify.h"
#include "health/http_get.h"

#define ACCEPT_FULL  "application/json"
#define ACCEPT_NAMES "application/json;as=PartialObjectMetadataList;" \
	"g=meta.k8s.io;v=v1, application/json"

struct fetch {
	struct http_get		*http;
	struct mono		 deadline;
	size_t			 bytes;       /* of all lists so far */
	struct cluster_facts	*facts;
	struct cluster_names	*names;       /* NULL: nodes */
	struct list_stream	 list;
	const char		*stopped;     /* why the bytes were, or NULL */
	char			*next;        /* continue token, or NULL */
	int64_t			 remaining;
	struct err		 why;         /* the last list was not had */
};

static bool
fetch_item_cb(struct slice item, void *arg)
{
	struct fetch *f = arg;

	if (f->names != NULL)
		return cluster_facts_name(f->names, item);
	return cluster_facts_node(f->facts, item);
}

/* False ends the transfer: curl then knows only that it was stopped. */
static bool
fetch_bytes_cb(const char *p, size_t n, void *arg)
{
	struct fetch *f = arg;

	f->bytes += n;
	if (f->bytes > METADATA_BYTES_MAX)
		f->stopped = "more than 128 MiB";
	else if (!list_stream_feed(&f->list, p, n, fetch_item_cb, f))
		f->stopped = "not a list";
	else if (f->list.oversized > 0)
		f->stopped = "an object larger than 1 MiB";
	return f->stopped == NULL;
}

/* Where the next page begins, from a list that has come to its end. */
static bool
fetch_end(struct fetch *f)
{
	struct slice metadata = { (const char *)f->list.metadata.data,
		f->list.metadata.len };

	return list_stream_complete(&f->list) && (metadata.n == 0 ||
	    cluster_facts_page(metadata, &f->next, &f->remaining));
}

/* One page; false = not had, and f->why says why. */
static bool
fetch_page(struct fetch *f, const char *path, const char *accept)
{
	struct http_get_answer a;
	bool good = false;

	free(f->next);
	f->next = NULL;
	f->remaining = 0;
	f->stopped = NULL;
	if (http_get(f->http, path, accept, f->deadline, fetch_bytes_cb, f,
	    &a, &f->why) < 0)
		(void)err_prefix(&f->why, "%s", path);
	else if (f->stopped != NULL)
		(void)err_set(&f->why, "%s: %s", path, f->stopped);
	else if (a.curl != CURLE_OK)
		(void)err_set(&f->why, "%s: %s", path, a.error[0] != '\0' ?
		    a.error : curl_easy_strerror(a.curl));
	else if (a.status != 200)
		(void)err_set(&f->why, "%s: HTTP %ld", path, a.status);
	else if (!fetch_end(f))
		(void)err_set(&f->why, "%s: not a list", path);
	else
		good = true;
	list_stream_reset(&f->list);
	return good;
}

static void
fetch_nodes(struct fetch *f)
{
	char *path = xasprintf("/api/v1/nodes?limit=%u", METADATA_PAGE);
	char *token;
	bool good = true;

	f->names = NULL;
	for (unsigned int i = 0; good && path != NULL; i++) {
		good = fetch_page(f, path, ACCEPT_FULL);
		free(path);
		path = NULL;
		if (!good || f->next == NULL)
			break;
		if (i + 1 == METADATA_PAGES_MAX) {
			/* The count stays right, the sums say what was seen. */
			cluster_facts_unread(f->facts, f->remaining);
			break;
		}
		token = curl_easy_escape(NULL, f->next, 0);
		if (token == NULL)
			break;
		path = xasprintf("/api/v1/nodes?limit=%u&continue=%s",
		    METADATA_PAGE, token);
		curl_free(token);
	}
	f->facts->nodes_known = good;
}

static void
fetch_version(struct fetch *f)
{
	struct http_get_answer a;

	if (http_get(f->http, "/version", ACCEPT_FULL, f->deadline, NULL,
	    NULL, &a, &f->why) < 0)
		return;
	(void)err_set(&f->why, "/version: %s, HTTP %ld",
	    curl_easy_strerror(a.curl), a.status);
	if (a.curl != CURLE_OK || a.status != 200)
		return;
	(void)classify_member(a.body, "gitVersion", f->facts->version,
	    sizeof(f->facts->version));
	(void)classify_member(a.body, "platform", f->facts->platform,
	    sizeof(f->facts->platform));
}

static void
fetch_names(struct fetch *f, const char *path, struct cluster_names *names)
{
	f->names = names;
	names->known = fetch_page(f, path, ACCEPT_NAMES);
}

int
metadata_fetch(const struct kube_credentials *cred,
    const atomic_bool *cancelled, struct cluster_facts *ret, struct err *err)
{
	struct cluster_facts facts = { 0 };
	struct fetch f = { .facts = &facts,
		.list.item_max = METADATA_ITEM_MAX };

	f.deadline = mono_add_ms(mono_now(), METADATA_BUDGET_MS);
	f.http = http_get_new(cred, cancelled, err);
	if (f.http == NULL)
		return -1;
	fetch_version(&f);
	fetch_nodes(&f);
	fetch_names(&f, "/api/v1/namespaces?limit=500", &facts.namespaces);
	fetch_names(&f, "/apis/storage.k8s.io/v1/storageclasses?limit=100",
	    &facts.storage_classes);
	http_get_free(f.http);
	free(f.next);
	if (facts.version[0] == '\0' && !facts.nodes_known &&
	    !facts.namespaces.known && !facts.storage_classes.known) {
		cluster_facts_free(&facts);
		return err_set(err, "%s", f.why.text);
	}
	cluster_facts_finish(&facts);
	*ret = facts;
	return 0;
}
