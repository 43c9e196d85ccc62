/*
 * http_body: the body of a request, by its length or in chunks. Part of
 * http_request, and pure like it.
 */
#include "common/text.h"
#include "gateway/http_private.h"

#define CHUNK_DIGITS_MAX 8u

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_END_CR,
	CHUNK_END_LF,
	CHUNK_DONE
};

static enum http_progress
body_by_length(struct http_request *r, const char *bytes, size_t n,
    size_t *ret_used)
{
	size_t want = (size_t)r->content_length - r->body.len;
	size_t take = MIN(n, want);

	if (take > 0)
		buf_add(&r->body, bytes, take);
	*ret_used = take;
	return take == want ? HTTP_DONE : HTTP_MORE;
}

/* One byte of the framing between chunks; -1 = malformed. */
static int
chunk_frame_byte(struct http_request *r, char c)
{
	int digit;

	switch ((enum chunk_state)r->chunk_state) {
	case CHUNK_SIZE:
		digit = text_hex(c);
		if (digit >= 0) {
			if (++r->chunk_digits > CHUNK_DIGITS_MAX)
				return -1;
			r->chunk_left = r->chunk_left * 16 + (uint64_t)digit;
			return 0;
		}
		if (c != '\r' || r->chunk_digits == 0)
			return -1;
		r->chunk_state = CHUNK_SIZE_LF;
		return 0;
	case CHUNK_SIZE_LF:
		r->chunk_state = r->chunk_left > 0 ? CHUNK_DATA : CHUNK_END_CR;
		return c == '\n' ? 0 : -1;
	case CHUNK_DATA_CR:
		r->chunk_state = CHUNK_DATA_LF;
		return c == '\r' ? 0 : -1;
	case CHUNK_DATA_LF:
		r->chunk_state = CHUNK_SIZE;
		r->chunk_digits = 0;
		return c == '\n' ? 0 : -1;
	case CHUNK_END_CR:
		r->chunk_state = CHUNK_END_LF;
		return c == '\r' ? 0 : -1;
	case CHUNK_END_LF:
		r->chunk_state = CHUNK_DONE;
		return c == '\n' ? 0 : -1;
	case CHUNK_DATA:
	case CHUNK_DONE:
		break;
	}
	return -1;
}

static enum http_progress
body_by_chunks(struct http_request *r, const char *bytes, size_t n,
    size_t max, size_t *ret_used, struct http_problem *problem)
{
	size_t i = 0, take;

	while (i < n && r->chunk_state != CHUNK_DONE) {
		if (r->chunk_state != CHUNK_DATA) {
			if (chunk_frame_byte(r, bytes[i]) == -1)
				return http_bad(problem, 400,
				    "malformed chunk");
			i++;
			if (r->chunk_state == CHUNK_DATA &&
			    r->chunk_left > max - r->body.len)
				return http_bad(problem, 413, "body too large");
			continue;
		}
		take = MIN(n - i, (size_t)r->chunk_left);
		buf_add(&r->body, bytes + i, take);
		r->chunk_left -= take;
		i += take;
		if (r->chunk_left == 0)
			r->chunk_state = CHUNK_DATA_CR;
	}
	*ret_used = i;
	return r->chunk_state == CHUNK_DONE ? HTTP_DONE : HTTP_MORE;
}

enum http_progress
http_body_take(struct http_request *r, const char *bytes, size_t n,
    size_t max, size_t *ret_used, struct http_problem *ret_problem)
{
	*ret_used = 0;
	if (r->chunked)
		return body_by_chunks(r, bytes, n, max, ret_used, ret_problem);
	if (r->content_length > max)
		return http_bad(ret_problem, 413, "body too large");
	return body_by_length(r, bytes, n, ret_used);
}
