#include "tests/kubesim/sim_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_finish.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_table.h"

static struct evbuffer *
line_begin(void)
{
	struct evbuffer *line = evbuffer_new();

	if (line == NULL)
		abort();
	return line;
}

static struct sim_text *
line_end(struct evbuffer *line)
{
	size_t n = evbuffer_get_length(line);
	struct sim_text *t = sim_http_line(evbuffer_pullup(line, -1), n);

	evbuffer_free(line);
	return t;
}

struct sim_text *
sim_line_event(enum sim_change change, const struct sim_object *o,
    const struct sim_state *st, enum sim_form form)
{
	static const char *const heads[SIM_CHANGE_MAX] = {
		[SIM_ADDED] = "{\"type\":\"ADDED\",\"object\":",
		[SIM_MODIFIED] = "{\"type\":\"MODIFIED\",\"object\":",
		[SIM_DELETED] = "{\"type\":\"DELETED\",\"object\":",
	};
	struct evbuffer *line = line_begin();

	sim_api_add_object(line, o, st, form, false, heads[change]);
	(void)evbuffer_add(line, "}\n", 2);
	return line_end(line);
}

struct sim_text *
sim_line_bookmark(enum sim_kind kind, enum sim_form form, uint64_t rv,
    bool initial_end)
{
	const struct sim_kind_row *row = sim_kinds_row(kind);
	struct evbuffer *line = line_begin();
	bool partial = form >= SIM_PARTIAL;

	if (form == SIM_TABLE_HEAD || form == SIM_TABLE) {
		(void)evbuffer_add_printf(line,
		    "{\"type\":\"BOOKMARK\",\"object\":");
		sim_table_bookmark(line, kind, rv, initial_end);
		(void)evbuffer_add(line, "}\n", 2);
		return line_end(line);
	}
	(void)evbuffer_add_printf(line, "{\"type\":\"BOOKMARK\",\"object\":{"
	    "\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{"
	    "\"resourceVersion\":\"%" PRIu64 "\"%s}%s}}\n",
	    partial ? "PartialObjectMetadata" : row->kind,
	    partial ? "meta.k8s.io/v1" : sim_kinds_api_version(kind),
	    rv, initial_end ? ",\"annotations\":{"
	    "\"k8s.io/initial-events-end\":\"true\"}" : "",
	    partial ? "" : row->bookmark_tail);
	return line_end(line);
}

struct sim_text *
sim_line_error(json_t *status)
{
	json_t *event = json_pack("{s:s, s:o}", "type", "ERROR", "object",
	    status);
	char *text = json_dumps(event, JSON_COMPACT);
	struct evbuffer *line = line_begin();

	if (text == NULL)
		abort();
	(void)evbuffer_add_printf(line, "%s\n", text);
	free(text);
	json_decref(event);
	return line_end(line);
}

struct sim_text *
sim_line_selected(const struct sim_event *ev, const struct sim_selector *s,
    enum sim_form form)
{
	bool before = ev->change != SIM_ADDED &&
	    sim_selector_matches(s, ev->object, &ev->prev);
	bool after = ev->change != SIM_DELETED &&
	    sim_selector_matches(s, ev->object, &ev->st);
	struct sim_state left;

	if (!before && !after)
		return NULL;
	if (after)
		return sim_line_event(before ? SIM_MODIFIED : SIM_ADDED,
		    ev->object, &ev->st, form);
	if (ev->change == SIM_DELETED)
		return sim_line_event(SIM_DELETED, ev->object, &ev->st, form);
	left = ev->prev;             /* shares the overlay, not for long */
	left.rv = ev->rv;
	return sim_line_event(SIM_DELETED, ev->object, &left, form);
}

struct sim_text *
sim_line_member(struct sim_text *t)
{
	size_t n;
	void *member = sim_finish_member(t->data + t->line, t->line_len, &n);
	struct sim_text *made = sim_http_line(member, n);

	free(member);
	sim_text_unref(t);
	return made;
}
