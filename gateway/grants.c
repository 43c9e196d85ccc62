#include "gateway/grants.h"

#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/xmalloc.h"

int
grants_add(struct grants *g, struct slice pattern, struct err *err)
{
	size_t prefix;

	if (g->n == GRANTS_MAX)
		return err_set(err, "more than %u patterns", GRANTS_MAX);
	if (!slice_is(pattern, "*") &&
	    stream_selector_check(pattern, &prefix, err) == -1)
		return -1;
	g->patterns = xreallocarray(g->patterns, g->n + 1,
	    sizeof(*g->patterns));
	g->patterns[g->n++] = slice_dup(pattern);
	return 0;
}

void
grants_clear(struct grants *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->patterns[i]);
	free(g->patterns);
	*g = (struct grants){ NULL, 0 };
}

/* A prefix covers every key, and every longer prefix, that begins with what
 * stands before its '*'. */
static bool
covers(const char *pattern, struct slice selector)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] != '*')
		return slice_is(selector, pattern);
	return selector.n >= n && memcmp(pattern, selector.p, n - 1) == 0;
}

bool
grants_cover(const struct grants *g, struct slice selector)
{
	for (size_t i = 0; i < g->n; i++)
		if (covers(g->patterns[i], selector))
			return true;
	return false;
}
