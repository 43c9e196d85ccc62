#include "lib/pub_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "common/xmalloc.h"

void
pub_queue_init(struct pub_queue *q, size_t events_max, size_t bytes_max)
{
	*q = (struct pub_queue){
		.ring = xcalloc(events_max, sizeof(*q->ring)),
		.places = events_max,
		.bytes_max = bytes_max,
	};
}

void
pub_queue_clear(struct pub_queue *q)
{
	while (q->n > 0)
		pub_queue_remove(q);
	free(q->ring);
	*q = (struct pub_queue){ .ring = NULL };
}

bool
pub_queue_push(struct pub_queue *q, char *text, size_t size, struct mono now)
{
	if (q->n == q->places || size > q->bytes_max - q->bytes)
		return false;
	q->ring[(q->first + q->n) % q->places] = (struct pub_entry){
		.text = text,
		.size = size,
		.since = now,
	};
	q->n++;
	q->bytes += size;
	return true;
}

const struct pub_entry *
pub_queue_peek(const struct pub_queue *q, size_t i)
{
	assert(i < q->n);
	return &q->ring[(q->first + i) % q->places];
}

void
pub_queue_remove(struct pub_queue *q)
{
	struct pub_entry *e = &q->ring[q->first];

	assert(q->n > 0);
	q->bytes -= e->size;
	free(e->text);
	q->first = (q->first + 1) % q->places;
	q->n--;
}

bool
pub_queue_half_full(const struct pub_queue *q)
{
	return q->n > q->places / 2 || q->bytes > q->bytes_max / 2;
}
