#include "gateway/sse_frame.h"

#include <inttypes.h>
#include <string.h>

#include "common/mono.h"
#include "gateway/stream_kind.h"

#define CHUNK_HEAD_MAX 10u   /* "ffffffff" CRLF */

static const char *const reason_names[SSE_REASON_MAX] = {
	[SSE_REASON_NONE] = "none",
	[SSE_EVICTED] = "evicted",
	[SSE_SLOW_CONSUMER] = "slow_consumer",
	[SSE_EPOCH_CHANGED] = "epoch_changed",
	[SSE_CURSOR_AHEAD] = "cursor_ahead",
	[SSE_IDLE_TIMEOUT] = "idle_timeout",
	[SSE_MAX_DURATION] = "max_duration",
	[SSE_SHUTDOWN] = "shutdown",
	[SSE_OVERLOADED] = "overloaded",
	[SSE_ADMIN] = "admin",
	[SSE_TOKEN_EXPIRED] = "token_expired",
};

static const char *const reserved_names[] = {
	"stream.open", "snapshot", "metadata", "heartbeat", "stream.gap",
	"stream.end", "stream.error", "stream.closing", "error", "open",
	"message", "connected",
};

const char *
sse_reason_name(enum sse_reason reason)
{
	return reason_names[reason];
}

bool
sse_reason_is_clean(enum sse_reason reason)
{
	return reason == SSE_IDLE_TIMEOUT || reason == SSE_MAX_DURATION ||
	    reason == SSE_ADMIN || reason == SSE_TOKEN_EXPIRED;
}

bool
sse_name_reserved(struct slice event_type)
{
	size_t i;

	for (i = 0; i < NELEM(reserved_names); i++)
		if (slice_is(event_type, reserved_names[i]))
			return true;
	return event_type.n > 7 && memcmp(event_type.p, "stream.", 7) == 0;
}

/* --- framing -------------------------------------------------------------- */

/* A chunk's size stands before its content: room for the longest head is
 * kept, and the content moved down when its size is known. */
static size_t
chunk_begin(struct buf *b)
{
	size_t start = b->len;

	buf_add(b, "0000000000", CHUNK_HEAD_MAX);
	return start;
}

static void
chunk_end(struct buf *b, size_t start)
{
	static const char digits[] = "0123456789abcdef";
	size_t size = b->len - start - CHUNK_HEAD_MAX;
	char head[CHUNK_HEAD_MAX];
	size_t n = CHUNK_HEAD_MAX, left = size;

	head[--n] = '\n';
	head[--n] = '\r';
	do {
		head[--n] = digits[left & 15];
		left >>= 4;
	} while (left > 0);
	memcpy(b->data + start, head + n, CHUNK_HEAD_MAX - n);
	memmove(b->data + start + CHUNK_HEAD_MAX - n,
	    b->data + start + CHUNK_HEAD_MAX, size);
	b->len -= n;
	buf_add(b, "\r\n", 2);
}

static bool
is_line(const void *p, size_t n)
{
	return memchr(p, '\n', n) == NULL && memchr(p, '\r', n) == NULL &&
	    memchr(p, '\0', n) == NULL;
}

/* "data: <from data_start>": closes the line, adds the id, ends the frame.
 * -1 (and b as it was at `start`) when the line breaks a rule. */
static int
frame_end(struct buf *b, size_t start, size_t data_start, struct position id)
{
	char text[EVENT_ID_MAX];
	size_t n = b->len - data_start;

	if (n == 0 || n > EVENT_DATA_LINE_MAX ||
	    !is_line(b->data + data_start, n)) {
		b->len = start;
		return -1;
	}
	if (id.epoch != 0) {
		buf_adds(b, "\nid: ");
		buf_adds(b, position_format(id, text));
	}
	buf_add(b, "\n\n", 2);
	chunk_end(b, start);
	return 0;
}

/* A position as a JSON string; nothing known is "-1", a cursor too. */
static void
add_position(struct buf *b, const char *name, struct position pos)
{
	char text[EVENT_ID_MAX];

	buf_addf(b, "\"%s\":\"%s\"", name,
	    pos.epoch == 0 ? "-1" : position_format(pos, text));
}

/* --- events --------------------------------------------------------------- */

int
sse_event(struct buf *b, const struct item *item)
{
	char id[EVENT_ID_MAX];
	size_t start, data_start;

	if (!event_type_valid(item->event_type) || item->position.epoch == 0)
		return -1;
	start = chunk_begin(b);
	buf_adds(b, "event: ");
	buf_add(b, item->event_type.p, item->event_type.n);
	buf_adds(b, "\ndata: ");
	data_start = b->len;
	buf_adds(b, "{\"id\":\"");
	buf_adds(b, position_format(item->position, id));
	buf_addf(b, "\",\"seq\":%" PRIu64 ",", item->seq);
	buf_add(b, item->frame.p, item->frame.n);
	return frame_end(b, start, data_start, item->position);
}

/* The rest of a line that begins with `name`; *at moves behind it. */
static bool
take_line(struct slice *at, const char *name, struct slice *ret)
{
	size_t n = strlen(name);
	const char *lf = at->n > 0 ? memchr(at->p, '\n', at->n) : NULL;

	if (lf == NULL || (size_t)(lf - at->p) < n ||
	    memcmp(at->p, name, n) != 0)
		return false;
	*ret = (struct slice){ at->p + n, (size_t)(lf - at->p) - n };
	at->n -= (size_t)(lf + 1 - at->p);
	at->p = lf + 1;
	return true;
}

bool
sse_event_parts(const void *chunk, size_t n, struct sse_parts *ret)
{
	struct slice at = { chunk, n }, size;

	return take_line(&at, "", &size) &&
	    take_line(&at, "event: ", &ret->event) &&
	    take_line(&at, "data: ", &ret->data) &&
	    take_line(&at, "id: ", &ret->id);
}

int
sse_event_of(struct buf *b, const struct sse_parts *parts)
{
	struct position id = { 0, 0 };
	size_t start, data_start;

	if (!event_type_valid(parts->event) || (parts->id.p != NULL &&
	    !position_parse(parts->id, &id)))
		return -1;
	start = chunk_begin(b);
	buf_adds(b, "event: ");
	buf_add(b, parts->event.p, parts->event.n);
	buf_adds(b, "\ndata: ");
	data_start = b->len;
	buf_add(b, parts->data.p, parts->data.n);
	return frame_end(b, start, data_start, id);
}

int
sse_snapshot(struct buf *b, const struct item *item, struct position as_of,
    uint32_t i, uint32_t n, struct position id)
{
	struct slice data = item_data(item);
	size_t start, data_start;

	if (!event_type_valid(item->event_type) || as_of.epoch == 0)
		return -1;
	start = chunk_begin(b);
	buf_adds(b, "event: snapshot\ndata: ");
	data_start = b->len;
	buf_addc(b, '{');
	buf_json_member(b, "stream_key", item->key);
	buf_addc(b, ',');
	buf_json_member(b, "event_type", item->event_type);
	buf_addc(b, ',');
	if (item->subject.n > 0) {
		buf_json_member(b, "subject", item->subject);
		buf_addc(b, ',');
	}
	buf_addf(b, "\"seq\":%" PRIu64 ",", item->seq);
	add_position(b, "as_of", as_of);
	buf_adds(b, ",\"data\":");
	buf_add(b, data.p, data.n);
	buf_addf(b, ",\"i\":%" PRIu32 ",\"n\":%" PRIu32 "}", i, n);
	return frame_end(b, start, data_start, id);
}

/* --- control frames ------------------------------------------------------- */

static void
add_open(struct buf *b, const struct sse_control *c, struct slice keys)
{
	buf_adds(b, "{\"stream_keys\":");
	buf_add(b, keys.p, keys.n);
	buf_addf(b, ",\"epoch\":\"%08" PRIx32 "\",", c->tip.epoch);
	add_position(b, "tip", c->tip);
	buf_addc(b, ',');
	add_position(b, "oldest", c->oldest);
	buf_addf(b, ",\"heartbeat_ms\":%" PRId64 ",\"idle_timeout_ms\":%"
	    PRId64 ",\"retry_ms\":%" PRId64 ",\"connection_id\":\"%" PRIx64
	    "\"}", c->heartbeat_ms, c->idle_timeout_ms, c->retry_ms, c->n);
}

static void
add_heartbeat(struct buf *b, const struct sse_control *c)
{
	char ts[MONO_RFC3339_SIZE];

	buf_addf(b, "{\"ts\":\"%s\",", wall_format(c->ts_unix_ms, ts));
	add_position(b, "tip", c->tip);
	buf_addf(b, ",\"n\":%" PRIu64 "}", c->n);
}

static void
add_gap(struct buf *b, const struct sse_control *c)
{
	buf_addc(b, '{');
	add_position(b, "from", c->oldest);
	buf_addc(b, ',');
	add_position(b, "to", c->tip);
	buf_addf(b, ",\"reason\":\"%s\"}", sse_reason_name(c->reason));
}

static void
add_closing(struct buf *b, const struct sse_control *c)
{
	buf_addf(b, "{\"reason\":\"%s\",\"retry_ms\":%" PRId64,
	    sse_reason_name(c->reason), c->retry_ms);
	if (c->tip.epoch != 0) {
		buf_addc(b, ',');
		add_position(b, "last_id", c->tip);
	}
	buf_addc(b, '}');
}

static void
add_end(struct buf *b, const struct sse_control *c, struct slice key)
{
	buf_addc(b, '{');
	buf_json_member(b, "stream_key", key);
	buf_addf(b, ",\"final_state\":\"%s\",",
	    lifecycle_word(c->state));
	add_position(b, "last_id", c->tip);
	buf_adds(b, ",\"reason\":\"terminal\"}");
}

static void
add_error(struct buf *b, const struct sse_control *c)
{
	buf_adds(b, "{\"code\":\"snapshot_unavailable\",\"message\":\"");
	if (c->kind == SSE_TOO_LARGE)
		buf_addf(b, "the snapshot of these streams would be larger "
		    "than %" PRIu64 " MiB: subscribe to narrower selectors "
		    "(a longer prefix, or fewer streams)\","
		    "\"retrying\":false}", c->n);
	else
		buf_adds(b, "the store does not answer, or has not all of "
		    "these streams again yet; the snapshot follows when it "
		    "can\",\"retrying\":true}");
}

/* Frames that are not events: complete after this. */
static void
add_lines(struct buf *b, const struct sse_control *c)
{
	char id[EVENT_ID_MAX];
	size_t start = chunk_begin(b);

	if (c->kind == SSE_RETRY)
		buf_addf(b, "retry: %" PRId64 "\n", c->retry_ms);
	else
		buf_adds(b, ": heartbeat\n");
	if (c->id.epoch != 0)
		buf_addf(b, "id: %s\n", position_format(c->id, id));
	buf_addc(b, '\n');
	chunk_end(b, start);
}

int
sse_control(struct buf *b, const struct sse_control *c, struct slice keys)
{
	static const char *const names[SSE_KIND_MAX] = {
		[SSE_OPEN] = "stream.open",
		[SSE_HEARTBEAT] = "heartbeat",
		[SSE_GAP] = "stream.gap",
		[SSE_ERROR] = "stream.error",
		[SSE_TOO_LARGE] = "stream.error",
		[SSE_CLOSING] = "stream.closing",
		[SSE_END] = "stream.end",
	};
	size_t start, data_start;

	if (c->kind == SSE_RETRY || c->kind == SSE_HEARTBEAT_COMMENT) {
		add_lines(b, c);
		return 0;
	}
	if (names[c->kind] == NULL)
		return -1;
	start = chunk_begin(b);
	buf_addf(b, "event: %s\ndata: ", names[c->kind]);
	data_start = b->len;
	if (c->kind == SSE_OPEN)
		add_open(b, c, keys);
	else if (c->kind == SSE_HEARTBEAT)
		add_heartbeat(b, c);
	else if (c->kind == SSE_GAP)
		add_gap(b, c);
	else if (c->kind == SSE_CLOSING)
		add_closing(b, c);
	else if (c->kind == SSE_END)
		add_end(b, c, keys);
	else
		add_error(b, c);
	return frame_end(b, start, data_start, c->id);
}

void
sse_last_chunk(struct buf *b)
{
	buf_adds(b, "0\r\n\r\n");
}
