#include "gateway/http_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/xmalloc.h"
#include "gateway/http_private.h"

/* "METHOD " + target + " HTTP/1.1": a longer first line is 414 at once. */
#define REQUEST_LINE_MAX (HTTP_METHOD_MAX + 1 + HTTP_TARGET_MAX + 9)

static const char *const method_names[HTTP_METHODS] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
	[HTTP_OTHER] = "OTHER",
};

const char *
http_method_name(enum http_method method)
{
	return method_names[method];
}

bool
http_slice_is_nocase(struct slice a, const char *s)
{
	return a.n == strlen(s) && strncasecmp(a.p, s, a.n) == 0;
}

/* --- characters ----------------------------------------------------------- */

static bool
is_token(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

/* --- the end of the head -------------------------------------------------- */

/* One line was found: [s->line, end) without its CRLF. */
static enum http_progress
scan_line(struct http_scan *s, const char *bytes, size_t end)
{
	bool first = s->line == 0;

	if (end == s->line) {
		if (first)
			return http_bad(&s->problem, 400, "empty request line");
		s->head_len = end + 2;
		return HTTP_DONE;
	}
	if (!first && (bytes[s->line] == ' ' || bytes[s->line] == '\t'))
		return http_bad(&s->problem, 400, "folded header line");
	s->line = end + 2;
	return HTTP_MORE;
}

enum http_progress
http_head_scan(struct http_scan *s, const char *bytes, size_t n)
{
	enum http_progress progress;
	unsigned char c;

	for (; s->seen < n; s->seen++) {
		c = (unsigned char)bytes[s->seen];
		if (s->seen >= HTTP_HEAD_MAX)
			return http_bad(&s->problem, 431, "head over 16 KiB");
		if (s->line == 0 && s->seen > REQUEST_LINE_MAX)
			return http_bad(&s->problem, 414, "target over 8 KiB");
		if (c == '\n') {
			if (s->seen == 0 || bytes[s->seen - 1] != '\r')
				return http_bad(&s->problem, 400, "bare LF");
			progress = scan_line(s, bytes, s->seen - 1);
			if (progress != HTTP_MORE)
				return progress;
			continue;
		}
		if (s->seen > 0 && bytes[s->seen - 1] == '\r')
			return http_bad(&s->problem, 400, "bare CR");
		if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
			return http_bad(&s->problem, 400, "control character");
	}
	return HTTP_MORE;
}

/* --- request line and fields ---------------------------------------------- */

static int
parse_request_line(struct http_request *r, struct slice line,
    struct http_problem *problem)
{
	const char *sp, *sp2;
	struct slice method, version;
	size_t i;

	sp = memchr(line.p, ' ', line.n);
	if (sp == NULL)
		return http_problem_set(problem, 400, "malformed request line");
	method = (struct slice){ line.p, (size_t)(sp - line.p) };
	sp2 = memchr(sp + 1, ' ', line.n - method.n - 1);
	if (sp2 == NULL)
		return http_problem_set(problem, 400, "malformed request line");
	r->target = (struct slice){ sp + 1, (size_t)(sp2 - sp - 1) };
	version = (struct slice){ sp2 + 1,
	    line.n - method.n - r->target.n - 2 };
	if (method.n == 0 || method.n > HTTP_METHOD_MAX || r->target.n == 0)
		return http_problem_set(problem, 400, "malformed request line");
	r->method = HTTP_OTHER;
	for (i = 0; i < method.n; i++)
		if (!is_token((unsigned char)method.p[i]))
			return http_problem_set(problem, 400,
			    "malformed method");
	for (i = 0; i < HTTP_OTHER; i++)
		if (slice_is(method, method_names[i]))
			r->method = (enum http_method)i;
	if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 ||
	    version.p[6] != '.')
		return http_problem_set(problem, 400, "malformed HTTP version");
	if (slice_is(version, "HTTP/1.1"))
		r->minor = 1;
	else if (slice_is(version, "HTTP/1.0"))
		r->minor = 0;
	else
		return http_problem_set(problem, 505,
		    "only HTTP/1.1 is spoken");
	return 0;
}

static int
parse_field(struct http_request *r, struct slice line,
    struct http_problem *problem)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct http_pair *h;
	size_t i;

	if (colon == NULL || colon == line.p)
		return http_problem_set(problem, 400,
		    "header line without a name");
	if (r->n_headers == HTTP_HEADERS_MAX)
		return http_problem_set(problem, 431,
		    "more than 100 header lines");
	h = &r->headers[r->n_headers];
	h->name = (struct slice){ line.p, (size_t)(colon - line.p) };
	for (i = 0; i < h->name.n; i++)
		if (!is_token((unsigned char)h->name.p[i]))
			return http_problem_set(problem, 400,
			    "character in a header name, or a space before "
			    "its colon");
	h->value = (struct slice){ colon + 1, line.n - h->name.n - 1 };
	while (h->value.n > 0 && (h->value.p[0] == ' ' ||
	    h->value.p[0] == '\t')) {
		h->value.p++;
		h->value.n--;
	}
	while (h->value.n > 0 && (h->value.p[h->value.n - 1] == ' ' ||
	    h->value.p[h->value.n - 1] == '\t'))
		h->value.n--;
	r->n_headers++;
	return 0;
}

static bool
is_host(struct slice host)
{
	unsigned char c;
	size_t i;

	if (host.n == 0 || host.n > 255)
		return false;
	for (i = 0; i < host.n; i++) {
		c = (unsigned char)host.p[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
		    !(c >= 'A' && c <= 'Z') && strchr(".-_:[]", c) == NULL)
			return false;
	}
	return true;
}

static int
check_host(struct http_request *r, struct http_problem *problem)
{
	size_t n = http_header_count(r, "host");

	if (n > 1)
		return http_problem_set(problem, 400, "more than one Host");
	if (n == 0 && r->minor >= 1)
		return http_problem_set(problem, 400, "no Host");
	r->host = http_header(r, "host");
	if (n == 1 && !is_host(r->host))
		return http_problem_set(problem, 400, "malformed Host");
	return 0;
}

static int
parse_length(struct slice v, uint64_t *ret)
{
	uint64_t sum = 0;
	size_t i;

	if (v.n == 0 || v.n > 15)
		return -1;
	for (i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return -1;
		sum = sum * 10 + (uint64_t)(v.p[i] - '0');
	}
	*ret = sum;
	return 0;
}

/* RFC 9112 6.3, with everything doubtful refused. */
static int
check_framing(struct http_request *r, struct http_problem *problem)
{
	size_t te = http_header_count(r, "transfer-encoding");
	size_t cl = http_header_count(r, "content-length");

	if (te > 0 && cl > 0)
		return http_problem_set(problem, 400,
		    "both Transfer-Encoding and Content-Length");
	if (te > 1 || cl > 1)
		return http_problem_set(problem, 400,
		    "more than one Content-Length or Transfer-Encoding");
	if (te == 1) {
		if (r->minor == 0)
			return http_problem_set(problem, 400,
			    "Transfer-Encoding in HTTP/1.0");
		if (!http_slice_is_nocase(http_header(r, "transfer-encoding"),
		    "chunked"))
			return http_problem_set(problem, 400,
			    "Transfer-Encoding other than chunked");
		r->chunked = true;
	}
	if (cl == 1 && parse_length(http_header(r, "content-length"),
	    &r->content_length) == -1)
		return http_problem_set(problem, 400,
		    "malformed Content-Length");
	if ((r->method == HTTP_GET || r->method == HTTP_HEAD) &&
	    (r->chunked || r->content_length > 0))
		return http_problem_set(problem, 400, "a body on GET or HEAD");
	return 0;
}

/* Fields that mean something to us and of which two readers could take
 * different ones. */
static int
check_once(struct http_request *r, struct http_problem *problem)
{
	static const char *const once[] = { "authorization", "content-type",
		"cookie", "expect", "origin" };
	size_t i;

	for (i = 0; i < NELEM(once); i++)
		if (http_header_count(r, once[i]) > 1)
			return http_problem_set(problem, 400,
			    "a field that may stand there once only stands "
			    "there twice");
	return 0;
}

static int
check_connection(struct http_request *r, struct http_problem *problem)
{
	struct slice expect = http_header(r, "expect");
	size_t i;

	r->keep_alive = r->minor >= 1;
	for (i = 0; i < r->n_headers; i++)
		if (http_slice_is_nocase(r->headers[i].name, "connection") &&
		    http_list_has(r->headers[i].value, "close"))
			r->keep_alive = false;
	if (expect.p == NULL)
		return 0;
	if (!http_slice_is_nocase(expect, "100-continue"))
		return http_problem_set(problem, 417, "unknown Expect");
	r->expect = r->minor >= 1;
	return 0;
}

static int
parse_head(struct http_request *r, size_t n, struct http_problem *problem)
{
	const char *p = r->head, *end = r->head + n, *cr;
	bool first = true;
	int rc;

	while (p + 2 <= end && p[0] != '\r') {
		cr = memchr(p, '\r', (size_t)(end - p));
		if (cr == NULL)
			return http_problem_set(problem, 400, "malformed head");
		if (first)
			rc = parse_request_line(r,
			    (struct slice){ p, (size_t)(cr - p) }, problem);
		else
			rc = parse_field(r,
			    (struct slice){ p, (size_t)(cr - p) }, problem);
		if (rc == -1)
			return -1;
		first = false;
		p = cr + 2;
	}
	if (first)
		return http_problem_set(problem, 400, "malformed head");
	if (check_host(r, problem) == -1 || check_framing(r, problem) == -1 ||
	    check_once(r, problem) == -1 ||
	    check_connection(r, problem) == -1)
		return -1;
	return http_target_parse(r, problem);
}

struct http_request *
http_request_parse(const char *head, size_t n,
    struct http_problem *ret_problem)
{
	struct http_request *r;
	struct http_scan scan = { 0 };

	/* Whoever calls it without the scan gets the same strictness. */
	if (http_head_scan(&scan, head, n) != HTTP_DONE ||
	    scan.head_len != n) {
		*ret_problem = scan.problem;
		if (ret_problem->status == 0)
			(void)http_problem_set(ret_problem, 400,
			    "malformed head");
		return NULL;
	}
	/* 32 KiB, most of it room that a request does not need. */
	r = xmalloc(sizeof(*r));
	memset(r, 0, offsetof(struct http_request, segments));
	memcpy(r->head, head, n);
	if (parse_head(r, n, ret_problem) == -1) {
		http_request_free(r);
		return NULL;
	}
	return r;
}

void
http_request_free(struct http_request *r)
{
	if (r == NULL)
		return;
	buf_free(&r->body);
	free(r);
}

/* --- looking things up ---------------------------------------------------- */

struct slice
http_header(const struct http_request *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->n_headers; i++)
		if (http_slice_is_nocase(r->headers[i].name, name))
			return r->headers[i].value;
	return SLICE_NONE;
}

size_t
http_header_count(const struct http_request *r, const char *name)
{
	size_t i, n = 0;

	for (i = 0; i < r->n_headers; i++)
		if (http_slice_is_nocase(r->headers[i].name, name))
			n++;
	return n;
}

struct slice
http_param(const struct http_request *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->n_params; i++)
		if (slice_is(r->params[i].name, name))
			return r->params[i].value;
	return SLICE_NONE;
}

bool
http_list_has(struct slice list, const char *token)
{
	const char *p = list.p, *end = list.p + list.n, *comma;
	struct slice item;

	while (p != NULL && p < end) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (comma == NULL)
			comma = end;
		item = (struct slice){ p, (size_t)(comma - p) };
		while (item.n > 0 && (*item.p == ' ' || *item.p == '\t')) {
			item.p++;
			item.n--;
		}
		while (item.n > 0 && (item.p[item.n - 1] == ' ' ||
		    item.p[item.n - 1] == '\t'))
			item.n--;
		if (http_slice_is_nocase(item, token))
			return true;
		p = comma + 1;
	}
	return false;
}

bool
http_content_type_is(const struct http_request *r, const char *name)
{
	struct slice v = http_header(r, "content-type");
	const char *semi;

	if (v.p == NULL)
		return false;
	semi = memchr(v.p, ';', v.n);
	if (semi != NULL)
		v.n = (size_t)(semi - v.p);
	while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return http_slice_is_nocase(v, name);
}
