#include "tests/kubesim/sim_table.h"

#include <inttypes.h>
#include <string.h>

#include "tests/kubesim/sim_render.h"

#define MINUTE_S 60
#define HOUR_S   (60 * MINUTE_S)
#define DAY_S    (24 * HOUR_S)

#define NAME "{\"name\":\"Name\",\"type\":\"string\",\"format\":\"name\"," \
	"\"description\":\"Name must be unique within a namespace.\"," \
	"\"priority\":0}"
#define DATA "{\"name\":\"Data\",\"type\":\"string\",\"format\":\"\"," \
	"\"description\":\"Data contains the data.\",\"priority\":0}"
#define AGE "{\"name\":\"Age\",\"type\":\"string\",\"format\":\"\"," \
	"\"description\":\"CreationTimestamp is the server's time.\"," \
	"\"priority\":0}"

static bool
has_data(enum sim_kind kind)
{
	return kind == SIM_CONFIGMAP || kind == SIM_SECRET;
}

const char *
sim_table_columns(enum sim_kind kind)
{
	return has_data(kind) ? "[" NAME "," DATA "," AGE "]" :
	    "[" NAME "," AGE "]";
}

void
sim_table_begin(struct evbuffer *out, enum sim_kind kind, uint64_t rv,
    bool columns)
{
	(void)evbuffer_add_printf(out, "{\"kind\":\"Table\",\"apiVersion\":"
	    "\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%" PRIu64
	    "\"},\"columnDefinitions\":%s,\"rows\":[", rv, columns ?
	    sim_table_columns(kind) : "null");
}

/* As kubectl writes ages, but for the seconds beside minutes. */
static void
add_age(struct buf *b, int64_t seconds)
{
	if (seconds < 2 * MINUTE_S)
		buf_addf(b, "\"%" PRId64 "s\"", seconds);
	else if (seconds < 3 * HOUR_S)
		buf_addf(b, "\"%" PRId64 "m\"", seconds / MINUTE_S);
	else if (seconds < 2 * DAY_S)
		buf_addf(b, "\"%" PRId64 "h\"", seconds / HOUR_S);
	else
		buf_addf(b, "\"%" PRId64 "d\"", seconds / DAY_S);
}

static size_t
data_members(const struct sim_object *o, const struct sim_state *st)
{
	json_t *doc = sim_render_document(o, st, false);
	size_t n = json_object_size(json_object_get(doc, "data")) +
	    json_object_size(json_object_get(doc, "binaryData"));

	json_decref(doc);
	return n;
}

void
sim_table_row(struct evbuffer *out, const struct sim_object *o,
    const struct sim_state *st)
{
	struct buf b = BUF_EMPTY;
	int64_t age_ms = st->changed_ms - o->created_ms;

	buf_adds(&b, "{\"cells\":[\"");
	buf_json_text(&b, o->name, strlen(o->name));
	buf_adds(&b, "\",");
	if (has_data(o->kind))
		buf_addf(&b, "%zu,", data_members(o, st));
	add_age(&b, age_ms > 0 ? age_ms / 1000 : 0);
	buf_adds(&b, "],\"object\":");
	(void)evbuffer_add(out, b.data, b.len);
	buf_free(&b);
}

void
sim_table_bookmark(struct evbuffer *out, enum sim_kind kind, uint64_t rv,
    bool initial_end)
{
	sim_table_begin(out, kind, rv, false);
	(void)evbuffer_add_printf(out, "{\"cells\":[\"\",%s"
	    "\"\\u003cunknown\\u003e\"],\"object\":{\"kind\":"
	    "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
	    "\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"%s}}}]}",
	    has_data(kind) ? "0," : "", rv, initial_end ?
	    ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
}
