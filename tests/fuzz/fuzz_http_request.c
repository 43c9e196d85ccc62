/*
 * libFuzzer entry for the HTTP parser: whatever the bytes, the result is the
 * same however they are cut, and every slice of a request that was taken
 * points to clean text.
 *
 *	clang -fsanitize=fuzzer,address tests/fuzz/fuzz_http_request.c ...
 *	cc -DFUZZ_REPLAY ... && ./fuzz_http_request FILE...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "common/xmalloc.h"
#include "gateway/http_request.h"

#define FUZZ_BODY_MAX  (1024u * 1024)
#define FUZZ_INPUT_MAX (64u * 1024)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum http_progress	progress;
	size_t			used;
	size_t			body;
	int			status;
};

static void
check_request(const struct http_request *r)
{
	size_t i;

	if (r->n_segments > HTTP_SEGMENTS_MAX ||
	    r->n_headers > HTTP_HEADERS_MAX || r->n_params > HTTP_PARAMS_MAX)
		abort();
	for (i = 0; i < r->n_segments; i++)
		if (!utf8_valid(r->segments[i].p, r->segments[i].n) ||
		    memchr(r->segments[i].p, '\0', r->segments[i].n) != NULL)
			abort();
	for (i = 0; i < r->n_headers; i++)
		if (memchr(r->headers[i].value.p, '\r',
		    r->headers[i].value.n) != NULL ||
		    memchr(r->headers[i].value.p, '\n',
		    r->headers[i].value.n) != NULL)
			abort();
}

static struct outcome
run(const char *p, size_t n, size_t step)
{
	struct outcome o = { HTTP_MORE, 0, 0, 0 };
	struct http_scan scan = { 0 };
	struct http_problem problem = { 0 };
	struct http_request *r;
	size_t have = 0, used;

	while (o.progress == HTTP_MORE && have < n) {
		have = MIN(n, have + step);
		o.progress = http_head_scan(&scan, p, have);
	}
	o.status = scan.problem.status;
	if (o.progress != HTTP_DONE)
		return o;
	r = http_request_parse(p, scan.head_len, &problem);
	if (r == NULL) {
		o.progress = HTTP_BAD;
		o.status = problem.status;
		return o;
	}
	check_request(r);
	o.used = scan.head_len;
	for (;;) {
		o.progress = http_body_take(r, p + o.used, have - o.used,
		    FUZZ_BODY_MAX, &used, &problem);
		o.used += used;
		if (o.progress != HTTP_MORE || have == n)
			break;
		have = MIN(n, have + step);
	}
	o.body = r->body.len;
	o.status = problem.status;
	if (o.progress == HTTP_BAD)
		o.used = o.body = 0;
	http_request_free(r);
	return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;
	const char *p = (const char *)data;

	if (size == 0 || size > FUZZ_INPUT_MAX)
		return 0;
	whole = run(p, size, size);
	cut = run(p, size, 1 + size / 7);
	if (whole.progress != cut.progress || whole.used != cut.used ||
	    whole.body != cut.body || whole.status != cut.status)
		abort();
	return 0;
}

#ifdef FUZZ_REPLAY
int
main(int argc, char **argv)
{
	uint8_t *bytes = xmalloc(FUZZ_INPUT_MAX);
	FILE *f;
	size_t n;
	int i;

	for (i = 1; i < argc; i++) {
		f = fopen(argv[i], "rbe");
		if (f == NULL) {
			perror(argv[i]);
			free(bytes);
			return 1;
		}
		n = fread(bytes, 1, FUZZ_INPUT_MAX, f);
		(void)fclose(f);
		(void)LLVMFuzzerTestOneInput(bytes, n);
	}
	free(bytes);
	printf("%d inputs replayed\n", argc - 1);
	return 0;
}
#endif
