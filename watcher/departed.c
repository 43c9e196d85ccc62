#include "watcher/departed.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"

void
departed_add(struct departed *d, const char *kind, const char *path)
{
	d->full = d->full || d->n == DEPARTED_MAX;
	if (d->full)
		return;
	free(d->sorted);
	d->sorted = NULL;
	/* A cluster-wide object's path begins with its slash. */
	buf_addf(&d->names, "%s%s%s", kind, path[0] == '/' ? "" : "/", path);
	buf_addc(&d->names, '\0');
	d->n++;
}

static int
compare(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int rc = memcmp(x->p, y->p, MIN(x->n, y->n));

	return rc != 0 ? rc : (x->n > y->n) - (x->n < y->n);
}

static void
sort(struct departed *d)
{
	const char *at = (const char *)d->names.data;
	size_t i;

	d->sorted = xcalloc(d->n, sizeof(*d->sorted));
	for (i = 0; i < d->n; i++) {
		d->sorted[i] = slice_str(at);
		at += d->sorted[i].n + 1;
	}
	qsort(d->sorted, d->n, sizeof(*d->sorted), compare);
}

bool
departed_has(struct departed *d, struct slice name)
{
	if (d->n == 0)
		return false;
	if (d->sorted == NULL)
		sort(d);
	return bsearch(&name, d->sorted, d->n, sizeof(*d->sorted),
	    compare) != NULL;
}

void
departed_clear(struct departed *d)
{
	buf_free(&d->names);
	free(d->sorted);
	*d = (struct departed){ .names = BUF_EMPTY };
}
