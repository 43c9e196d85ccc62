/* http_request: what is taken, what is refused, however the bytes are cut. */
#include "gateway/http_request.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"

#define BODY_MAX 1024u

/* Reads one whole request from bytes[0..n), offered in pieces of `step`
 * bytes. Returns its status: 0 = taken (*ret to be freed), -1 = incomplete. */
static int
take_request(const char *bytes, size_t n, size_t step,
    struct http_request **ret, size_t *ret_used)
{
	struct http_scan scan = { 0 };
	struct http_problem problem = { 0 };
	struct http_request *r;
	enum http_progress progress = HTTP_MORE;
	size_t have = 0, used = 0, at;

	while (progress == HTTP_MORE && have < n) {
		have = MIN(n, have + step);
		progress = http_head_scan(&scan, bytes, have);
	}
	if (progress != HTTP_DONE)
		return progress == HTTP_BAD ? scan.problem.status : -1;
	r = http_request_parse(bytes, scan.head_len, &problem);
	if (r == NULL)
		return problem.status;
	at = scan.head_len;
	for (;;) {
		progress = http_body_take(r, bytes + at, have - at, BODY_MAX,
		    &used, &problem);
		at += used;
		if (progress != HTTP_MORE || have == n)
			break;
		have = MIN(n, have + step);
	}
	if (progress != HTTP_DONE) {
		http_request_free(r);
		return progress == HTTP_BAD ? problem.status : -1;
	}
	*ret = r;
	*ret_used = at;
	return 0;
}

static int
status_of(const char *bytes, size_t n, size_t step)
{
	struct http_request *r = NULL;
	size_t used = 0;
	int status = take_request(bytes, n, step, &r, &used);

	http_request_free(r);
	return status;
}

#define G "GET / HTTP/1.1\r\n"
#define P "POST /x HTTP/1.1\r\nHost: a\r\n"
#define B(s) { s, sizeof(s) - 1 }

static void
test_the_probes_of_the_reliability_report_are_refused(void **state)
{
	static const struct { const char *p; size_t n; } probes[] = {
		B(P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "0\r\n\r\n"),
		B(P "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
		B(P "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
		B(P "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n"
		    "0\r\n\r\n"),
		B(P "Content-Length: +5\r\n\r\nhello"),
		B(P "Content-Length: 5, 5\r\n\r\nhello"),
		B(P "Content-Length: 0x5\r\n\r\nhello"),
		B(P "Content-Length: -1\r\n\r\n"),
		B(P "Content-Length:\r\n\r\n"),
		B(P "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: identity\r\n\r\n"),
		B("GET / HTTP/1.1\nHost: a\n\n"),
		B("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
		B(G "Host: a\r\nX: y\r\n folded\r\n\r\n"),
		B(G "Host: a\r\nX: y\r\n\tfolded\r\n\r\n"),
		B(G " Host: a\r\n\r\n"),
		B(G "Host: a\r\nX: y\0z\r\n\r\n"),
		B(G "Host: a\r\nX: y\x01z\r\n\r\n"),
		B(G "Host: a\r\nX: y\x7fz\r\n\r\n"),
		B(G "Host : a\r\n\r\n"),
		B(G "Host: a\r\n: y\r\n\r\n"),
		B(G "Host: a\r\nno colon\r\n\r\n"),
		B(G "Host: a\r\nX\xc3\xa9: y\r\n\r\n"),
		B(G "X: y\r\n\r\n"),
		B(G "Host: a\r\nHost: b\r\n\r\n"),
		B(G "Host: a\r\nhost: a\r\n\r\n"),
		B(G "Host: a b\r\n\r\n"),
		B(G "Host: a\r\nOrigin: b\r\norigin: b\r\n\r\n"),
		B(G "Host: a\r\nAuthorization: b\r\nAuthorization: c\r\n"
		    "\r\n"),
		B(P "Content-Type: text/plain\r\nContent-Type: a/b\r\n\r\n"),
		B(G "Host:\r\n\r\n"),
		B("GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET http:///a HTTP/1.0\r\n\r\n"),
		B("GET http:///a HTTP/1.1\r\nHost:\r\n\r\n"),
		B("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
		B("GET / http/1.1\r\nHost: a\r\n\r\n"),
		B("GET /\r\nHost: a\r\n\r\n"),
		B("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
		B(P "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n-1\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
		B(P "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"),
		B("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "0\r\n\r\n"),
		B("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /?a=%0a HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /%c0%af HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /%ed%a0%80 HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n"),
		B("GET //a HTTP/1.1\r\nHost: a\r\n\r\n"),
	};
	size_t i, step;
	int status;

	(void)state;
	for (i = 0; i < NELEM(probes); i++)
		for (step = 1; step <= probes[i].n; step++) {
			status = status_of(probes[i].p, probes[i].n, step);
			if (status != 400)
				fail_msg("probe %zu, step %zu: %d\n%s", i, step,
				    status, probes[i].p);
		}
}

static void
test_limits_have_their_own_status(void **state)
{
	char *big = xmalloc(9u << 20);
	size_t n, i;

	(void)state;
	memcpy(big, "GET /", 5);
	memset(big + 5, 'a', 1u << 20);
	assert_int_equal(status_of(big, 5 + (1u << 20), 4096), 414);
	/* The longest target that is taken, and one byte more. */
	for (i = 0; i < 2; i++) {
		n = 5 + HTTP_TARGET_MAX - 1 + i;
		memset(big + 5, 'a', HTTP_TARGET_MAX + 1);
		memcpy(big + n, " HTTP/1.1\r\nHost: a\r\n\r\n", 22);
		assert_int_equal(status_of(big, n + 22, n),
		    i == 0 ? 0 : 414);
	}
	memcpy(big, G "Host: a\r\nX: ", 28);
	memset(big + 28, 'a', 8u << 20);
	assert_int_equal(status_of(big, 8u << 20, 65536), 431);
	n = sizeof(G "Host: a\r\n") - 1;
	memcpy(big, G "Host: a\r\n", n);
	for (i = 0; i < HTTP_HEADERS_MAX; i++, n += 6)
		memcpy(big + n, "X: y\r\n", 6);
	memcpy(big + n, "\r\n", 2);
	assert_int_equal(status_of(big, n + 2, 7), 431);
	assert_int_equal(status_of(P "Content-Length: 1025\r\n\r\n",
	    sizeof(P "Content-Length: 1025\r\n\r\n") - 1, 9), 413);
	free(big);
}
#undef B
#define S(s) s, sizeof(s) - 1

static void
test_other_refusals_name_what_is_wrong(void **state)
{
	(void)state;
	assert_int_equal(status_of(S("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 3),
	    505);
	assert_int_equal(status_of(S(P "Expect: tea\r\n\r\n"), 3), 417);
	assert_int_equal(status_of(S(P "Transfer-Encoding: chunked\r\n\r\n"
	    "401\r\n"), 5), 413);
	assert_int_equal(status_of(S(P "Transfer-Encoding: chunked\r\n\r\n"
	    "ffffffff\r\n"), 5), 413);
	assert_int_equal(status_of(S("GET / HTTP/1.1\r\nHost: a\r\n"), 5), -1);
	assert_int_equal(status_of(S(P "Content-Length: 3\r\n\r\nab"), 5), -1);
}

static void
test_a_request_is_read_alike_however_it_is_cut(void **state)
{
	static const char text[] =
	    "POST /api/v1/x%2Fy/caf%C3%A9?a=1&b=%2F+z&stream=job:*&empty "
	    "HTTP/1.1\r\nHost: localhost:8085\r\nX-One:  two \t\r\n"
	    "Connection: keep-alive, Close\r\nExpect: 100-Continue\r\n"
	    "Transfer-Encoding: Chunked\r\n\r\n"
	    "5\r\nhello\r\n00a\r\n, world...\r\n0\r\n\r\nGET /next";
	struct http_request *r;
	size_t step, used;

	(void)state;
	for (step = 1; step <= sizeof(text) - 1; step++) {
		r = NULL;
		assert_int_equal(take_request(text, sizeof(text) - 1, step, &r,
		    &used), 0);
		assert(r != NULL);
		assert_int_equal(r->method, HTTP_POST);
		assert_int_equal(r->minor, 1);
		assert_false(r->keep_alive);
		assert_true(r->expect);
		assert_int_equal(r->n_segments, 4);
		assert_true(slice_is(r->segments[2], "x/y"));
		assert_true(slice_is(r->segments[3], "caf\xc3\xa9"));
		assert_true(slice_is(http_param(r, "b"), "/ z"));
		assert_true(slice_is(http_param(r, "stream"), "job:*"));
		assert_true(slice_is(http_param(r, "empty"), ""));
		assert_null(http_param(r, "none").p);
		assert_true(slice_is(http_header(r, "x-one"), "two"));
		assert_int_equal(r->body.len, 15);
		assert_memory_equal(r->body.data, "hello, world...", 15);
		assert_string_equal(text + used, "GET /next");
		http_request_free(r);
	}
}

static void
test_another_spelling_of_a_path_is_told(void **state)
{
	static const struct {
		const char	*path;
		uint32_t	 escaped;
		bool		 slash_last;
	} all[] = {
		{ "/", 0, false }, { "/?a=%2F", 0, false },
		{ "/metrics", 0, false }, { "/metrics/", 0, true },
		{ "/%6detrics", 1, false }, { "/a/b%2fc/d", 2, false },
		{ "/a/b/%64/", 4, true },
	};
	struct http_request *r;
	char text[128];
	size_t used;
	int n;

	(void)state;
	for (size_t i = 0; i < NELEM(all); i++) {
		r = NULL;
		n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n"
		    "Host: a\r\n\r\n", all[i].path);
		assert_int_equal(take_request(text, (size_t)n, (size_t)n, &r,
		    &used), 0);
		assert(r != NULL);
		assert_int_equal(r->escaped, all[i].escaped);
		assert_int_equal(r->slash_last, all[i].slash_last);
		http_request_free(r);
	}
}

static void
test_pipelined_requests_are_read_one_by_one(void **state)
{
	static const char text[] =
	    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
	    "PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	    "DELETE /c/ HTTP/1.1\r\nHost: a\r\n\r\n"
	    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET http://A/d HTTP/1.1\r\nHost: a\r\n\r\n"
	    "PATCH /e HTTP/1.1\r\nHost: a\r\n\r\n"
	    "HEAD / HTTP/1.0\r\n\r\n";
	static const enum http_method methods[] = { HTTP_GET, HTTP_PUT,
	    HTTP_DELETE, HTTP_OPTIONS, HTTP_GET, HTTP_OTHER, HTTP_HEAD };
	struct http_request *r;
	size_t at = 0, used, i;

	(void)state;
	for (i = 0; i < NELEM(methods); i++) {
		r = NULL;
		assert_int_equal(take_request(text + at, sizeof(text) - 1 - at,
		    16, &r, &used), 0);
		assert(r != NULL);
		assert_int_equal(r->method, methods[i]);
		assert_int_equal(r->keep_alive, r->minor == 1);
		at += used;
		http_request_free(r);
	}
	assert_int_equal(at, sizeof(text) - 1);
}

static void
test_lists_are_searched_for_a_token(void **state)
{
	(void)state;
	assert_true(http_list_has(slice_str(" a , close"), "close"));
	assert_false(http_list_has(slice_str("closed"), "close"));
	assert_false(http_list_has(SLICE_NONE, "close"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
	        test_the_probes_of_the_reliability_report_are_refused),
	    cmocka_unit_test(test_limits_have_their_own_status),
	    cmocka_unit_test(test_other_refusals_name_what_is_wrong),
	    cmocka_unit_test(test_a_request_is_read_alike_however_it_is_cut),
	    cmocka_unit_test(test_another_spelling_of_a_path_is_told),
	    cmocka_unit_test(test_pipelined_requests_are_read_one_by_one),
	    cmocka_unit_test(test_lists_are_searched_for_a_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
