#include "gateway/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/mono.h"
#include "gateway/cors.h"

static const struct {
	int		 status;
	const char	*text;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

static const char *
reason_of(int status)
{
	size_t i;

	for (i = 0; i < NELEM(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

static const char cache_control[] = "Cache-Control:";

static void
write_answer(struct conn *c, int status, const char *content_type,
    const void *body, size_t n, const char *headers)
{
	const struct http_request *r =
	    c->exchange != NULL ? c->exchange->request : NULL;
	bool bodiless = status == 204 || status == 304;
	struct buf *b = &c->out;

	if (status >= 0 && status < (int)METRICS_STATUS_MAX)
		c->gateway->metrics.answers[status]++;
	buf_addf(b, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
	if (!bodiless)
		buf_addf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n",
		    content_type, n);
	if (strncmp(headers, cache_control, sizeof(cache_control) - 1) != 0)
		buf_adds(b, "Cache-Control: no-store\r\n");
	buf_adds(b, "X-Content-Type-Options: nosniff\r\n");
	cors_answer(b, &c->gateway->role->conf, r);
	buf_adds(b, headers);
	if (!c->keep_alive || c->gateway->draining)
		buf_adds(b, "Connection: close\r\n");
	buf_adds(b, "\r\n");
	if (!bodiless && (r == NULL || r->method != HTTP_HEAD))
		buf_add(b, body, n);
}

void
reply_send(struct conn *c, int status, const char *content_type,
    const void *body, size_t n, const char *headers)
{
	write_answer(c, status, content_type, body, n, headers);
	conn_answered(c);
}

void
reply_json(struct conn *c, int status, struct slice json)
{
	reply_send(c, status, "application/json", json.p, json.n, "");
}

static void
error_body(struct buf *b, const char *code, const char *text,
    const struct reply_details *d, const char *more)
{
	uint64_t trace = 0;

	if (getrandom(&trace, sizeof(trace), GRND_NONBLOCK) == -1)
		trace = (uint64_t)mono_now().ns;
	buf_adds(b, "{\"error\":\"");
	buf_json_text(b, text, strlen(text));
	buf_addf(b, "\",\"code\":\"%s\",\"trace_id\":\"%016" PRIx64 "\"",
	    code, trace);
	if (d != NULL && d->n > 0) {
		buf_adds(b, ",\"details\":[");
		buf_add(b, d->json.data, d->json.len);
		buf_addc(b, ']');
	}
	if (*more != '\0')
		buf_addf(b, ",%s", more);
	buf_addc(b, '}');
}

void
reply_error(struct conn *c, int status, const char *code, const char *text,
    struct reply_details *details)
{
	struct buf b = BUF_EMPTY;

	error_body(&b, code, text, details, "");
	write_answer(c, status, "application/json", b.data, b.len,
	    status == 503 || status == 429 ? "Retry-After: 1\r\n" : "");
	buf_free(&b);
	if (details != NULL)
		buf_free(&details->json);
	conn_answered(c);
}

void
reply_error_at(struct conn *c, int status, const char *code,
    const char *path, const char *text)
{
	struct reply_details details = { .n = 0 };

	reply_detail(&details, path, "%s", text);
	reply_error(c, status, code, text, &details);
}

void
reply_method(struct conn *c, const char *allow)
{
	struct buf b = BUF_EMPTY, line = BUF_EMPTY;

	error_body(&b, "method_not_allowed", "method not allowed", NULL, "");
	buf_addf(&line, "Allow: %s\r\n", allow);
	buf_addc(&line, '\0');
	write_answer(c, 405, "application/json", b.data, b.len,
	    (const char *)line.data);
	buf_free(&b);
	buf_free(&line);
	conn_answered(c);
}

void
reply_refusal(struct conn *c, int status, const char *code, const char *text,
    struct reply_details *details, const char *headers)
{
	reply_error_more(c, status, code, text, details, "", headers);
}

void
reply_error_more(struct conn *c, int status, const char *code,
    const char *text, struct reply_details *details, const char *more,
    const char *headers)
{
	struct buf b = BUF_EMPTY;

	error_body(&b, code, text, details, more);
	reply_send(c, status, "application/json", b.data, b.len, headers);
	buf_free(&b);
	if (details != NULL)
		buf_free(&details->json);
}

void
reply_unavailable(struct conn *c, const char *code, const char *text)
{
	reply_error(c, 503, code, text, NULL);
}

static const char *
problem_code(int status)
{
	switch (status) {
	case 413:
		return "too_large";
	case 414:
		return "target_too_long";
	case 417:
		return "expectation_failed";
	case 429:
		return "overloaded";
	case 431:
		return "head_too_large";
	case 505:
		return "http_version";
	default:
		return "bad_request";
	}
}

void
reply_problem(struct conn *c, const struct http_problem *problem)
{
	struct buf b = BUF_EMPTY;

	error_body(&b, problem_code(problem->status), problem->text, NULL, "");
	write_answer(c, problem->status, "application/json", b.data, b.len,
	    problem->status == 429 ? "Retry-After: 1\r\n" : "");
	buf_free(&b);
}
