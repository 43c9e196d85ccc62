#include "watcher/list_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watcher/json_scan.h"
#include "watcher/kinds.h"

void
list_pages_reset(struct list_pages *l)
{
	if (l->metadata_only && l->stream.partial.data != NULL)
		explicit_bzero(l->stream.partial.data,
		    l->stream.partial.len);
	list_stream_reset(&l->stream);
	free(l->token);
	l->token = NULL;
	l->version[0] = '\0';
}

struct feed {
	const struct list_pages	*l;
	list_pages_cb	 cb;
	void		*arg;
	struct err	*err;
	bool		 refused;    /* *err says why */
};

static bool
list_pages_item_cb(struct slice item, void *arg)
{
	struct feed *f = arg;
	struct kube_object object;
	struct slice kind = { (const char *)f->l->stream.kind.data,
		f->l->stream.kind.len };

	if (f->l->metadata_only &&
	    !json_scan_is(kind, KINDS_METADATA_LIST)) {
		(void)err_set(f->err, "whole objects where only metadata was "
		    "asked for");
		f->refused = true;
		return false;
	}
	f->refused = kube_object_parse(item, &object, f->err) < 0;
	if (!f->refused)
		f->cb(&object, f->arg);
	return !f->refused;
}

int
list_pages_feed(struct list_pages *l, const char *p, size_t n,
    list_pages_cb cb, void *arg, struct err *err)
{
	struct feed f = { l, cb, arg, err, false };

	if (list_stream_feed(&l->stream, p, n, list_pages_item_cb, &f))
		return 0;
	if (f.refused)
		return -1;
	return err_set(err, "the answer is no list in JSON; does `server` "
	    "lead to a Kubernetes API server?");
}

/* What the page's metadata says; the stream still holds it. */
static int
take_metadata(struct list_pages *l, struct err *err)
{
	struct slice raw = { (const char *)l->stream.metadata.data,
		l->stream.metadata.len };
	bool first = l->token == NULL;
	struct kube_list list;

	free(l->token);
	l->token = NULL;
	if (!list_stream_complete(&l->stream))
		return err_set(err, "the list ends before its end");
	if (kube_object_parse_list(raw, &list, err) < 0)
		return -1;
	if (list.continue_token.n > LIST_PAGES_TOKEN_MAX)
		return err_set(err, "the list's continue token is too long");
	if (first)
		(void)snprintf(l->version, sizeof(l->version), "%.*s",
		    (int)list.resource_version.n, list.resource_version.p);
	if (list.continue_token.n > 0)
		l->token = slice_dup(list.continue_token);
	return 0;
}

int
list_pages_end(struct list_pages *l, bool *ret_more, struct err *err)
{
	int rc = take_metadata(l, err);

	list_stream_reset(&l->stream);
	if (rc == 0)
		*ret_more = l->token != NULL;
	return rc;
}
