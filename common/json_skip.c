#include "common/json_skip.h"

#include <stddef.h>

#include "common/json_block.h"

#define BLOCKS 8u   /* read at once, when the value has proved to be long */

/* Bracket by bracket. The bit at which the value ends, or -1. */
static int
close_in(uint64_t *depth, uint64_t open, uint64_t close)
{
	uint64_t both = open | close, bit;

	for (; both != 0; both &= both - 1) {
		bit = both & -both;
		if ((open & bit) != 0)
			++*depth;
		else if (--*depth == 0)
			return __builtin_ctzll(bit);
	}
	return -1;
}

/* One block of n bytes. The index of the value's last byte, or -1. */
static inline int
block_on(struct json_skip *s, const struct json_block *b, size_t n)
{
	uint64_t escaped, inside, open, close;
	unsigned closed;

	escaped = json_block_escaped(b->slash, &s->escaped);
	if (n < JSON_BLOCK_SIZE)
		s->escaped = escaped >> n & 1;
	inside = json_block_prefix_xor(b->quote & ~escaped) ^ s->in_string;
	s->in_string = -(inside >> 63);
	open = b->open & ~inside & ~escaped;
	close = b->close & ~inside & ~escaped;
	if (close != 0) {
		closed = json_block_count(close);
		if (s->depth <= closed)
			return close_in(&s->depth, open, close);
		s->depth -= closed;
	}
	s->depth += json_block_count(open);
	return -1;
}

const char *
json_skip_on(struct json_skip *s, const char *p, const char *end,
    bool *ret_done)
{
	struct json_block blocks[BLOCKS];
	size_t n, i, size, most = s->depth == 0 ? 1 : BLOCKS;
	int last;

	*ret_done = false;
	while (p < end) {
		size = JSON_BLOCK_SIZE;
		n = (size_t)(end - p) / JSON_BLOCK_SIZE;
		if (n > most)
			n = most;
		most = most < BLOCKS ? 2 * most : BLOCKS;
		if (n > 0)
			json_block_read(p, n, blocks);
		else {
			n = 1;
			size = (size_t)(end - p);
			json_block_read_tail(p, size, blocks);
		}
		for (i = 0; i < n; i++, p += size) {
			last = block_on(s, &blocks[i], size);
			if (last < 0)
				continue;
			*ret_done = true;
			return p + last + 1;
		}
	}
	return p;
}
