#include "gateway/cloud_event.h"

#include <string.h>

#include "common/json_slice.h"
#include "common/text.h"
#include "common/utf8.h"
#include "gateway/base64.h"

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

/* --- and back ------------------------------------------------------------- */

struct reading {
	struct buf		*out;
	const struct json_value	*event;
	struct slice		 tenant;
	envelope_problem_cb	 cb;
	void			*arg;
	unsigned int		 problems;
};

static void
problem(struct reading *r, const char *attribute, const char *text)
{
	r->problems++;
	r->cb(attribute, text, r->arg);
}

static struct slice
text_of(const struct reading *r, const char *attribute)
{
	return json_tree_text(json_tree_member(r->event, attribute));
}

/* Of these some other one, or the server, says what the event needs. */
static bool
is_passed_over(struct slice attribute)
{
	static const char *const passed[] = { "specversion", "id", "sequence",
	    "terminal", "tenant", "datacontenttype", "data", "data_base64" };

	return json_slice_named(attribute, passed, NELEM(passed));
}

static const char *
member_of(struct slice attribute)
{
	for (size_t i = 0; i < NELEM(names); i++)
		if (names[i].attribute != NULL &&
		    slice_is(attribute, names[i].attribute))
			return names[i].member;
	return NULL;
}

static void
add_member(struct reading *r, const char *quoted, struct slice value)
{
	buf_addf(r->out, "%s%s:", r->out->data[r->out->len - 1] == '{' ? "" :
	    ",", quoted);
	buf_add(r->out, value.p, value.n);
}

/* As it stands, so that numbers keep their digits. */
static void
copy(struct reading *r, const char *attribute, const char *quoted)
{
	const struct json_value *v = json_tree_member(r->event, attribute);

	if (v != NULL)
		add_member(r, quoted, v->raw);
}

static bool
is_absent(const struct json_value *v)
{
	return v == NULL || v->type == JSON_TREE_NULL;
}

bool
cloud_event_keyed_by_id(const struct json_value *cloud)
{
	return is_absent(json_tree_member(cloud, "idempotencykey"));
}

static void
read_attributes(struct reading *r)
{
	const struct json_value *v;
	char name[EVENT_TYPE_MAX + 1];
	const char *member;

	for (v = r->event->first; v != NULL; v = v->next) {
		if (is_passed_over(v->name) || is_absent(v))
			continue;
		member = member_of(v->name);
		if (member != NULL)
			add_member(r, member, v->raw);
		else
			problem(r, json_tree_name(v, name, sizeof(name)),
			    "is no attribute that an event can carry");
	}
}

static void
check_required(struct reading *r)
{
	static const char *const required[] = { "source", "type", "streamkey" };

	if (!slice_is(text_of(r, "specversion"), "1.0"))
		problem(r, "specversion", "must be 1.0");
	for (size_t i = 0; i < NELEM(required); i++)
		if (is_absent(json_tree_member(r->event, required[i])))
			problem(r, required[i], "is required");
	if (!is_absent(json_tree_member(r->event, "tenant")) &&
	    !slice_eq(text_of(r, "tenant"), r->tenant))
		problem(r, "tenant", "is not that of the token");
}

/* CloudEvents: source and id are one event's alone. */
static void
read_id(struct reading *r)
{
	struct slice id = text_of(r, "id");

	if (id.p == NULL || id.n == 0) {
		problem(r, "id", "is required, and a string");
		return;
	}
	if (id.n > EVENT_IDEM_KEY_MAX)
		problem(r, "id", "is too long");
	for (size_t i = 0; i < id.n; i++)
		if ((unsigned char)id.p[i] < 0x20 || id.p[i] == 0x7f) {
			problem(r, "id", "has a control character");
			return;
		}
	if (cloud_event_keyed_by_id(r->event))
		copy(r, "id", "\"idempotency_key\"");
}

static bool
is_json_type(struct slice type)
{
	const char *semicolon = memchr(type.p, ';', type.n);

	if (semicolon != NULL)
		type.n = (size_t)(semicolon - type.p);
	while (type.n > 0 && type.p[type.n - 1] == ' ')
		type.n--;
	return http_slice_is_nocase(type, "application/json") ||
	    (type.n > 5 && http_slice_is_nocase((struct slice){
	    type.p + type.n - 5, 5 }, "+json"));
}

/* Decoded, it goes into the event as it is: it must be one value, whole. */
static void
read_base64(struct reading *r)
{
	struct buf bytes = BUF_EMPTY;
	struct json_tree tree = { .blocks = NULL };
	struct slice text;

	if (!base64_decode(text_of(r, "data_base64"), &bytes)) {
		problem(r, "data_base64", "is not base64");
	} else {
		text = (struct slice){ (const char *)bytes.data, bytes.len };
		if (json_tree_is(json_tree_parse(&tree, text, NULL),
		    JSON_TREE_OBJECT))
			add_member(r, "\"data\"", text);
		else
			problem(r, "data_base64", "is not a JSON object");
	}
	json_tree_free(&tree);
	buf_free(&bytes);
}

static void
read_data(struct reading *r)
{
	const struct json_value *type = json_tree_member(r->event,
	    "datacontenttype");
	const struct json_value *bytes = json_tree_member(r->event,
	    "data_base64");

	if (!is_absent(type) && (type->type != JSON_TREE_STRING ||
	    !is_json_type(type->text)))
		problem(r, "datacontenttype", "must be JSON");
	if (is_absent(bytes))
		copy(r, "data", "\"data\"");
	else if (json_tree_member(r->event, "data") != NULL)
		problem(r, "data_base64", "stands beside data");
	else if (bytes->type != JSON_TREE_STRING)
		problem(r, "data_base64", "must be a string");
	else
		read_base64(r);
}

unsigned int
cloud_event_read(struct buf *b, const struct json_value *cloud,
    struct slice tenant, envelope_problem_cb cb, void *arg)
{
	struct reading r = { b, cloud, tenant, cb, arg, 0 };

	if (cloud->type != JSON_TREE_OBJECT) {
		problem(&r, "", "a CloudEvent must be an object");
		return r.problems;
	}
	/* Each is looked for in the whole. */
	if (cloud->n > CLOUD_EVENT_ATTRIBUTES_MAX) {
		problem(&r, "", "has too many attributes");
		return r.problems;
	}
	check_required(&r);
	buf_addc(b, '{');
	read_attributes(&r);
	read_id(&r);
	read_data(&r);
	buf_addc(b, '}');
	return r.problems;
}

const char *
cloud_event_name(const char *member, bool by_id)
{
	if (by_id && strcmp(member, "idempotency_key") == 0)
		return "id";
	for (size_t i = 0; i < NELEM(names); i++) {
		size_t n = strlen(names[i].member) - 2;

		if (names[i].attribute != NULL && strlen(member) == n &&
		    memcmp(member, names[i].member + 1, n) == 0)
			return names[i].attribute;
	}
	return member;
}

/* --- binary mode ---------------------------------------------------------- */

/* CloudEvents' HTTP binding, 3.1.3: percent-encoded UTF-8. */
static bool
add_header(struct buf *b, struct slice name, struct slice value)
{
	struct buf text = BUF_EMPTY;
	bool valid;
	bool number = slice_is(name, "version") && value.n > 0 && value.n < 10;

	for (size_t i = 0; i < value.n; i++) {
		int high = -1, low = -1;

		if (value.p[i] == '%' && i + 2 < value.n) {
			high = text_hex(value.p[i + 1]);
			low = text_hex(value.p[i + 2]);
		}
		number = number && value.p[i] >= '0' && value.p[i] <= '9' &&
		    value.p[0] != '0';
		if (high >= 0 && low >= 0) {
			buf_addc(&text, (char)(high << 4 | low));
			i += 2;
		} else {
			buf_addc(&text, value.p[i]);
		}
	}
	buf_addc(b, '"');
	buf_json_text(b, name.p, name.n);
	buf_adds(b, number ? "\":" : "\":\"");
	buf_json_text(b, (const char *)text.data, text.len);
	buf_adds(b, number ? "," : "\",");
	valid = utf8_valid((const char *)text.data, text.len);
	buf_free(&text);
	return valid;
}

bool
cloud_event_binary(struct buf *b, const struct http_pair *headers, size_t n,
    struct slice body)
{
	struct json_tree tree = { .blocks = NULL };
	bool valid = json_tree_parse(&tree, body, NULL) != NULL;
	char name[EVENT_TYPE_MAX + 1];

	json_tree_free(&tree);
	if (!valid)
		return false;
	buf_addc(b, '{');
	for (size_t i = 0; i < n; i++) {
		struct slice h = headers[i].name;

		if (h.n <= 3 ||
		    !http_slice_is_nocase((struct slice){ h.p, 3 }, "ce-"))
			continue;
		if (h.n - 3 > EVENT_TYPE_MAX)
			return false;
		for (size_t k = 3; k < h.n; k++)
			name[k - 3] = h.p[k] >= 'A' && h.p[k] <= 'Z' ?
			    (char)(h.p[k] - 'A' + 'a') : h.p[k];
		if (!add_header(b, (struct slice){ name, h.n - 3 },
		    headers[i].value))
			return false;
	}
	buf_adds(b, "\"data\":");
	buf_add(b, body.p, body.n);
	buf_addc(b, '}');
	return true;
}
