#include "gateway/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/xmalloc.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_kind.h"
#include "gateway/strmap.h"
#include "gateway/test_hooks.h"

/* The smallest frame an event can have, roughly: bounds the index. */
#define RING_FRAME_MIN 256u
#define RING_ALIGN     8u

/* Stands before each chunk in the region. */
struct ring_head {
	uint64_t	position;
	uint64_t	seq;
	uint64_t	next;      /* same stream; 0: none yet */
	uint32_t	size;      /* of head and chunk, aligned */
	uint32_t	chunk_len;
	uint32_t	stream;
	uint32_t	type_off;  /* of the event name inside the chunk */
	uint32_t	type_len;
	uint16_t	flags;
	uint8_t		padding[2];
};

struct ring_stream {
	char		*name;     /* tenant NUL key; NULL: free */
	uint32_t	 tenant_len;
	uint32_t	 name_len;
	uint64_t	 first;    /* oldest and newest frame in the ring */
	uint64_t	 last;
	uint64_t	 end;      /* stream.end follows it; 0: none */
	uint32_t	 next_free;
	uint8_t		 state;    /* of its terminal event; 0: none */
	bool		 goes_on;  /* a lifecycle event was seen, not that */
};

struct ring {
	uint8_t			*region;
	size_t			 size;
	size_t			 head;       /* where the next frame goes */
	uint64_t		*index;      /* position & mask -> offset + 1 */
	uint64_t		 mask;
	struct position		 tip;
	uint64_t		 oldest;     /* the order is whole from here */
	struct ring_stream	*streams;
	uint32_t		 n_streams;
	uint32_t		 free_stream;
	struct strmap		*names;
	struct buf		 scratch;
	struct ring_stats	 stats;
};

struct ring *
ring_new(size_t bytes, struct err *err)
{
	struct ring *r = xcalloc(1, sizeof(*r));
	uint64_t slots = 1024;

	r->size = MAX(bytes, RING_BYTES_MIN) & ~(size_t)(RING_ALIGN - 1);
	while (slots < r->size / RING_FRAME_MIN)
		slots *= 2;
	r->mask = slots - 1;
	r->region = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	r->index = mmap(NULL, slots * sizeof(*r->index),
	    PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->region == MAP_FAILED || r->index == MAP_FAILED) {
		(void)err_errno(err, errno, "ring of %zu bytes", r->size);
		if (r->region != MAP_FAILED)
			(void)munmap(r->region, r->size);
		free(r);
		return NULL;
	}
	r->names = strmap_new();
	r->free_stream = RING_STREAM_NONE;
	r->oldest = 1;
	r->stats.size = r->size;
	return r;
}

void
ring_free(struct ring *r)
{
	uint32_t i;

	if (r == NULL)
		return;
	(void)munmap(r->region, r->size);
	(void)munmap(r->index, (r->mask + 1) * sizeof(*r->index));
	for (i = 0; i < r->n_streams; i++)
		free(r->streams[i].name);
	free(r->streams);
	strmap_free(r->names);
	buf_free(&r->scratch);
	free(r);
}

/* --- streams -------------------------------------------------------------- */

static struct slice
stream_name(struct buf *b, struct slice tenant, struct slice key)
{
	buf_reset(b);
	buf_add(b, tenant.p, tenant.n);
	buf_addc(b, '\0');
	buf_add(b, key.p, key.n);
	return (struct slice){ (const char *)b->data, b->len };
}

static uint32_t
stream_intern(struct ring *r, struct slice tenant, struct slice key)
{
	struct slice name = stream_name(&r->scratch, tenant, key);
	struct ring_stream *s;
	uint32_t id;

	if (strmap_get(r->names, name, &id))
		return id;
	id = r->free_stream;
	if (id != RING_STREAM_NONE) {
		r->free_stream = r->streams[id].next_free;
	} else {
		id = r->n_streams++;
		r->streams = xreallocarray(r->streams, r->n_streams,
		    sizeof(*r->streams));
	}
	s = &r->streams[id];
	*s = (struct ring_stream){ .name = xmemdup(name.p, name.n),
	    .tenant_len = (uint32_t)tenant.n, .name_len = (uint32_t)name.n };
	strmap_put(r->names, name, id);
	r->stats.streams++;
	return id;
}

static void
stream_forget(struct ring *r, uint32_t id)
{
	struct ring_stream *s = &r->streams[id];

	strmap_remove(r->names, (struct slice){ s->name, s->name_len });
	free(s->name);
	*s = (struct ring_stream){ .next_free = r->free_stream };
	r->free_stream = id;
	r->stats.streams--;
}

/* --- frames --------------------------------------------------------------- */

static struct ring_head *
head_at(const struct ring *r, uint64_t position)
{
	uint64_t off = r->index[position & r->mask];
	struct ring_head *h;

	if (off == 0)
		return NULL;
	h = (struct ring_head *)(void *)(r->region + off - 1);
	return h->position == position ? h : NULL;
}

/* The oldest position leaves, whether a frame stands there or not. */
static void
evict_oldest(struct ring *r)
{
	struct ring_head *h = head_at(r, r->oldest);
	struct ring_stream *s;

	if (h != NULL) {
		s = &r->streams[h->stream];
		r->index[r->oldest & r->mask] = 0;
		s->first = h->next;
		if (h->next == 0)
			stream_forget(r, h->stream);
		r->stats.frames--;
		r->stats.bytes -= h->size;
		r->stats.evicted++;
	}
	r->oldest++;
}

/* The offset of the oldest frame, or SIZE_MAX when there is none. */
static size_t
tail_offset(struct ring *r)
{
	while (r->oldest <= r->tip.number && head_at(r, r->oldest) == NULL)
		r->oldest++;
	if (r->oldest > r->tip.number)
		return SIZE_MAX;
	return (size_t)(r->index[r->oldest & r->mask] - 1);
}

/* Where `size` contiguous bytes are free, after evicting what is in the way. */
static size_t
make_room(struct ring *r, size_t size)
{
	size_t tail;

	for (;;) {
		tail = r->stats.frames == 0 ? SIZE_MAX : tail_offset(r);
		if (tail == SIZE_MAX) {
			r->head = 0;
			return 0;
		}
		if (r->head > tail) {
			if (r->size - r->head >= size)
				return r->head;
			/* What is left at the end stays unused this round. */
			if (tail > size) {
				r->head = 0;
				return 0;
			}
		} else if (tail - r->head > size) {
			return r->head;
		}
		evict_oldest(r);
	}
}

static void
link_frame(struct ring *r, struct ring_head *h, size_t off)
{
	struct ring_stream *s = &r->streams[h->stream];
	struct ring_head *previous;

	if (s->first == 0) {
		s->first = h->position;
	} else {
		previous = head_at(r, s->last);
		assert(previous != NULL);
		previous->next = h->position;
	}
	s->last = h->position;
	r->index[h->position & r->mask] = off + 1;
	r->stats.frames++;
	r->stats.bytes += h->size;
}

/* What the frame says of its stream's end. */
static void
note_end(struct ring *r, const struct ring_head *h, const struct item *item)
{
	struct ring_stream *s = &r->streams[h->stream];

	if ((item->flags & ITEM_LIFECYCLE) != 0) {
		s->state = (item->flags & ITEM_TERMINAL) != 0 ? item->state :
		    0;
		s->goes_on = s->state == 0;
		s->end = s->state == 0 ||
		    (s->state & LIFECYCLE_LOGS_OPEN) != 0 ? 0 : h->position;
	}
	if ((item->flags & ITEM_LAST) != 0 && s->state != 0 && s->end == 0)
		s->end = h->position;
}

static int
put_frame(struct ring *r, const struct item *item)
{
	struct ring_head *h;
	const char *name;
	uint8_t *lf;
	size_t size, off, chunk_len;

	buf_reset(&r->scratch);
	if (sse_event(&r->scratch, item) == -1)
		return -1;
	chunk_len = r->scratch.len;
	size = sizeof(*h) + chunk_len;
	size = (size + RING_ALIGN - 1) & ~(size_t)(RING_ALIGN - 1);
	while (item->position.number - r->oldest > r->mask)
		evict_oldest(r);
	off = make_room(r, size);
	if (off == 0 && r->stats.frames > 0 &&
	    test_hooks_has_bug("ring-wrap")) {
		r->head = size;
		return -1;
	}
	h = (struct ring_head *)(void *)(r->region + off);
	memcpy(h + 1, r->scratch.data, chunk_len);
	lf = memchr(r->scratch.data, '\n', chunk_len);
	name = (const char *)lf + 1 + sizeof("event: ") - 1;
	*h = (struct ring_head){
		.position = item->position.number,
		.seq = item->seq,
		.size = (uint32_t)size,
		.chunk_len = (uint32_t)chunk_len,
		.type_off = (uint32_t)(name - (const char *)r->scratch.data),
		.type_len = (uint32_t)item->event_type.n,
		.flags = item->flags,
	};
	r->head = off + size;
	/* After make_room, which may have forgotten this very stream. */
	h->stream = stream_intern(r, item->tenant, item->key);
	link_frame(r, h, off);
	note_end(r, h, item);
	return 0;
}

void
ring_clear(struct ring *r, struct position next)
{
	while (r->stats.frames > 0)
		evict_oldest(r);
	r->head = 0;
	r->oldest = next.number;
	r->tip = (struct position){ next.epoch,
	    next.number > 0 ? next.number - 1 : 0 };
}

int
ring_input(struct ring *r, const void *bytes, size_t n, ring_item_cb cb,
    void *arg, struct err *err)
{
	struct record_header header;
	struct record_exception exception;
	struct item item;
	struct rd rd;
	uint32_t i;

	if (record_decode(bytes, n, &header, &rd, err) == -1)
		return -1;
	for (i = 0; i < header.exceptions; i++)
		if (record_exception_decode(&rd, &exception) == -1)
			return err_set(err, "malformed exception in record");
	for (i = 0; i < header.count; i++) {
		if (record_item_decode(&rd, &header, i, &item) == -1)
			return err_set(err, "malformed item in record");
		if (r->tip.epoch != 0 &&
		    item.position.number <= r->tip.number)
			continue;
		if (r->tip.epoch != item.position.epoch ||
		    r->tip.number + 1 != item.position.number)
			ring_clear(r, item.position);
		if (put_frame(r, &item) == -1) {
			r->stats.refused++;
			r->tip = item.position;
			continue;
		}
		r->tip = item.position;
		cb(&item, arg);
	}
	return 0;
}

/* --- looking -------------------------------------------------------------- */

struct position
ring_tip(const struct ring *r)
{
	return r->tip;
}

void
ring_advance(struct ring *r, struct position tip)
{
	if (r->tip.epoch == 0)
		ring_clear(r, (struct position){ tip.epoch, tip.number + 1 });
}

uint64_t
ring_oldest(const struct ring *r)
{
	return r->oldest;
}

bool
ring_get(const struct ring *r, uint64_t position, struct ring_frame *ret)
{
	const struct ring_head *h;
	const struct ring_stream *s;
	const uint8_t *chunk;

	if (position < r->oldest || position > r->tip.number)
		return false;
	h = head_at(r, position);
	if (h == NULL)
		return false;
	s = &r->streams[h->stream];
	chunk = (const uint8_t *)(h + 1);
	*ret = (struct ring_frame){
		.position = { r->tip.epoch, position },
		.seq = h->seq,
		.next = h->next,
		.tenant = { s->name, s->tenant_len },
		.key = { s->name + s->tenant_len + 1,
		    s->name_len - s->tenant_len - 1 },
		.event_type = { (const char *)chunk + h->type_off,
		    h->type_len },
		.chunk = chunk,
		.n = h->chunk_len,
		.flags = h->flags,
		.state = s->state,
		.ends = s->end == position,
		.goes_on = s->goes_on,
	};
	return true;
}

/* NULL: it has no frame here. */
static struct ring_stream *
find_stream(const struct ring *r, struct slice tenant, struct slice key)
{
	struct buf b = BUF_EMPTY;
	uint32_t id;
	bool found = strmap_get(r->names, stream_name(&b, tenant, key), &id);

	buf_free(&b);
	return found ? &r->streams[id] : NULL;
}

uint64_t
ring_stream_first(const struct ring *r, struct slice tenant, struct slice key)
{
	const struct ring_stream *s = find_stream(r, tenant, key);

	return s != NULL ? s->first : 0;
}

uint64_t
ring_stream_last(const struct ring *r, struct slice tenant, struct slice key)
{
	const struct ring_stream *s = find_stream(r, tenant, key);

	return s != NULL ? s->last : 0;
}

uint64_t
ring_end_stream(struct ring *r, struct slice tenant, struct slice key,
    uint8_t state)
{
	struct ring_stream *s = find_stream(r, tenant, key);

	if (s == NULL || s->goes_on)
		return 0;
	if (s->state == 0)
		s->state = state;
	if (s->end == 0)
		s->end = s->last;
	return s->end;
}

struct ring_stats
ring_stats(const struct ring *r)
{
	return r->stats;
}
