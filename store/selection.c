#include "store/selection.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "store/projection.h"

static int
slice_compare(struct slice a, struct slice b)
{
	int rc = memcmp(a.p, b.p, MIN(a.n, b.n));

	if (rc != 0)
		return rc;
	return a.n < b.n ? -1 : a.n > b.n;
}

static int
named_compare(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a,
	    *(const struct slice *)b);
}

/* A prefix sorts before the keys that begin with it, being shorter; and behind
 * an equal exact key ("job:a/"), which is not among them. */
static int
range_compare(const void *a, const void *b)
{
	const struct selection_range *x = a, *y = b;
	int rc = slice_compare(x->text, y->text);

	return rc != 0 ? rc : (int)x->prefix - (int)y->prefix;
}

bool
selection_covers(const struct selection_range *range, struct slice key)
{
	if (range->prefix)
		return key.n > range->text.n &&
		    memcmp(key.p, range->text.p, range->text.n) == 0;
	return slice_eq(range->text, key);
}

/* All that the later range of the two has, the earlier one has too. */
static bool
range_repeats(const struct selection_range *later,
    const struct selection_range *earlier)
{
	if (later->prefix && slice_eq(later->text, earlier->text))
		return earlier->prefix;
	return selection_covers(earlier, later->text);
}

int
selection_make(const struct slice *selectors, size_t n,
    struct selection *ret, struct err *err)
{
	struct selection s = { 0 };
	size_t i, prefix, kept = 0;

	s.ranges = xcalloc(n + 1, sizeof(*s.ranges));
	s.named = xcalloc(n + 1, sizeof(*s.named));
	for (i = 0; i < n; i++) {
		if (stream_selector_check(selectors[i], &prefix, err) == -1) {
			selection_clear(&s);
			return err_prefix(err, "selector %zu", i + 1);
		}
		s.ranges[i].prefix = prefix != 0;
		s.ranges[i].text = selectors[i];
		if (prefix != 0)
			s.ranges[i].text.n = prefix;
		else
			s.named[s.n_named++] = selectors[i];
	}
	qsort(s.ranges, n, sizeof(*s.ranges), range_compare);
	qsort(s.named, s.n_named, sizeof(*s.named), named_compare);
	for (i = 0; i < n; i++) {
		if (kept > 0 &&
		    range_repeats(&s.ranges[i], &s.ranges[kept - 1]))
			continue;
		s.ranges[kept++] = s.ranges[i];
	}
	s.n = kept;
	*ret = s;
	return 0;
}

void
selection_clear(struct selection *s)
{
	free(s->ranges);
	free(s->named);
	*s = (struct selection){ 0 };
}

bool
selection_names(const struct selection *s, struct slice key)
{
	return s->n_named > 0 && bsearch(&key, s->named, s->n_named,
	    sizeof(*s->named), named_compare) != NULL;
}

/* --- what a range lies in ------------------------------------------------ */

bool
selection_cluster(const struct selection_range *range, struct slice *ret)
{
	struct slice name = stream_key_name(range->text);
	const char *slash = name.n > 0 ? memchr(name.p, '/', name.n) : NULL;

	if (slash != NULL)
		name.n = (size_t)(slash - name.p);
	else if (range->prefix)
		return false;
	*ret = name;
	return slug_valid(name);
}

enum stream_type
selection_type(const struct selection_range *range)
{
	const char *name;
	size_t n;
	int type;

	for (type = 0; type < STREAM_TYPE_MAX; type++) {
		name = stream_type_name((enum stream_type)type);
		n = strlen(name);
		if (range->text.n > n && range->text.p[n] == ':' &&
		    memcmp(range->text.p, name, n) == 0)
			break;
	}
	return (enum stream_type)type;
}

struct slice
selection_end(struct slice prefix, char *buf)
{
	/* A prefix ends in '/' or ':', so its last byte can be counted up. */
	memcpy(buf, prefix.p, prefix.n);
	buf[prefix.n - 1]++;
	return (struct slice){ buf, prefix.n };
}
