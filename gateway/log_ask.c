#include "gateway/log_ask.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"
#include "gateway/query_param.h"
#include "gateway/stream_kind.h"

static int
refuse(struct log_refusal *f, const char *name, int status, const char *code,
    const char *fmt, ...) PRINTF(5, 6);

static int
refuse(struct log_refusal *f, const char *name, int status, const char *code,
    const char *fmt, ...)
{
	va_list ap;

	f->name = name;
	f->status = status;
	f->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return -1;
}

/* The event type whose last may end the log; NULL: such have no log. */
static const char *
log_event(enum stream_type type)
{
	const struct stream_kind *kind = stream_kind(type);

	for (size_t i = 0; i < STREAM_KIND_EVENTS_MAX; i++)
		if (kind->events[i].name != NULL &&
		    (kind->events[i].flags & ITEM_LAST) != 0)
			return kind->events[i].name;
	return NULL;
}

static int
read_number(const struct http_request *r, const char *name, uint64_t min,
    uint64_t max, uint64_t *ret, struct log_refusal *f)
{
	struct slice s = http_param(r, name);

	if (s.p == NULL || query_param_number(s, min, max, ret))
		return 0;
	return refuse(f, name, 400, "bad_request", "%s must be a number from %"
	    PRIu64 " to %" PRIu64, name, min, max);
}

static int
read_text(const struct http_request *r, const char *name, size_t max,
    struct slice *ret, struct log_refusal *f)
{
	struct slice s = http_param(r, name);
	size_t length;

	if (s.p == NULL)
		return 0;
	if (s.n == 0 || s.n > max)
		return refuse(f, name, 400, "bad_request",
		    "%s must have 1 to %zu bytes", name, max);
	for (size_t i = 0; i < s.n; i += length) {
		length = utf8_length(s.p + i, s.n - i);
		if (length == 0 || utf8_control(s.p + i, length))
			return refuse(f, name, 400, "bad_request",
			    "%s has a control character", name);
	}
	*ret = s;
	return 0;
}

static int
read_words(const struct http_request *r, struct log_ask *ret,
    struct log_refusal *f)
{
	struct slice stream = http_param(r, "stream");
	struct slice last = http_param(r, "last");
	struct slice encoding = http_param(r, "encoding");

	ret->stream = stream.p == NULL ? slice_str("stdout") : stream;
	if (!slice_is(ret->stream, "stdout") &&
	    !slice_is(ret->stream, "stderr") &&
	    !slice_is(ret->stream, "system"))
		return refuse(f, "stream", 400, "bad_request",
		    "stream must be stdout, stderr or system");
	ret->last = slice_is(last, "1");
	if (last.p != NULL && !ret->last && !slice_is(last, "0"))
		return refuse(f, "last", 400, "bad_request",
		    "last must be 0 or 1");
	ret->base64 = slice_is(encoding, "base64");
	if (encoding.p != NULL && !ret->base64 && !slice_is(encoding, "utf-8"))
		return refuse(f, "encoding", 400, "bad_request",
		    "encoding must be utf-8 or base64");
	return 0;
}

static int
read_key(struct slice key, struct log_ask *ret, struct log_refusal *f)
{
	enum stream_type type;
	struct err err;

	if (stream_key_check(key, &type, &err) == -1)
		return refuse(f, "key", 400, "invalid_id", "%s", err.text);
	ret->key = key;
	ret->event_type = log_event(type);
	if (ret->event_type == NULL)
		return refuse(f, "key", 404, "not_found",
		    "streams of the type %s have no log",
		    stream_type_name(type));
	return 0;
}

static int
read_offset(const struct http_request *r, uint64_t *ret,
    struct log_refusal *f)
{
	struct slice s = http_header(r, "x-log-offset");

	*ret = 0;
	if (s.p == NULL || (http_header_count(r, "x-log-offset") == 1 &&
	    query_param_number(s, 1, LOG_OFFSET_MAX, ret)))
		return 0;
	return refuse(f, "X-Log-Offset", 400, "bad_request", "X-Log-Offset "
	    "must be the number that the first line is to have, from 1");
}

int
log_ask_read(const struct http_request *r, struct log_ask *ret,
    uint64_t *ret_offset, struct log_refusal *ret_refusal)
{
	struct log_ask ask = { .step_index = -1 };
	uint64_t step = UINT64_MAX, attempt = 1, offset;

	if (read_key(r->segments[3], &ask, ret_refusal) == -1 ||
	    read_words(r, &ask, ret_refusal) == -1 ||
	    read_text(r, "level", LOG_LEVEL_MAX, &ask.level,
	    ret_refusal) == -1 ||
	    read_text(r, "step_id", EVENT_SUBJECT_MAX, &ask.step_id,
	    ret_refusal) == -1 ||
	    read_number(r, "step_index", 0, INT32_MAX, &step,
	    ret_refusal) == -1 ||
	    read_number(r, "attempt", 1, INT32_MAX, &attempt,
	    ret_refusal) == -1 ||
	    read_offset(r, &offset, ret_refusal) == -1)
		return -1;
	if (step != UINT64_MAX)
		ask.step_index = (int64_t)step;
	ask.attempt = (uint32_t)attempt;
	ask.first = offset;
	*ret = ask;
	*ret_offset = offset;
	return 0;
}
