/*
 * http_target: the target of a request: its characters, its path's segments
 * and its query's parameters, decoded. Part of http_request, and pure like it.
 */
#include <string.h>
#include <strings.h>

#include "common/text.h"
#include "common/utf8.h"
#include "gateway/http_private.h"

/* RFC 3986: what may stand in a path or query as it is. */
static bool
is_target(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z'))
		return true;
	return c != '\0' && strchr("-._~!$&'()*+,;=:@/?%", c) != NULL;
}

/* Decodes [p, p+n) into r->text; -1 when an escape is malformed or what it
 * stands for is a control character or not UTF-8. */
static int
decode(struct http_request *r, const char *p, size_t n, bool plus,
    struct slice *ret, struct http_problem *problem)
{
	char *out = r->text + r->text_len;
	size_t len = 0, i;
	int hi, lo;
	unsigned char c;

	for (i = 0; i < n; i++) {
		c = (unsigned char)p[i];
		if (c == '%') {
			hi = i + 2 < n ? text_hex(p[i + 1]) : -1;
			lo = i + 2 < n ? text_hex(p[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return http_problem_set(problem, 400,
				    "malformed percent escape");
			c = (unsigned char)(hi * 16 + lo);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f)
			return http_problem_set(problem, 400,
			    "control character in target");
		out[len++] = (char)c;
	}
	if (!utf8_valid(out, len))
		return http_problem_set(problem, 400, "target is not UTF-8");
	r->text_len += len;
	*ret = (struct slice){ out, len };
	return 0;
}

static int
parse_path(struct http_request *r, struct slice path,
    struct http_problem *problem)
{
	const char *p = path.p + 1, *end = path.p + path.n, *slash;
	struct slice seg;

	while (p <= end) {
		slash = memchr(p, '/', (size_t)(end - p));
		if (slash == NULL)
			slash = end;
		/* The empty segment is only "/" itself, or one at the end. */
		if (slash == p && slash != end)
			return http_problem_set(problem, 400,
			    "empty path segment");
		if (slash == p) {
			r->slash_last = r->n_segments > 0;
			break;
		}
		if (r->n_segments == HTTP_SEGMENTS_MAX)
			return http_problem_set(problem, 404,
			    "more path segments than any resource has");
		if (decode(r, p, (size_t)(slash - p), false, &seg,
		    problem) == -1)
			return -1;
		if (slice_is(seg, ".") || slice_is(seg, ".."))
			return http_problem_set(problem, 400, "dot segment");
		if (seg.n != (size_t)(slash - p))
			r->escaped |= UINT32_C(1) << r->n_segments;
		r->segments[r->n_segments++] = seg;
		p = slash + 1;
	}
	return 0;
}

static int
parse_query(struct http_request *r, struct slice query,
    struct http_problem *problem)
{
	const char *p = query.p, *end = query.p + query.n, *amp, *eq;
	struct http_pair pair;

	while (p < end) {
		amp = memchr(p, '&', (size_t)(end - p));
		if (amp == NULL)
			amp = end;
		if (amp == p) {
			p = amp + 1;
			continue;
		}
		if (r->n_params == HTTP_PARAMS_MAX)
			return http_problem_set(problem, 414,
			    "too many query parameters");
		eq = memchr(p, '=', (size_t)(amp - p));
		if (eq == NULL)
			eq = amp;
		if (decode(r, p, (size_t)(eq - p), true, &pair.name,
		    problem) == -1)
			return -1;
		pair.value = (struct slice){ "", 0 };
		if (eq < amp && decode(r, eq + 1, (size_t)(amp - eq - 1), true,
		    &pair.value, problem) == -1)
			return -1;
		r->params[r->n_params++] = pair;
		p = amp + 1;
	}
	return 0;
}

/* "http://authority/path": the authority must be the Host field's. */
static int
strip_absolute(struct http_request *r, struct slice *target,
    struct http_problem *problem)
{
	static const char scheme[] = "http://";
	const char *p, *slash;
	size_t n = sizeof(scheme) - 1, left;

	if (target->n < n || strncasecmp(target->p, scheme, n) != 0)
		return http_problem_set(problem, 400, "target is not a path");
	p = target->p + n;
	left = target->n - n;
	slash = memchr(p, '/', left);
	if (slash == NULL)
		return http_problem_set(problem, 400,
		    "absolute target has no path");
	if (slash == p)
		return http_problem_set(problem, 400,
		    "absolute target names no host");
	if ((size_t)(slash - p) != r->host.n ||
	    strncasecmp(p, r->host.p, r->host.n) != 0)
		return http_problem_set(problem, 400,
		    "target names another host than Host");
	*target = (struct slice){ slash, left - (size_t)(slash - p) };
	return 0;
}

int
http_target_parse(struct http_request *r, struct http_problem *problem)
{
	struct slice target = r->target, path;
	const char *q;
	size_t i;

	if (target.n > HTTP_TARGET_MAX)
		return http_problem_set(problem, 414, "target over 8 KiB");
	for (i = 0; i < target.n; i++)
		if (!is_target((unsigned char)target.p[i]))
			return http_problem_set(problem, 400,
			    "character in target that must be escaped");
	if (slice_is(target, "*") && r->method == HTTP_OPTIONS)
		return 0;
	if (target.p[0] != '/' && strip_absolute(r, &target, problem) == -1)
		return -1;
	q = memchr(target.p, '?', target.n);
	path = target;
	if (q != NULL) {
		path.n = (size_t)(q - target.p);
		if (parse_query(r, (struct slice){ q + 1,
		    target.n - path.n - 1 }, problem) == -1)
			return -1;
	}
	return parse_path(r, path, problem);
}
