#include "gateway/cloud_event.h"

#include "gateway/json_slice.h"

static const struct {
	const char	*member;     /* with its quotes, as in the JSON */
	const char	*attribute;  /* NULL: another one says it */
} names[] = {
	{ "\"id\"", "id" },
	{ "\"type\"", NULL },
	{ "\"stream_key\"", "streamkey" },
	{ "\"event_type\"", "type" },
	{ "\"timestamp\"", "time" },
	{ "\"source\"", "source" },
	{ "\"subject\"", "subject" },
	{ "\"version\"", "version" },
	{ "\"tenant\"", "tenant" },
	{ "\"correlation_id\"", "correlationid" },
	{ "\"traceparent\"", "traceparent" },
	{ "\"idempotency_key\"", "idempotencykey" },
	{ "\"terminal\"", "terminal" },
	{ "\"data\"", "data" },
};

static bool
add_attribute(struct buf *b, struct slice name, struct slice value)
{
	if (slice_is(name, "\"seq\"")) {
		buf_addf(b, ",\"sequence\":\"%.*s\"", (int)value.n, value.p);
		return true;
	}
	for (size_t i = 0; i < NELEM(names); i++) {
		if (!slice_is(name, names[i].member))
			continue;
		if (names[i].attribute == NULL)
			return true;
		buf_addf(b, ",\"%s\":", names[i].attribute);
		buf_add(b, value.p, value.n);
		return true;
	}
	return false;
}

bool
cloud_event(struct buf *b, struct slice event)
{
	size_t start = b->len;
	struct slice at, name, value;
	bool known;

	if (!json_slice_object(event, &at))
		return false;
	buf_adds(b, "{\"specversion\":\"1.0\"");
	do {
		known = json_slice_pair(&at, &name, &value) &&
		    add_attribute(b, name, value);
	} while (known && at.n > 0 && *at.p == ',');
	/* What has no attribute would be lost without a word. */
	if (!known || !slice_is(at, "}")) {
		b->len = start;
		return false;
	}
	buf_addc(b, '}');
	return true;
}
