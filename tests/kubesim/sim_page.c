#include "tests/kubesim/sim_page.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_table.h"
#include "tests/kubesim/sim_token.h"

#define AT_ONCE     1000u     /* objects of a page that is made whole */
#define PIECE_ITEMS 64u       /* objects per turn of a longer one */

struct page {
	struct sim_snapshot	*snapshot;       /* counted */
	size_t			 next;
	size_t			 end;
	enum sim_form		 form;
	bool			 first;
};

static void
add_head(struct evbuffer *body, const struct sim_snapshot *s,
    enum sim_form form, size_t end)
{
	const struct sim_kind_row *row = sim_kinds_row(s->kind);
	bool table = form == SIM_TABLE_HEAD, meta = form >= SIM_PARTIAL;
	char *token;

	(void)evbuffer_add_printf(body, "{\"kind\":\"%s%s\",\"apiVersion\":"
	    "\"%s\",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"",
	    table ? "Table" : meta ? "PartialObjectMetadata" : row->kind,
	    table ? "" : "List", table || meta ? "meta.k8s.io/v1" :
	    sim_kinds_api_version(s->kind), s->rv);
	if (end < s->n) {
		token = sim_token_make((int64_t)s->rv,
		    s->item[end].object->ns, s->item[end].object->name);
		(void)evbuffer_add_printf(body, ",\"continue\":\"%s\"", token);
		free(token);
		/* Nobody counts what a selector will leave. */
		if (!s->selected)
			(void)evbuffer_add_printf(body,
			    ",\"remainingItemCount\":%zu", s->n - end);
	}
	if (table)
		(void)evbuffer_add_printf(body, "},\"columnDefinitions\":%s,"
		    "\"rows\":[", sim_table_columns(s->kind));
	else
		(void)evbuffer_add_printf(body, "},\"items\":[");
}

/* Up to `items` more; true: there are still more. */
static bool
add_items(struct page *g, struct evbuffer *body, size_t items)
{
	struct sim_item *item;

	for (; items > 0 && g->next < g->end; items--) {
		item = &g->snapshot->item[g->next++];
		sim_api_add_object(body, item->object, &item->st, g->form,
		    true, g->first ? "" : ",");
		g->first = false;
	}
	if (g->next < g->end)
		return true;
	(void)evbuffer_add(body, "]}\n", 3);
	return false;
}

static bool
page_more(struct evbuffer *body, void *ctx)
{
	return add_items(ctx, body, PIECE_ITEMS);
}

static void
page_free(void *ctx)
{
	struct page *g = ctx;

	sim_snapshot_unref(g->snapshot);
	free(g);
}

void
sim_page_reply(struct sim_conn *c, struct sim_snapshot *s, size_t from,
    size_t limit)
{
	size_t end = limit == 0 || limit > s->n - from ? s->n : from + limit;
	struct page g = { .snapshot = s, .next = from, .end = end,
	    .form = sim_api_form(c, SIM_COLLECTION), .first = true };
	struct evbuffer *body = evbuffer_new();
	struct page *kept;

	if (body == NULL)
		abort();
	add_head(body, s, g.form, end);
	if (end - from <= AT_ONCE) {
		(void)add_items(&g, body, AT_ONCE);
		sim_conn_reply_buffer(c, 200, "application/json", body, NULL);
	} else {
		kept = xmalloc(sizeof(*kept));
		*kept = g;
		(void)sim_snapshot_ref(s);
		sim_conn_produce(c, body, page_more, page_free, kept);
	}
	evbuffer_free(body);
}
