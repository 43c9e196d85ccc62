#include "gateway/flight.h"

bool
flight_is_special(const struct hub_subscription *sub,
    const struct ring_frame *frame)
{
	return frame->ends || !hub_wants_type(sub, frame->event_type);
}

static void
gather(struct flight *f, struct hub *h, const struct ring *ring,
    struct hub_subscription *sub, uint64_t cursor)
{
	uint64_t positions[FLIGHT_FRAMES];
	struct ring_frame frame;
	size_t i, n;

	n = hub_list(h, sub, cursor, positions, FLIGHT_FRAMES);
	f->after = cursor;
	f->n = 0;
	f->bytes = 0;
	f->special = false;
	for (i = 0; i < n && f->bytes < FLIGHT_BYTES; i++) {
		if (!ring_get(ring, positions[i], &frame))
			continue;
		/* Alone: what follows it comes with the next flight. */
		f->special = flight_is_special(sub, &frame);
		if (f->special && f->n > 0)
			break;
		f->positions[f->n] = positions[i];
		if (f->special)
			break;
		/* writev only reads. */
		f->iov[f->n].iov_base = (void *)(uintptr_t)frame.chunk;
		f->iov[f->n++].iov_len = frame.n;
		f->bytes += frame.n;
	}
	/* The special one is told of where it comes first. */
	f->special = f->special && f->n == 0;
	f->more = i < n || n == FLIGHT_FRAMES;
}

void
flights_begin(struct flights *f, const struct hub_subscription *sub)
{
	f->sub = sub;
	f->n = 0;
	f->oldest = 0;
}

const struct flight *
flights_get(struct flights *f, struct hub *h, const struct ring *ring,
    struct hub_subscription *sub, uint64_t cursor)
{
	struct flight *place;
	uint32_t i;

	if (f->sub != sub)
		flights_begin(f, NULL);
	for (i = 0; i < f->n && f->sub != NULL; i++)
		if (f->kept[i].after == cursor)
			return &f->kept[i];
	if (f->n < FLIGHTS_KEPT) {
		place = &f->kept[f->n++];
	} else {
		place = &f->kept[f->oldest];
		f->oldest = (f->oldest + 1) % FLIGHTS_KEPT;
	}
	gather(place, h, ring, sub, cursor);
	return place;
}
