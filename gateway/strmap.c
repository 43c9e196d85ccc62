#include "gateway/strmap.h"

#include <stdlib.h>
#include <string.h>

#include "common/sip.h"
#include "common/xmalloc.h"

#define STRMAP_BUCKETS_MIN 64u

struct strmap_entry {
	struct strmap_entry	*next;
	uint64_t		 hash;
	uint32_t		 value;
	uint32_t		 n;
	char			 key[];
};

struct strmap {
	struct strmap_entry	**buckets;
	size_t			 n_buckets;   /* a power of two */
	size_t			 count;
	struct sip_key		 key;
};

/* --- the map -------------------------------------------------------------- */

struct strmap *
strmap_new(void)
{
	struct strmap *m = xcalloc(1, sizeof(*m));

	sip_key_random(&m->key);
	m->n_buckets = STRMAP_BUCKETS_MIN;
	m->buckets = xcalloc(m->n_buckets, sizeof(struct strmap_entry *));
	return m;
}

void
strmap_free(struct strmap *m)
{
	struct strmap_entry *e;
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->n_buckets; i++)
		while ((e = m->buckets[i]) != NULL) {
			m->buckets[i] = e->next;
			free(e);
		}
	free(m->buckets);
	free(m);
}

static struct strmap_entry **
find(const struct strmap *m, struct slice key, uint64_t hash)
{
	struct strmap_entry **at = &m->buckets[hash & (m->n_buckets - 1)];

	while (*at != NULL && ((*at)->hash != hash || (*at)->n != key.n ||
	    memcmp((*at)->key, key.p, key.n) != 0))
		at = &(*at)->next;
	return at;
}

static void
grow(struct strmap *m)
{
	size_t n = m->n_buckets * 2, i;
	struct strmap_entry **buckets, *e;

	buckets = xcalloc(n, sizeof(struct strmap_entry *));
	for (i = 0; i < m->n_buckets; i++)
		while ((e = m->buckets[i]) != NULL) {
			m->buckets[i] = e->next;
			e->next = buckets[e->hash & (n - 1)];
			buckets[e->hash & (n - 1)] = e;
		}
	free(m->buckets);
	m->buckets = buckets;
	m->n_buckets = n;
}

bool
strmap_get(const struct strmap *m, struct slice key, uint32_t *ret_value)
{
	struct strmap_entry *e;

	e = *find(m, key, sip_hash(&m->key, key));
	if (e == NULL)
		return false;
	*ret_value = e->value;
	return true;
}

void
strmap_put(struct strmap *m, struct slice key, uint32_t value)
{
	uint64_t hash = sip_hash(&m->key, key);
	struct strmap_entry **at = find(m, key, hash), *e;

	if (*at != NULL) {
		(*at)->value = value;
		return;
	}
	e = xmalloc(sizeof(*e) + key.n);
	*e = (struct strmap_entry){ .next = NULL, .hash = hash,
	    .value = value, .n = (uint32_t)key.n };
	memcpy(e->key, key.p, key.n);
	*at = e;
	if (++m->count > m->n_buckets)
		grow(m);
}

void
strmap_remove(struct strmap *m, struct slice key)
{
	struct strmap_entry **at, *e;

	at = find(m, key, sip_hash(&m->key, key));
	e = *at;
	if (e == NULL)
		return;
	*at = e->next;
	free(e);
	m->count--;
}

size_t
strmap_count(const struct strmap *m)
{
	return m->count;
}
