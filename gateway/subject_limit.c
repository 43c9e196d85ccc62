#include "gateway/subject_limit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/strmap.h"

struct subject_limit {
	struct strmap	*counts;
	uint32_t	 max;
};

struct subject_limit *
subject_limit_new(uint32_t max)
{
	struct subject_limit *l = xcalloc(1, sizeof(*l));

	l->counts = strmap_new();
	l->max = max;
	return l;
}

void
subject_limit_free(struct subject_limit *l)
{
	if (l == NULL)
		return;
	strmap_free(l->counts);
	free(l);
}

/* The name it is counted by; no tenant and no subject has a NUL in it. */
static struct slice
key_of(struct buf *b, const struct identity *id)
{
	buf_add(b, id->tenant, strlen(id->tenant) + 1);
	if (id->subject[0] != '\0') {
		buf_adds(b, id->subject);
	} else {
		buf_addc(b, '\0');
		buf_add(b, id->key, sizeof(id->key));
		buf_u64(b, (uint64_t)id->issued_unix_ms);
	}
	return (struct slice){ (const char *)b->data, b->len };
}

bool
subject_limit_take(struct subject_limit *l, const struct identity *id)
{
	struct buf b = BUF_EMPTY;
	struct slice key = key_of(&b, id);
	uint32_t n = 0;

	(void)strmap_get(l->counts, key, &n);
	if (n < l->max)
		strmap_put(l->counts, key, n + 1);
	buf_free(&b);
	return n < l->max;
}

void
subject_limit_give(struct subject_limit *l, const struct identity *id)
{
	struct buf b = BUF_EMPTY;
	struct slice key = key_of(&b, id);
	uint32_t n = 0;

	(void)strmap_get(l->counts, key, &n);
	assert(n > 0);
	if (n > 1)
		strmap_put(l->counts, key, n - 1);
	else
		strmap_remove(l->counts, key);
	buf_free(&b);
}

size_t
subject_limit_count(const struct subject_limit *l)
{
	return strmap_count(l->counts);
}
