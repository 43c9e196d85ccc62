#include "gateway/hub_wish.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

static int
by_text(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int c = memcmp(x->p, y->p, MIN(x->n, y->n));

	if (c != 0)
		return c;
	return x->n < y->n ? -1 : x->n > y->n;
}

/* Copies sorted, without repeats; returns how many. */
static size_t
sorted(struct slice *ret, const struct slice *from, size_t n)
{
	size_t i, len = 0;

	if (n == 0)
		return 0;
	memcpy(ret, from, n * sizeof(*ret));
	qsort(ret, n, sizeof(*ret), by_text);
	for (i = 0; i < n; i++)
		if (len == 0 || !slice_eq(ret[len - 1], ret[i]))
			ret[len++] = ret[i];
	return len;
}

static void
make_canon(struct hub_subscription *s)
{
	size_t i;

	buf_add(&s->canon, s->tenant.p, s->tenant.n);
	buf_addc(&s->canon, '\0');
	for (i = 0; i < s->n_selectors; i++) {
		buf_add(&s->canon, s->selectors[i].p, s->selectors[i].n);
		buf_addc(&s->canon, '\0');
	}
	buf_addc(&s->canon, '\0');
	for (i = 0; i < s->n_types; i++) {
		buf_add(&s->canon, s->types[i].p, s->types[i].n);
		buf_addc(&s->canon, '\0');
	}
}

void
hub_wish_set(struct hub_subscription *s, struct slice tenant,
    const struct slice *selectors, size_t n_selectors,
    const struct slice *types, size_t n_types)
{
	size_t n = n_selectors + n_types;

	s->tenant = tenant;
	s->selectors = xreallocarray(NULL, MAX(n, 1), sizeof(*s->selectors));
	s->n_selectors = (uint32_t)sorted(s->selectors, selectors,
	    n_selectors);
	s->types = s->selectors + s->n_selectors;
	s->n_types = (uint32_t)sorted(s->types, types, n_types);
	make_canon(s);
}

void
hub_wish_own(struct hub_subscription *s)
{
	const char *p = (const char *)s->canon.data;
	size_t i;

	s->tenant.p = p;
	p += s->tenant.n + 1;
	for (i = 0; i < s->n_selectors; i++) {
		s->selectors[i].p = p;
		p += s->selectors[i].n + 1;
	}
	p++;
	for (i = 0; i < s->n_types; i++) {
		s->types[i].p = p;
		p += s->types[i].n + 1;
	}
}
