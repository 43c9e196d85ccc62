/*
 * fuzz_watch_stream: frames of a watch, however its bytes are cut, against the
 * plain rule: split at every newline, take one CR off the end, drop what is
 * empty and what stands behind the last newline.
 *
 * The input's first byte is a count of cuts, the next ones are the sizes of
 * the pieces (0: an empty piece), then one that says after how many frames the
 * reader wants no more (0: never); what is left is the body. Once it is read
 * to the end, the stream is reset and must begin anew.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "watcher/watch_stream.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) do { if (!(x)) abort(); } while (0)

/* What is left of the body, by the plain rule. */
struct reader {
	const char	*p;
	size_t		 n;
	size_t		 frames;
	size_t		 stop;     /* after so many; 0: never */
};

/* The next frame by the rule; false when there is none. */
static bool
next_frame(struct reader *r, struct slice *ret)
{
	const char *newline;
	size_t len;

	while ((newline = memchr(r->p, '\n', r->n)) != NULL) {
		len = (size_t)(newline - r->p);
		*ret = (struct slice){ r->p, len };
		r->p += len + 1;
		r->n -= len + 1;
		if (len > 0 && ret->p[len - 1] == '\r')
			ret->n--;
		if (ret->n > 0)
			return true;
	}
	return false;
}

static bool
frame_cb(struct slice frame, void *arg)
{
	struct reader *r = arg;
	struct slice want;

	CHECK(next_frame(r, &want) && slice_eq(frame, want));
	return ++r->frames != r->stop;
}

/* Feeds the body in pieces; each lies in memory of its own size. */
static void
check(struct watch_stream *s, const char *body, size_t n, const uint8_t *cuts,
    size_t n_cuts, size_t stop)
{
	struct reader r = { .p = body, .n = n, .stop = stop };
	struct slice more;
	bool go_on = true;
	size_t piece, i;
	char *copy;

	for (i = 0; n > 0 && go_on; i++, body += piece, n -= piece) {
		piece = i < n_cuts ? MIN((size_t)cuts[i], n) : n;
		copy = malloc(piece + 1);
		CHECK(copy != NULL);
		memcpy(copy + 1, body, piece);
		go_on = watch_stream_feed(s, copy + 1, piece, frame_cb, &r);
		free(copy);
		CHECK(go_on == (stop == 0 || r.frames < stop));
	}
	if (go_on)
		CHECK(!next_frame(&r, &more));
	CHECK(s->oversized == 0);
	watch_stream_reset(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watch_stream s = { 0 };
	size_t n_cuts;

	if (size < 2 || size < 2 + (size_t)data[0])
		return 0;
	n_cuts = data[0];
	check(&s, (const char *)data + 2 + n_cuts, size - 2 - n_cuts,
	    data + 1, n_cuts, data[1 + n_cuts]);
	check(&s, (const char *)data + 2 + n_cuts, size - 2 - n_cuts,
	    data + 1, n_cuts, 0);
	return 0;
}
