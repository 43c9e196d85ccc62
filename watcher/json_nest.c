#include "watcher/json_nest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json_scalar.h"

/* What stands open inside the value that is skipped: one bit per level, set
 * for an object. `base`: how many levels are open around it. */
struct nesting {
	uint64_t	bits[JSON_NEST_MAX / 64];
	unsigned	base;
	unsigned	depth;
	char		close;   /* what ends the innermost */
};

static inline bool
nesting_push(struct nesting *n, bool object)
{
	uint64_t bit = UINT64_C(1) << (n->depth % 64);

	if (n->depth == JSON_NEST_MAX)
		return false;
	if (object)
		n->bits[n->depth / 64] |= bit;
	else
		n->bits[n->depth / 64] &= ~bit;
	n->depth++;
	n->close = object ? '}' : ']';
	return true;
}

/* False when that was the value itself. */
static inline bool
nesting_pop(struct nesting *n)
{
	unsigned top;

	if (--n->depth == n->base)
		return false;
	top = n->depth - 1;
	n->close = (n->bits[top / 64] >> (top % 64) & 1) != 0 ? '}' : ']';
	return true;
}

/* json_index_next, with what it works on in registers: json_nest_skip is
 * where the time goes, and a counter in memory costs it as much as all the
 * rest. */
struct reader {
	const char		*base;
	const uint16_t		*at;
	const uint16_t		*end;
	struct json_index	*index;
};

static inline void
reader_load(struct reader *r)
{
	r->base = r->index->base;
	r->at = r->index->place + r->index->at;
	r->end = r->index->place + r->index->n;
}

static inline const char *
reader_next(struct reader *r)
{
	const char *p;

	if (r->at < r->end)
		return r->base + *r->at++;
	p = json_index_more(r->index);
	reader_load(r);
	return p;
}

/* From a name to its value. */
static inline const char *
reader_name(struct reader *r, const char *p)
{
	if (*p != '"' || *reader_next(r) != ':')
		return NULL;
	return reader_next(r);
}

/* Behind a value: out of all that ends here. NULL when the outermost does;
 * *ret_end is its end then. */
static inline const char *
reader_close(struct reader *r, struct nesting *n, const char *p,
    const char **ret_end)
{
	while (*p == n->close) {
		if (!nesting_pop(n)) {
			*ret_end = p + 1;
			return NULL;
		}
		p = reader_next(r);
	}
	return p;
}

/* The container at p, to its end; NULL when it is malformed. */
static inline const char *
read_container(struct reader *r, struct nesting *n, const char *p)
{
	const char *end = NULL;

	for (;;) {
		if (*p == '{' || *p == '[') {
			if (!nesting_push(n, *p == '{'))
				return NULL;
			p = reader_next(r);
			if (*p != n->close) {
				if (n->close == '}')
					p = reader_name(r, p);
				if (p == NULL)
					return NULL;
				continue;
			}
		} else if (*p == '"')
			p = reader_next(r);
		else if (p != json_index_end &&
		    json_scalar_skip(p, r->index->end) != NULL)
			p = reader_next(r);
		else
			return NULL;
		p = reader_close(r, n, p, &end);
		if (p == NULL)
			return end;
		if (*p != ',')
			return NULL;
		p = reader_next(r);
		if (n->close == '}')
			p = reader_name(r, p);
		if (p == NULL)
			return NULL;
	}
}

const char *
json_nest_skip(struct json_index *index, const char *p, unsigned depth)
{
	struct nesting n = { .base = depth, .depth = depth };
	struct reader r = { .index = index };
	const char *end;

	reader_load(&r);
	end = read_container(&r, &n, p);
	index->at = (unsigned)(r.at - index->place);
	return end;
}
