#include "gateway/topics.h"

#include <stdlib.h>

#include "common/xmalloc.h"
#include "gateway/strmap.h"

#define NONE UINT32_MAX

/* The subscriptions of one key or prefix. */
struct topic {
	uint32_t	*ids;       /* NULL: free */
	uint32_t	 n;
	uint32_t	 size;
	uint32_t	 next_free;
};

struct topics {
	struct strmap	*by_name;   /* tenant, kind, key or prefix -> topic */
	struct topic	*list;
	uint32_t	 n;
	uint32_t	 free;       /* first of the free ones, or NONE */
	struct buf	 scratch;
};

struct topics *
topics_new(void)
{
	struct topics *t = xcalloc(1, sizeof(*t));

	t->by_name = strmap_new();
	t->free = NONE;
	return t;
}

void
topics_free(struct topics *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->n; i++)
		free(t->list[i].ids);
	free(t->list);
	strmap_free(t->by_name);
	buf_free(&t->scratch);
	free(t);
}

/* No key and no prefix of another kind has the same name. Valid until the
 * next one is made. */
static struct slice
name_of(struct topics *t, struct slice tenant, const char *p, size_t n,
    bool prefix)
{
	buf_reset(&t->scratch);
	buf_add(&t->scratch, tenant.p, tenant.n);
	buf_addc(&t->scratch, prefix ? '\1' : '\0');
	buf_add(&t->scratch, p, n);
	return (struct slice){ (const char *)t->scratch.data,
	    t->scratch.len };
}

/* A selector's topic: its prefix without the star, or the key. */
static struct slice
name_of_selector(struct topics *t, struct slice tenant, struct slice selector)
{
	size_t prefix = 0;

	(void)stream_selector_check(selector, &prefix, NULL);
	if (prefix > 0)
		return name_of(t, tenant, selector.p, prefix, true);
	return name_of(t, tenant, selector.p, selector.n, false);
}

static struct topic *
find_or_make(struct topics *t, struct slice name)
{
	uint32_t at;

	if (strmap_get(t->by_name, name, &at))
		return &t->list[at];
	at = t->free;
	if (at != NONE) {
		t->free = t->list[at].next_free;
	} else {
		at = t->n++;
		t->list = xreallocarray(t->list, t->n, sizeof(*t->list));
	}
	t->list[at] = (struct topic){ .n = 0 };
	strmap_put(t->by_name, name, at);
	return &t->list[at];
}

void
topics_add(struct topics *t, struct slice tenant, struct slice selector,
    uint32_t id)
{
	struct topic *topic = find_or_make(t,
	    name_of_selector(t, tenant, selector));

	if (topic->n == topic->size) {
		topic->size = topic->size == 0 ? 1 : topic->size * 2;
		topic->ids = xreallocarray(topic->ids, topic->size,
		    sizeof(*topic->ids));
	}
	topic->ids[topic->n++] = id;
}

void
topics_remove(struct topics *t, struct slice tenant, struct slice selector,
    uint32_t id)
{
	struct slice name = name_of_selector(t, tenant, selector);
	struct topic *topic;
	uint32_t at, i;

	if (!strmap_get(t->by_name, name, &at))
		return;
	topic = &t->list[at];
	for (i = 0; i < topic->n && topic->ids[i] != id; i++)
		continue;
	if (i == topic->n)
		return;
	topic->ids[i] = topic->ids[--topic->n];
	if (topic->n > 0)
		return;
	free(topic->ids);
	*topic = (struct topic){ .next_free = t->free };
	t->free = at;
	strmap_remove(t->by_name, name);
}

static void
match_one(const struct topics *t, struct slice name,
    void (*cb)(uint32_t id, void *arg), void *arg)
{
	uint32_t at;

	if (!strmap_get(t->by_name, name, &at))
		return;
	for (uint32_t i = 0; i < t->list[at].n; i++)
		cb(t->list[at].ids[i], arg);
}

void
topics_match(struct topics *t, struct slice tenant, struct slice key,
    void (*cb)(uint32_t id, void *arg), void *arg)
{
	match_one(t, name_of(t, tenant, key.p, key.n, false), cb, arg);
	for (size_t i = 0; i + 1 < key.n; i++)
		if (key.p[i] == ':' || key.p[i] == '/')
			match_one(t, name_of(t, tenant, key.p, i + 1, true),
			    cb, arg);
}
