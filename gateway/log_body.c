#include "gateway/log_body.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json_slice.h"
#include "common/utf8.h"
#include "gateway/base64.h"
#include "gateway/log_line.h"

#define ROOM_MIN 256u   /* of a piece: the event is told to be too large */

/* A line as it goes into its events. */
struct line {
	struct slice	text;         /* or bytes, with base64 */
	bool		base64;
	bool		lossy;
	bool		last;
	struct slice	object;       /* ndjson; else n 0 */
	bool		own_stream;   /* the object has these itself */
	bool		own_level;
	bool		own_step_id;
	bool		own_step_index;
	struct slice	ts;           /* raw, of the object; n 0 */
	struct slice	step_id;      /* likewise */
};

static void
start(struct log_body *b, const struct log_ask *ask,
    struct publish_body *events, publish_problem_cb cb, void *arg)
{
	b->ask = ask;
	b->events = events;
	b->lines = 0;
	b->cb = cb;
	b->arg = arg;
	b->problems = 0;
	events->list = true;
}

static void
problem(struct log_body *b, const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "[%" PRIu64 "]%s%s", b->lines,
	    *name != '\0' ? "." : "", name);
	b->problems++;
	b->cb(path, "schema_violation", text, b->arg);
}

/* The place of the next event: it is of this line. */
static size_t
next_event(struct log_body *b)
{
	b->line_of[b->events->n_made] = (uint32_t)b->lines;
	return b->events->n_made;
}

/* --- an event ------------------------------------------------------------- */

static void
add_text(struct buf *out, const char *name, struct slice s)
{
	if (s.n == 0)
		return;
	buf_addc(out, ',');
	buf_json_member(out, name, s);
}

/* Members that the made event has from elsewhere. */
static bool
is_made(struct slice name)
{
	static const char *const made[] = { "\"line\"", "\"attempt\"",
	    "\"encoding\"", "\"last\"" };

	for (size_t i = 0; i < NELEM(made); i++)
		if (slice_is(name, made[i]))
			return true;
	return false;
}

static void
add_members(struct buf *out, const struct line *line)
{
	struct slice at, name, value;

	if (line->object.n == 0 || !json_slice_object(line->object, &at))
		return;
	while (json_slice_pair(&at, &name, &value)) {
		if (is_made(name))
			continue;
		buf_addc(out, ',');
		buf_add(out, name.p, name.n);
		buf_addc(out, ':');
		buf_add(out, value.p, value.n);
	}
}

/* What stands before the piece in `data`, and in front of it. */
static void
add_head(const struct log_body *b, const struct line *line)
{
	const struct log_ask *ask = b->ask;
	struct buf *out = &b->events->made;

	buf_adds(out, "{\"stream_key\":\"");
	buf_json_text(out, ask->key.p, ask->key.n);
	buf_addf(out, "\",\"event_type\":\"%s\"", ask->event_type);
	if (line->step_id.n > 2) {
		buf_adds(out, ",\"subject\":");
		buf_add(out, line->step_id.p, line->step_id.n);
	} else if (!line->own_step_id) {
		add_text(out, "subject", ask->step_id);
	}
	if (line->ts.n > 0) {
		buf_adds(out, ",\"timestamp\":");
		buf_add(out, line->ts.p, line->ts.n);
	}
	buf_adds(out, ",\"data\":{\"line\":\"");
}

static void
add_tail(const struct log_body *b, const struct line *line, bool partial)
{
	const struct log_ask *ask = b->ask;
	struct buf *out = &b->events->made;

	buf_addf(out, "\",\"line_no\":%" PRIu64 ",\"attempt\":%" PRIu32,
	    ask->first + b->lines, ask->attempt);
	if (!line->own_stream)
		add_text(out, "stream", ask->stream);
	if (!line->own_level)
		add_text(out, "level", ask->level);
	if (!line->own_step_id)
		add_text(out, "step_id", ask->step_id);
	if (!line->own_step_index && ask->step_index >= 0)
		buf_addf(out, ",\"step_index\":%" PRId64, ask->step_index);
	add_members(out, line);
	if (line->base64)
		buf_adds(out, ",\"encoding\":\"base64\"");
	if (line->lossy)
		buf_adds(out, ",\"lossy\":true");
	if (partial)
		buf_adds(out, ",\"partial\":true");
	else if (line->last)
		buf_adds(out, ",\"last\":true");
	buf_adds(out, "}}");
}

/* Bytes that the text of a line may have in its event. */
static size_t
room_for(struct log_body *b, const struct line *line)
{
	size_t begin = b->events->made.len, around;

	add_head(b, line);
	add_tail(b, line, true);
	around = b->events->made.len - begin;
	b->events->made.len = begin;
	return around + ROOM_MIN < b->ask->max_event ?
	    (size_t)b->ask->max_event - around : ROOM_MIN;
}

static bool
add_piece(struct log_body *b, const struct line *line, struct slice piece,
    bool partial)
{
	struct buf *out = &b->events->made;
	size_t place = next_event(b);

	add_head(b, line);
	if (line->base64)
		base64_encode(out, piece.p, piece.n);
	else
		buf_json_text(out, piece.p, piece.n);
	add_tail(b, line, partial);
	if (out->len > LOG_MADE_MAX) {
		publish_body_stop(b->events, place, 413, "too_large",
		    "these lines are more than %u bytes as events: send "
		    "fewer in a request", LOG_MADE_MAX);
		return false;
	}
	return publish_body_made(b->events);
}

/* False: the body has become too large. */
static bool
add_line(struct log_body *b, const struct line *line)
{
	size_t room = room_for(b, line), max = (size_t)b->ask->max_line, n;
	struct slice rest = line->text, piece;

	do {
		n = line->base64 ? log_line_piece_base64(rest, max, room) :
		    log_line_piece(rest, max, room);
		piece = (struct slice){ rest.p, n };
		rest = (struct slice){ rest.p + n, rest.n - n };
		if (!add_piece(b, line, piece, rest.n > 0))
			return false;
	} while (rest.n > 0);
	b->lines++;
	return true;
}

/* --- text/plain ----------------------------------------------------------- */

void
log_body_text(struct log_body *b, const struct log_ask *ask,
    struct publish_body *events, struct slice body, publish_problem_cb cb,
    void *arg)
{
	bool more;

	start(b, ask, events, cb, arg);
	/* The end of a log that had ended with a whole line before. */
	more = body.n > 0 || ask->last;
	while (more) {
		struct line line = { .text = { "", 0 } };

		(void)log_line_next(&body, &line.text);
		more = body.n > 0;
		if (!utf8_valid(line.text.p, line.text.n)) {
			line.base64 = ask->base64;
			line.lossy = !ask->base64;
		}
		line.last = ask->last && !more;
		if (!add_line(b, &line))
			break;
	}
	publish_body_read(events);
}

/* --- ndjson --------------------------------------------------------------- */

static bool
has(const struct json_value *object, const char *name)
{
	return json_tree_member(object, name) != NULL;
}

static void
check_counted(struct log_body *b, const struct json_value *object)
{
	const struct json_value *v = json_tree_member(object, "attempt");

	if (has(object, "line_no"))
		problem(b, "line_no", "is given by the server");
	if (has(object, "partial"))
		problem(b, "partial", "is given by the server");
	if (v != NULL && (v->type != JSON_TREE_NUMBER ||
	    v->number < b->ask->attempt || v->number > b->ask->attempt))
		problem(b, "attempt", "must be that of the request");
}

/* The line itself; base64 is decoded into `bytes`. */
static void
read_text(struct log_body *b, const struct json_value *object,
    struct line *line, struct buf *bytes)
{
	const struct json_value *v = json_tree_member(object, "line");
	const struct json_value *e = json_tree_member(object, "encoding");
	struct slice encoding = json_tree_text(e);

	if (!json_tree_is(v, JSON_TREE_STRING)) {
		problem(b, "line", v == NULL ? "is required" :
		    "must be a string");
		return;
	}
	line->text = v->text;
	if (e == NULL || slice_is(encoding, "utf-8")) {
		if (memchr(line->text.p, '\n', line->text.n) != NULL ||
		    memchr(line->text.p, '\r', line->text.n) != NULL)
			problem(b, "line", "has a line break");
	} else if (slice_is(encoding, "base64")) {
		line->base64 = true;
		if (!base64_decode(line->text, bytes))
			problem(b, "line", "is not base64");
		/* Of an empty line there is no buffer, and pieces are cut off
		 * at a place. */
		line->text = (struct slice){ bytes->data != NULL ?
		    (const char *)bytes->data : "", bytes->len };
	} else {
		problem(b, "encoding", "must be utf-8 or base64");
	}
}

static void
read_members(struct log_body *b, const struct json_value *object, bool final,
    struct line *line)
{
	const struct json_value *v = json_tree_member(object, "last");
	bool last = json_tree_is(v, JSON_TREE_TRUE);

	if (v != NULL && !last && v->type != JSON_TREE_FALSE)
		problem(b, "last", "must be true or false");
	else if (last && !final)
		problem(b, "last", "is the last line's only");
	line->last = last || (final && b->ask->last);
	line->object = object->raw;
	line->own_stream = has(object, "stream");
	line->own_level = has(object, "level");
	line->own_step_id = has(object, "step_id");
	line->own_step_index = has(object, "step_index");
	v = json_tree_member(object, "ts");
	if (json_tree_is(v, JSON_TREE_STRING))
		line->ts = v->raw;
	v = json_tree_member(object, "step_id");
	if (json_tree_is(v, JSON_TREE_STRING))
		line->step_id = v->raw;
}

/* False: the body can not be read on. */
static bool
add_object(struct log_body *b, struct slice raw, bool final)
{
	struct line line = { .text = { "", 0 } };
	struct buf bytes = BUF_EMPTY;
	struct json_tree tree = { .blocks = NULL };
	json_error_t e;
	struct json_value *object = json_tree_parse(&tree, raw, &e);
	unsigned int before = b->problems;
	bool more = true;

	if (object == NULL) {
		publish_body_stop(b->events, next_event(b), 400,
		    "invalid_json", "line %" PRIu64 ": %s", b->lines, e.text);
		json_tree_free(&tree);
		return false;
	}
	if (object->type == JSON_TREE_OBJECT) {
		check_counted(b, object);
		read_text(b, object, &line, &bytes);
		read_members(b, object, final, &line);
	} else {
		problem(b, "", "a line must be an object");
	}
	if (b->problems == before)
		more = add_line(b, &line);
	else
		b->lines++;
	json_tree_free(&tree);
	buf_free(&bytes);
	return more;
}

static struct slice
trimmed(struct slice s)
{
	while (s.n > 0 && strchr(" \t\r\n", s.p[0]) != NULL && s.p[0] != '\0')
		s = (struct slice){ s.p + 1, s.n - 1 };
	while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL &&
	    s.p[s.n - 1] != '\0')
		s.n--;
	return s;
}

void
log_body_ndjson(struct log_body *b, const struct log_ask *ask,
    struct publish_body *events, struct slice body, publish_problem_cb cb,
    void *arg)
{
	struct slice raw;
	const char *lf;
	bool more = true;

	start(b, ask, events, cb, arg);
	body = trimmed(body);
	while (more && body.n > 0) {
		lf = memchr(body.p, '\n', body.n);
		raw = (struct slice){ body.p, lf == NULL ? body.n :
		    (size_t)(lf - body.p) };
		body = (struct slice){ body.p + raw.n, body.n - raw.n };
		body = trimmed(body);
		raw = trimmed(raw);
		if (b->lines >= EVENT_BATCH_MAX)
			publish_body_stop(events, next_event(b), 413,
			    "too_large", "more than %u lines in one request",
			    EVENT_BATCH_MAX);
		else if (add_object(b, raw, body.n == 0))
			continue;
		more = false;
	}
	publish_body_read(events);
}

/* --- problems ------------------------------------------------------------- */

/* "[7].data.level" of an event is "[5].level" of its line; a timestamp came
 * from ts, a subject from step_id. */
static void
problem_cb(const char *path, const char *code,
    const char *problem_text, void *arg)
{
	struct log_body *b = arg;
	const char *rest = path + 1;
	char where[160];
	size_t event = 0;

	/* Of a body without an event. */
	if (*path == '\0') {
		b->cb(path, code, problem_text, b->arg);
		return;
	}
	for (; *rest >= '0' && *rest <= '9' && event < EVENT_BATCH_MAX; rest++)
		event = event * 10 + (size_t)(*rest - '0');
	assert(*path == '[' && *rest == ']' && event < NELEM(b->line_of));
	rest++;
	if (strncmp(rest, ".data.", 6) == 0)
		rest += 5;
	else if (strcmp(rest, ".timestamp") == 0)
		rest = ".ts";
	else if (strcmp(rest, ".subject") == 0)
		rest = ".step_id";
	(void)snprintf(where, sizeof(where), "[%" PRIu32 "]%s",
	    b->line_of[event], rest);
	b->cb(where, code, problem_text, b->arg);
}

void
log_body_check(struct log_body *b, struct slice tenant,
    struct slice publisher, int64_t now_unix_ms, const struct conf *conf)
{
	/* There were lines, all of them wrong: no body without an event. */
	if (b->problems > 0 && b->events->n == 0 && b->events->status == 0)
		return;
	publish_body_check(b->events, tenant, publisher, now_unix_ms, conf,
	    problem_cb, b);
}
