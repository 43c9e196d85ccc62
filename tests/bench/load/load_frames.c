#include "tests/bench/load/load_frames.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/text.h"

/* What was left over, and what came, without the chunks' own lines. */
static char	scratch[LOAD_FRAMES_REST + LOAD_FRAMES_READ];

/* Copies the bytes of chunks to `to`; how many. */
static size_t
dechunk(struct load_frames *f, const char *p, size_t n, char *to)
{
	size_t done = 0, take;

	for (size_t i = 0; i < n && !f->last;) {
		if (f->state == CHUNK_DATA) {
			take = MIN(f->left, n - i);
			memcpy(to + done, p + i, take);
			done += take;
			i += take;
			f->left -= take;
			if (f->left == 0)
				f->state = CHUNK_END;
			continue;
		}
		if (f->state == CHUNK_SIZE && text_hex(p[i]) >= 0)
			f->left = f->left * 16 + (uint64_t)text_hex(p[i]);
		else if (f->state == CHUNK_SIZE)
			f->state = CHUNK_SIZE_END;
		if (p[i++] != '\n')
			continue;
		if (f->state == CHUNK_END) {
			f->state = CHUNK_SIZE;
		} else {
			f->last = f->left == 0;
			f->state = CHUNK_DATA;
		}
	}
	return done;
}

/* What follows "name: " or "name:" in a line. */
static struct slice
value_of(const char *line, const char *end, size_t name)
{
	const char *p = line + name + 1;

	if (p < end && *p == ' ')
		p++;
	return p <= end ? (struct slice){ p, (size_t)(end - p) } : SLICE_NONE;
}

/* Calls cb for each whole frame; where the rest begins. */
static size_t
cut_frames(const char *p, size_t n, load_frame_cb cb, void *arg)
{
	struct load_frame frame = { 0 };
	const char *at = p, *begin = p, *end;

	while ((end = memchr(at, '\n', n - (size_t)(at - p))) != NULL) {
		if (end == at) {
			if (frame.data.p != NULL || frame.id.p != NULL)
				cb(&frame, arg);
			frame = (struct load_frame){ 0 };
			begin = end + 1;
		} else if (*at == 'd') {
			frame.data = value_of(at, end, strlen("data"));
		} else if (*at == 'e') {
			frame.event = value_of(at, end, strlen("event"));
		} else if (*at == 'i') {
			frame.id = value_of(at, end, strlen("id"));
		}
		at = end + 1;
	}
	return (size_t)(begin - p);
}

/* Reads the head once it is whole; how many bytes of the rest it was. */
static size_t
take_head(struct load_frames *f)
{
	const char *head = buf_cstr(&f->rest), *end = strstr(head, "\r\n\r\n");
	const char *coding;

	if (end == NULL)
		return 0;
	f->status = strncmp(head, "HTTP/1.1 ", 9) == 0 ?
	    (int)strtoul(head + 9, NULL, 10) : -1;
	coding = strcasestr(head, "\r\nTransfer-Encoding: chunked");
	f->chunked = coding != NULL && coding < end;
	return (size_t)(end - head) + 4;
}

static bool
feed_body(struct load_frames *f, const char *p, size_t n, load_frame_cb cb,
    void *arg)
{
	size_t all = f->rest.len, used;

	if (all > LOAD_FRAMES_REST)
		return false;
	if (all > 0)
		memcpy(scratch, f->rest.data, all);
	buf_reset(&f->rest);
	if (f->chunked) {
		all += dechunk(f, p, n, scratch + all);
	} else {
		memcpy(scratch + all, p, n);
		all += n;
	}
	used = cut_frames(scratch, all, cb, arg);
	if (used < all)
		buf_add(&f->rest, scratch + used, all - used);
	else
		buf_free(&f->rest);
	return true;
}

bool
load_frames_feed(struct load_frames *f, const char *p, size_t n,
    load_frame_cb cb, void *arg)
{
	struct buf more = BUF_EMPTY;
	size_t used;
	bool good;

	if (f->status != 0)
		return feed_body(f, p, n, cb, arg);
	buf_add(&f->rest, p, n);
	used = take_head(f);
	if (used == 0)
		return f->rest.len < LOAD_FRAMES_REST;
	buf_add(&more, f->rest.data + used, f->rest.len - used);
	buf_free(&f->rest);
	good = f->status == 200 && more.len <= LOAD_FRAMES_READ;
	if (good && more.len > 0)
		good = feed_body(f, (const char *)more.data, more.len, cb,
		    arg);
	buf_free(&more);
	return good;
}

void
load_frames_clear(struct load_frames *f)
{
	buf_free(&f->rest);
	*f = (struct load_frames){ 0 };
}
