#include "tests/kubesim/sim_finish.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/xmalloc.h"

#define GZIP_WINDOW (15 + 16)      /* zlib's way to ask for a gzip head */
#define GZIP_LEVEL  4              /* the API server's */
#define OUT_SIZE    (64u * 1024)

static void
free_text_cb(UNUSED const void *data, UNUSED size_t len, void *arg)
{
	free(arg);
}

void
sim_finish_pretty(struct evbuffer *body)
{
	size_t n = evbuffer_get_length(body);
	json_t *doc = json_loadb((const char *)evbuffer_pullup(body, -1), n,
	    JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	char *text;

	if (doc == NULL)
		return;
	text = json_dumps(doc, JSON_INDENT(2) | JSON_ENCODE_ANY);
	json_decref(doc);
	if (text == NULL)
		abort();
	(void)evbuffer_drain(body, n);
	(void)evbuffer_add_reference(body, text, strlen(text), free_text_cb,
	    text);
}

static void
begin(z_stream *z)
{
	memset(z, 0, sizeof(*z));
	if (deflateInit2(z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8,
	    Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
}

void
sim_finish_gzip(struct evbuffer *body)
{
	size_t n = evbuffer_get_length(body);
	unsigned char *in = evbuffer_pullup(body, -1);
	struct evbuffer *out = evbuffer_new();
	unsigned char *chunk = xmalloc(OUT_SIZE);
	z_stream z;
	int rc;

	if (out == NULL)
		abort();
	begin(&z);
	z.next_in = in;
	z.avail_in = (uInt)n;
	do {
		z.next_out = chunk;
		z.avail_out = OUT_SIZE;
		rc = deflate(&z, Z_FINISH);
		(void)evbuffer_add(out, chunk, OUT_SIZE - z.avail_out);
	} while (rc == Z_OK || rc == Z_BUF_ERROR);
	(void)deflateEnd(&z);
	free(chunk);
	(void)evbuffer_drain(body, n);
	(void)evbuffer_add_buffer(body, out);
	evbuffer_free(out);
}

void *
sim_finish_member(const void *data, size_t len, size_t *ret_len)
{
	unsigned char *copy = xmalloc(len + 1), *out;
	uLong room;
	z_stream z;

	memcpy(copy, data, len);
	begin(&z);
	room = deflateBound(&z, (uLong)len);
	out = xmalloc(room);
	z.next_in = copy;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = (uInt)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	*ret_len = room - z.avail_out;
	(void)deflateEnd(&z);
	free(copy);
	return out;
}
