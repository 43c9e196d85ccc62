#include "lib/pub_batch.h"

#include <assert.h>

#include "common/macros.h"

void
pub_batch_clear(struct pub_batch *b)
{
	buf_reset(&b->text);
	b->n = b->n_parts = 0;
	b->accepted = b->duplicates = b->refused = 0;
	b->begin[0] = 0;
}

bool
pub_batch_add(struct pub_batch *b, const char *event, size_t size)
{
	if (b->n == SLUICE_BATCH_EVENTS ||
	    (b->n > 0 && b->text.len + size + 1 > SLUICE_BATCH_BYTES))
		return false;
	buf_add(&b->text, event, size);
	buf_addc(&b->text, '\n');
	b->begin[++b->n] = b->text.len;
	return true;
}

static void
push_part(struct pub_batch *b, size_t first, size_t n)
{
	/* Parts never overlap and none is empty. */
	assert(n > 0 && b->n_parts < NELEM(b->parts));
	b->parts[b->n_parts++] = (struct pub_part){ first, n };
}

void
pub_batch_begin(struct pub_batch *b)
{
	push_part(b, 0, b->n);
}

bool
pub_batch_is_open(const struct pub_batch *b)
{
	return b->n_parts > 0;
}

struct slice
pub_batch_question(const struct pub_batch *b, size_t *ret_n)
{
	const struct pub_part *p = &b->parts[b->n_parts - 1];
	size_t from = b->begin[p->first], to = b->begin[p->first + p->n];

	assert(b->n_parts > 0);
	*ret_n = p->n;
	return (struct slice){ (const char *)b->text.data + from, to - from };
}

size_t
pub_batch_size(const struct pub_batch *b, size_t i)
{
	return b->begin[i + 1] - b->begin[i] - 1;
}

static void
refuse(struct pub_batch *b, struct pub_part p, const struct pub_answer *a,
    pub_batch_refused_cb refused, void *arg)
{
	for (size_t i = p.first; i < p.first + p.n; i++) {
		b->refused++;
		refused((const char *)b->text.data + b->begin[i],
		    pub_batch_size(b, i), a, arg);
	}
}

/* Asks about each of the named ones alone, the first first; all others of the
 * part are taken, or (of a refusal that names all) there are none. */
static void
ask_alone(struct pub_batch *b, struct pub_part p, const bool *named)
{
	for (size_t i = p.n; i-- > 0; ) {
		if (named[i])
			push_part(b, p.first + i, 1);
		else
			b->accepted++;
	}
}

static void
ask_halves(struct pub_batch *b, struct pub_part p)
{
	push_part(b, p.first + p.n / 2, p.n - p.n / 2);
	push_part(b, p.first, p.n / 2);
}

void
pub_batch_answer(struct pub_batch *b, const struct pub_answer *a,
    pub_batch_refused_cb refused, void *arg)
{
	bool named[SLUICE_BATCH_EVENTS];
	struct pub_part p = b->parts[b->n_parts - 1];
	size_t none;

	assert(b->n_parts > 0 && a->verdict != PUB_AWAY);
	b->n_parts--;
	if (a->verdict == PUB_TAKEN && a->refused == 0) {
		b->accepted += p.n;
		b->duplicates += MIN(a->duplicates, p.n);
		return;
	}
	if (p.n == 1 || a->verdict == PUB_UNAUTHORIZED) {
		refuse(b, p, a, refused, arg);
		return;
	}
	none = a->verdict == PUB_TAKEN ? a->refused : p.n;
	if (pub_answer_named(a, named, p.n) != none) {
		ask_halves(b, p);
		return;
	}
	if (a->verdict == PUB_TAKEN)
		b->duplicates += MIN(a->duplicates, p.n - none);
	ask_alone(b, p, named);
}
