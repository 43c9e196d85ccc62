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

/* The answer tells the fate of each: of those that may still be taken is asked
 * again, the first first, of what stands in a row together, so that their order
 * is kept; of one whose code is not known alone, for an answer of its own. */
static void
take_fates(struct pub_batch *b, struct pub_part p, const struct pub_answer *a,
    const enum pub_fate *fates, pub_batch_refused_cb refused, void *arg)
{
	size_t i, n;

	for (i = 0; i < p.n; i++) {
		struct pub_answer own;

		b->accepted += fates[i] == PUB_NOT_NAMED;
		if (fates[i] != PUB_REFUSED_ITSELF)
			continue;
		pub_answer_of(a, i, &own);
		refuse(b, (struct pub_part){ p.first + i, 1 }, &own, refused,
		    arg);
		pub_answer_clear(&own);
	}
	for (i = p.n; i > 0; i -= n) {
		n = 1;
		if (fates[i - 1] == PUB_NOT_CLEAR)
			push_part(b, p.first + i - 1, 1);
		if (fates[i - 1] != PUB_LATER)
			continue;
		while (n < i && fates[i - n - 1] == PUB_LATER)
			n++;
		push_part(b, p.first + i - n, n);
	}
}

/* An answer by which nothing would move would be asked for again and again. */
static bool
moves(const enum pub_fate *fates, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fates[i] != PUB_LATER)
			return true;
	return false;
}

static void
ask_halves(struct pub_batch *b, struct pub_part p)
{
	push_part(b, p.first + p.n / 2, p.n - p.n / 2);
	push_part(b, p.first, p.n / 2);
}

/* The token is for no stream at all: no event would fare better alone. */
static bool
grants_none(const struct pub_answer *a)
{
	return a->status == 403 && a->details == NULL;
}

/* A 403 names the events because of which none was taken. How many others there
 * are. */
static size_t
others_wait(enum pub_fate *fates, size_t n)
{
	size_t others = 0;

	for (size_t i = 0; i < n; i++) {
		if (fates[i] != PUB_NOT_NAMED)
			continue;
		fates[i] = PUB_LATER;
		others++;
	}
	return others;
}

void
pub_batch_answer(struct pub_batch *b, const struct pub_answer *a,
    pub_batch_refused_cb refused, void *arg)
{
	enum pub_fate fates[SLUICE_BATCH_EVENTS];
	struct pub_part p = b->parts[b->n_parts - 1];
	size_t none, named;

	assert(b->n_parts > 0 && a->verdict != PUB_AWAY);
	b->n_parts--;
	if (a->verdict == PUB_TAKEN && a->refused == 0) {
		b->accepted += p.n;
		b->duplicates += MIN(a->duplicates, p.n);
		return;
	}
	if (p.n == 1 || a->verdict == PUB_UNAUTHORIZED || grants_none(a)) {
		refuse(b, p, a, refused, arg);
		return;
	}
	none = a->verdict == PUB_TAKEN ? a->refused : p.n;
	named = pub_answer_fates(a, fates, p.n);
	if (a->status == 403)
		named += others_wait(fates, p.n);
	if (named != none || !moves(fates, p.n)) {
		ask_halves(b, p);
		return;
	}
	if (a->verdict == PUB_TAKEN)
		b->duplicates += MIN(a->duplicates, p.n - none);
	take_fates(b, p, a, fates, refused, arg);
}
