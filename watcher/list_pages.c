#include "watcher/list_pages.h"

#include <stdio.h>
#include <stdlib.h>

#include "watcher/kinds.h"

void
list_pages_reset(struct list_pages *l)
{
	list_stream_reset(&l->stream);
	free(l->token);
	l->token = NULL;
	l->version[0] = '\0';
	l->oversized = l->unfit = 0;
}

uint64_t
list_pages_skipped(const struct list_pages *l)
{
	return l->oversized + l->stream.oversized + l->unfit;
}

struct feed {
	struct list_pages *list;
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

	f->refused = kube_object_parse(item, &object, f->err) < 0;
	if (!f->refused && object.unfit)
		f->list->unfit++;
	else if (!f->refused)
		f->cb(&object, f->arg);
	return !f->refused;
}

int
list_pages_feed(struct list_pages *l, const char *p, size_t n,
    list_pages_cb cb, void *arg, struct err *err)
{
	struct feed f = { l, cb, arg, err, false };

	l->stream.kind_only = l->metadata_only ?
	    "\"" KINDS_METADATA_LIST "\"" : NULL;
	if (list_stream_feed(&l->stream, p, n, list_pages_item_cb, &f))
		return 0;
	if (f.refused)
		return -1;
	if (l->stream.other_kind)
		return err_set(err, KINDS_REFUSED);
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

	l->oversized += l->stream.oversized;
	list_stream_reset(&l->stream);
	if (rc == 0)
		*ret_more = l->token != NULL;
	return rc;
}
