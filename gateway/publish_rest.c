#include "gateway/publish_rest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"

struct publish_rest {
	struct item		*items;     /* slices point into arena */
	struct event_state	*states;
	char			*arena;
	size_t			 n;
	size_t			 at;        /* the first not settled */
	size_t			 len;       /* of the stretch of last */
	size_t			 most;      /* of the next one */
	size_t			 alone;     /* this one goes alone; n: none */
};

static size_t
text_of(const struct item *item)
{
	return item->tenant.n + item->key.n + item->event_type.n +
	    item->subject.n + item->frame.n;
}

static struct slice
keep(char **at, struct slice s)
{
	struct slice kept = { *at, s.n };

	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

struct publish_rest *
publish_rest_new(const struct item *items, const struct event_state *states,
    size_t n)
{
	struct publish_rest *r = xcalloc(1, sizeof(*r));
	size_t bytes = 1;
	char *at;

	assert(n > 0);
	r->n = r->most = r->alone = n;
	r->items = xmemdup(items, n * sizeof(*items));
	r->states = xmemdup(states, n * sizeof(*states));
	for (size_t i = 0; i < n; i++)
		bytes += text_of(&items[i]);
	at = r->arena = xmalloc(bytes);
	for (size_t i = 0; i < n; i++) {
		struct item *item = &r->items[i];

		item->tenant = keep(&at, item->tenant);
		item->key = keep(&at, item->key);
		item->event_type = keep(&at, item->event_type);
		item->subject = keep(&at, item->subject);
		item->frame = keep(&at, item->frame);
	}
	return r;
}

void
publish_rest_free(struct publish_rest *r)
{
	if (r == NULL)
		return;
	free(r->items);
	free(r->states);
	free(r->arena);
	free(r);
}

size_t
publish_rest_need(const struct item *items, size_t n)
{
	size_t bytes = sizeof(struct publish_rest) + 1 +
	    n * (sizeof(struct item) + sizeof(struct event_state));

	for (size_t i = 0; i < n; i++)
		bytes += text_of(&items[i]);
	return bytes;
}

bool
publish_rest_next(struct publish_rest *r, struct publish_stretch *ret)
{
	size_t len;

	/* Not by a shorter one: only what may fail again behind it was cut. */
	if (r->len >= r->most)
		r->most = MIN(2 * r->most, r->n);
	r->at += r->len;
	r->len = 0;
	if (r->at == r->n)
		return false;
	len = MIN(r->most, r->n - r->at);
	if (r->alone == r->at)
		len = 1;
	else if (r->alone > r->at)
		len = MIN(len, r->alone - r->at);
	r->len = len;
	*ret = (struct publish_stretch){ (uint32_t)r->at, len,
		&r->items[r->at], &r->states[r->at] };
	return true;
}

void
publish_rest_refused(struct publish_rest *r, size_t at)
{
	assert(r->len > 0);
	if (r->len == 1) {
		r->at++;
		r->len = 0;
		return;
	}
	r->most = r->len / 2;
	if (at < r->len) {
		/* Those before it are not to blame: they go at once. */
		r->alone = r->at + at;
		r->most = MAX(r->most, at);
	}
	r->len = 0;
}
