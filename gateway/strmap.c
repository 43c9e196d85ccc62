#include "gateway/strmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
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
	uint64_t		 k0, k1;
};

/* --- SipHash-1-3 ----------------------------------------------------------- */

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotl(uint64_t x, unsigned int b)
{
	return (x << b) | (x >> (64 - b));
}

static void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static uint64_t
sip_hash(uint64_t k0, uint64_t k1, const char *p, size_t n)
{
	struct sip s = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
	    k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };
	uint64_t word = 0;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		memcpy(&word, p + i, 8);
		s.v3 ^= word;
		sip_round(&s);
		s.v0 ^= word;
	}
	word = (uint64_t)n << 56;
	if (n > i)
		memcpy(&word, p + i, n - i);
	s.v3 ^= word;
	sip_round(&s);
	s.v0 ^= word;
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* --- the map ---------------------------------------------------------------- */

struct strmap *
strmap_new(void)
{
	struct strmap *m = xcalloc(1, sizeof(*m));
	uint64_t key[2];

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		fatal("getrandom");
	m->k0 = key[0];
	m->k1 = key[1];
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

	e = *find(m, key, sip_hash(m->k0, m->k1, key.p, key.n));
	if (e == NULL)
		return false;
	*ret_value = e->value;
	return true;
}

void
strmap_put(struct strmap *m, struct slice key, uint32_t value)
{
	uint64_t hash = sip_hash(m->k0, m->k1, key.p, key.n);
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

	at = find(m, key, sip_hash(m->k0, m->k1, key.p, key.n));
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
