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

struct sim_gzip {
	z_stream	z;
};

struct sim_gzip *
sim_finish_gzip_new(void)
{
	struct sim_gzip *g = xcalloc(1, sizeof(*g));

	begin(&g->z);
	return g;
}

void
sim_finish_gzip_free(struct sim_gzip *g)
{
	if (g == NULL)
		return;
	(void)deflateEnd(&g->z);
	free(g);
}

void
sim_finish_gzip_add(struct sim_gzip *g, struct evbuffer *body, bool last)
{
	size_t n = evbuffer_get_length(body);
	struct evbuffer *out = evbuffer_new();
	unsigned char *chunk = xmalloc(OUT_SIZE);

	if (out == NULL)
		abort();
	g->z.next_in = evbuffer_pullup(body, -1);
	g->z.avail_in = (uInt)n;
	do {
		g->z.next_out = chunk;
		g->z.avail_out = OUT_SIZE;
		(void)deflate(&g->z, last ? Z_FINISH : Z_NO_FLUSH);
		(void)evbuffer_add(out, chunk, OUT_SIZE - g->z.avail_out);
	} while (g->z.avail_out == 0);
	free(chunk);
	(void)evbuffer_drain(body, n);
	(void)evbuffer_add_buffer(body, out);
	evbuffer_free(out);
}

void
sim_finish_gzip(struct evbuffer *body)
{
	struct sim_gzip *g = sim_finish_gzip_new();

	sim_finish_gzip_add(g, body, true);
	sim_finish_gzip_free(g);
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
