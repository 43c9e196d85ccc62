#include "watcher/watch_stream.h"

#include <string.h>

#define KEEP_MAX (64u * 1024)   /* memory kept between frames */

static void
drop(struct watch_stream *s)
{
	if (s->sealed)
		buf_wipe(&s->partial);
	else
		buf_free(&s->partial);
}

void
watch_stream_reset(struct watch_stream *s)
{
	drop(s);
	s->skipping = false;
}

static bool
emit(const char *p, size_t n, watch_stream_cb cb, void *arg)
{
	if (n > 0 && p[n - 1] == '\r')
		n--;
	if (n == 0)
		return true;
	return cb((struct slice){ p, n }, arg);
}

/* Keeps the begun line, unless it has grown past the limit. */
static void
keep(struct watch_stream *s, const char *p, size_t n)
{
	if (s->skipping)
		return;
	if (s->partial.len + n > WATCH_FRAME_MAX) {
		drop(s);
		s->skipping = true;
		s->oversized++;
		return;
	}
	if (s->sealed)
		buf_add_sealed(&s->partial, p, n);
	else
		buf_add(&s->partial, p, n);
}

/* The line that was begun ends with these n bytes. */
static bool
finish(struct watch_stream *s, const char *p, size_t n, watch_stream_cb cb,
    void *arg)
{
	bool go_on = true;

	keep(s, p, n);
	if (!s->skipping)
		go_on = emit((const char *)s->partial.data, s->partial.len,
		    cb, arg);
	s->skipping = false;
	if (s->sealed || s->partial.size > KEEP_MAX)
		drop(s);
	else
		buf_reset(&s->partial);
	return go_on;
}

bool
watch_stream_feed(struct watch_stream *s, const char *p, size_t n,
    watch_stream_cb cb, void *arg)
{
	const char *newline;
	size_t len;
	bool go_on;

	while (n > 0) {
		newline = memchr(p, '\n', n);
		if (newline == NULL) {
			keep(s, p, n);
			return true;
		}
		len = (size_t)(newline - p);
		if (s->partial.len > 0 || s->skipping)
			go_on = finish(s, p, len, cb, arg);
		else
			go_on = emit(p, len, cb, arg);
		if (!go_on)
			return false;
		p += len + 1;
		n -= len + 1;
	}
	return true;
}
