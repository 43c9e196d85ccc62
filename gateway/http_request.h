/*
 * http_request: HTTP/1.1 requests (RFC 9110, 9112) for the gateway.
 *
 * Pure: bytes in, a checked request out; no socket, clock or libevent. Works
 * on a bounded buffer, however the bytes are cut into reads:
 *
 *	http_head_scan()     looks for the end of the head, refuses early
 *	http_request_parse() turns a whole head into a request
 *	http_body_take()     takes the body's bytes, if the head announced one
 *			     (http_body.c; the target is read in http_target.c)
 *
 * Strict on purpose: whatever two parsers could read differently is refused,
 * since a proxy in front of us may be the other one (request smuggling).
 * Refused: both framings, a second Host or Content-Length (or another field
 * that may stand there once and that we act upon), obs-fold, bare CR
 * or LF, NUL and other control characters, a space before a colon, any
 * Transfer-Encoding but exactly "chunked", chunk extensions and trailers, a
 * body on GET or HEAD, an absolute target of another host, "." and ".."
 * segments, percent escapes that are not UTF-8 text.
 */
#ifndef SLUICE_HTTP_REQUEST_H
#define SLUICE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/macros.h"

#define HTTP_HEAD_MAX      (16u * 1024)   /* request line and fields */
#define HTTP_TARGET_MAX    (8u * 1024)
#define HTTP_HEADERS_MAX   100u
#define HTTP_SEGMENTS_MAX  16u
#define HTTP_PARAMS_MAX    128u
#define HTTP_METHOD_MAX    16u            /* bytes of a method token */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER,          /* a token we have no use for: 405 */
	HTTP_METHODS
};

enum http_progress {
	HTTP_MORE,           /* needs more bytes */
	HTTP_DONE,
	HTTP_BAD             /* refuse with problem.status and close */
};

/* Why a request was refused: the answer's status and a text for its body. */
struct http_problem {
	int		 status;
	const char	*text;
};

/* Where the search for the end of the head stands. All zero at first. */
struct http_scan {
	size_t			seen;       /* bytes examined */
	size_t			head_len;   /* with HTTP_DONE: head's bytes */
	size_t			line;       /* where the current line began */
	struct http_problem	problem;
};

struct http_pair {
	struct slice	name;
	struct slice	value;
};

struct http_request {
	enum http_method	method;
	int			minor;         /* HTTP/1.<minor>: 0 or 1 */
	bool			keep_alive;
	bool			expect;        /* 100-continue is waited for */
	bool			chunked;
	uint64_t		content_length;
	struct slice		target;        /* as received */
	struct slice		host;          /* may be empty with 1.0 */
	size_t			n_segments;
	uint32_t		escaped;       /* bit i: segment i was */
	bool			slash_last;    /* one more "/" than segments */
	size_t			n_params;
	size_t			n_headers;
	struct buf		body;
	/* private to http_body_take */
	int			chunk_state;
	unsigned int		chunk_digits;
	uint64_t		chunk_left;
	size_t			text_len;      /* private: used of `text` */
	/* Of these as many are filled in as the counts say. */
	struct slice		segments[HTTP_SEGMENTS_MAX];  /* decoded */
	struct http_pair	params[HTTP_PARAMS_MAX];      /* decoded */
	struct http_pair	headers[HTTP_HEADERS_MAX];
	/* private: what the slices point into */
	char			text[HTTP_TARGET_MAX + 1];
	char			head[HTTP_HEAD_MAX];
};

/* `bytes` is everything received of this request so far; call it again with
 * the same bytes and more. */
enum http_progress	 http_head_scan(struct http_scan *s, const char *bytes,
			    size_t n);
/* Parses a whole head (n = head_len), which is copied. NULL with *ret_problem;
 * else to be released by http_request_free. */
struct http_request	*http_request_parse(const char *head, size_t n,
			    struct http_problem *ret_problem) MUST_CHECK;
void			 http_request_free(struct http_request *r);
/* Takes body bytes into r->body; *ret_used says how many of them belonged to
 * this request. `max` bounds the body (413). HTTP_DONE at once when the
 * request has none. */
enum http_progress	 http_body_take(struct http_request *r,
			    const char *bytes, size_t n, size_t max,
			    size_t *ret_used, struct http_problem *ret_problem);

/* The first field of that name (case-insensitive), SLICE_NONE if absent. */
struct slice	 http_header(const struct http_request *r, const char *name);
/* How often the field stands there. */
size_t		 http_header_count(const struct http_request *r,
		    const char *name);
/* The first parameter of that name; SLICE_NONE (p NULL) if absent. */
struct slice	 http_param(const struct http_request *r, const char *name);
/* True when the body's media type is `name`, whatever its parameters. */
bool		 http_content_type_is(const struct http_request *r,
		    const char *name);
const char	*http_method_name(enum http_method method);
bool		 http_slice_is_nocase(struct slice a, const char *s);
/* True when the comma-separated list names the token (case-insensitive). */
bool		 http_list_has(struct slice list, const char *token);

#endif
