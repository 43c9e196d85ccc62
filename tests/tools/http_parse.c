/*
 * http_parse: what the gateway's HTTP parser makes of bytes, for tests that
 * hold it against other parsers.
 *
 * Standard input: inputs, each a length (4 bytes, big endian) and so many
 * bytes. Per input one line of JSON: {"requests":[[METHOD,TARGET,BODY,
 * [NAME,VALUE]...]...],"end":END}; every text in hex, since it may be anything.
 * END: "more" (the bytes end in a request, or exactly behind one), "close"
 * (the last request asked for the end of the connection), or the status that
 * refused the next one. The bytes are offered in two pieces, cut in the middle.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/http_request.h"

#define INPUT_MAX (4u * 1024 * 1024)
#define BODY_MAX  (1024u * 1024)

static void
put_hex(struct slice s)
{
	size_t i;

	putchar('"');
	for (i = 0; i < s.n; i++)
		printf("%02x", (unsigned char)s.p[i]);
	putchar('"');
}

/* The method as it was sent: the parser keeps only what it knows. */
static void
put_request(const struct http_request *r, const char *head, bool first)
{
	struct slice method = { head, strcspn(head, " ") };
	size_t i;

	fputs(first ? "[" : ",[", stdout);
	put_hex(method);
	putchar(',');
	put_hex(r->target);
	putchar(',');
	put_hex((struct slice){ (const char *)r->body.data, r->body.len });
	for (i = 0; i < r->n_headers; i++) {
		fputs(",[", stdout);
		put_hex(r->headers[i].name);
		putchar(',');
		put_hex(r->headers[i].value);
		putchar(']');
	}
	putchar(']');
}

/* One request from p[0..n); its length, 0 when it is not whole, -1 when it is
 * refused (*ret_status) or the connection ends behind it (0 there). */
static long
take(const char *p, size_t n, bool first, int *ret_status)
{
	struct http_scan scan = { 0 };
	struct http_problem problem = { 0 };
	struct http_request *r;
	enum http_progress progress;
	size_t used = 0, more = 0;
	bool go_on;

	progress = http_head_scan(&scan, p, n / 2);
	if (progress == HTTP_MORE)
		progress = http_head_scan(&scan, p, n);
	if (progress != HTTP_DONE) {
		*ret_status = scan.problem.status;
		return progress == HTTP_BAD ? -1 : 0;
	}
	r = http_request_parse(p, scan.head_len, &problem);
	*ret_status = problem.status;
	if (r == NULL)
		return -1;
	p += scan.head_len;
	n -= scan.head_len;
	progress = http_body_take(r, p, n / 2, BODY_MAX, &used, &problem);
	if (progress == HTTP_MORE)
		progress = http_body_take(r, p + used, n - used, BODY_MAX,
		    &more, &problem);
	if (progress == HTTP_DONE)
		put_request(r, p - scan.head_len, first);
	go_on = r->keep_alive;
	http_request_free(r);
	*ret_status = problem.status;
	if (progress == HTTP_MORE)
		return 0;
	return progress == HTTP_BAD || !go_on ? -1 :
	    (long)(scan.head_len + used + more);
}

static void
parse(const char *p, size_t n)
{
	int status = 0;
	long used = 1;
	size_t at = 0;

	fputs("{\"requests\":[", stdout);
	while (at < n && used > 0) {
		used = take(p + at, n - at, at == 0, &status);
		at += used > 0 ? (size_t)used : 0;
	}
	if (used == -1 && status != 0)
		printf("],\"end\":%d}\n", status);
	else
		printf("],\"end\":\"%s\"}\n", used == -1 ? "close" : "more");
}

int
main(void)
{
	unsigned char length[4];
	char *bytes = xmalloc(INPUT_MAX + 1);
	size_t n;

	while (fread(length, 1, sizeof(length), stdin) == sizeof(length)) {
		n = (size_t)length[0] << 24 | (size_t)length[1] << 16 |
		    (size_t)length[2] << 8 | length[3];
		if (n > INPUT_MAX || fread(bytes, 1, n, stdin) != n) {
			fprintf(stderr, "http_parse: an input of %zu bytes is "
			    "too long, or cut\n", n);
			free(bytes);
			return 1;
		}
		bytes[n] = '\0';
		parse(bytes, n);
	}
	free(bytes);
	return 0;
}
