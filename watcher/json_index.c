#include "watcher/json_index.h"

#include "common/json_block.h"
#include "common/json_text.h"

const char json_index_end[1] = { '\0' };

void
json_index_start(struct json_index *ix, struct slice text)
{
	ix->end = text.p + text.n;
	ix->read = text.p;
	ix->base = text.p;
	ix->escape_read = text.p;
	ix->utf8_read = text.p;
	ix->escaped = 0;
	ix->in_string = 0;
	ix->scalar = 0;
	ix->bad = false;
	ix->at = 0;
	ix->n = 0;
}

/* `which`: escaped bytes of the block at p that are neither quote nor
 * backslash. One behind escape_read is the second half of a pair. */
static void
check_escapes(struct json_index *ix, const char *p, uint64_t which)
{
	const char *one, *after;

	for (; which != 0; which &= which - 1) {
		one = p + __builtin_ctzll(which);
		if (one < ix->escape_read)
			continue;
		after = json_text_escape(one, ix->end);
		if (after == NULL) {
			ix->bad = true;
			return;
		}
		ix->escape_read = after;
	}
}

static void
check_utf8(struct json_index *ix, const char *p, uint64_t high)
{
	const char *one, *after;

	for (; high != 0; high &= high - 1) {
		one = p + __builtin_ctzll(high);
		if (one < ix->utf8_read)
			continue;
		after = json_text_utf8(one, ix->end);
		if (after == NULL) {
			ix->bad = true;
			return;
		}
		ix->utf8_read = after;
	}
}

static inline uint64_t
add_place(uint16_t *to, uint64_t bits, unsigned offset)
{
	*to = (uint16_t)(offset +
	    (unsigned)__builtin_ctzll(bits | UINT64_C(1) << 63));
	return bits & (bits - 1);
}

static inline uint64_t
add_four(uint16_t *to, uint64_t bits, unsigned offset)
{
	bits = add_place(to, bits, offset);
	bits = add_place(to + 1, bits, offset);
	bits = add_place(to + 2, bits, offset);
	return add_place(to + 3, bits, offset);
}

/* The places of the bits set, counted from `offset`. Eight at once, as many as
 * most blocks have: a loop that ends at the right one is guessed wrong by the
 * processor once for every block. */
static inline void
add_places(struct json_index *ix, uint64_t bits, unsigned offset)
{
	uint16_t *to = ix->place + ix->n;
	unsigned n = json_block_count(bits), i;

	ix->n += n;
	bits = add_four(to, bits, offset);
	bits = add_four(to + 4, bits, offset);
	for (i = 8; i < n; i += 8) {
		bits = add_four(to + i, bits, offset);
		bits = add_four(to + i + 4, bits, offset);
	}
}

/* The block at p, whose places count from `offset`. */
static inline void
take_block(struct json_index *ix, const struct json_block *b, const char *p,
    unsigned offset)
{
	uint64_t escaped, quote, inside, marks, scalar, wordy, begin, odd;

	escaped = json_block_escaped(b->slash, &ix->escaped);
	quote = b->quote & ~escaped;
	inside = json_block_prefix_xor(quote) ^ ix->in_string;
	ix->in_string = -(inside >> 63);

	odd = escaped & inside & ~(b->quote | b->slash);
	if (odd != 0)
		check_escapes(ix, p, odd);
	if (b->high != 0)
		check_utf8(ix, p, b->high);
	if ((b->control & inside) != 0)
		ix->bad = true;

	/* A scalar begins where the byte before is not of a number or word;
	 * the bits of `inside ^ quote` are a string's bytes but for its
	 * first. */
	marks = b->open | b->close | b->separator;
	scalar = ~(marks | b->space);
	wordy = scalar & ~quote;
	begin = scalar & ~(wordy << 1 | ix->scalar) & ~(inside ^ quote);
	ix->scalar = wordy >> 63;
	add_places(ix, begin | (marks & ~inside), offset);
}

/* The next batch, of at least one byte. */
static void
take_batch(struct json_index *ix)
{
	JSON_INDEX_UNINITIALIZED struct json_block blocks[JSON_INDEX_BLOCKS];
	size_t left = (size_t)(ix->end - ix->read), n, i;

	n = left / JSON_BLOCK_SIZE;
	if (n > JSON_INDEX_BLOCKS)
		n = JSON_INDEX_BLOCKS;
	ix->base = ix->read;
	ix->read += n * JSON_BLOCK_SIZE;
	if (n > 0)
		json_block_read(ix->base, n, blocks);
	if (n < JSON_INDEX_BLOCKS && left % JSON_BLOCK_SIZE != 0) {
		json_block_read_tail(ix->read, left % JSON_BLOCK_SIZE,
		    &blocks[n++]);
		ix->read = ix->end;
	}
	for (i = 0; i < n; i++)
		take_block(ix, &blocks[i], ix->base + i * JSON_BLOCK_SIZE,
		    (unsigned)(i * JSON_BLOCK_SIZE));
}

const char *
json_index_more(struct json_index *ix)
{
	ix->at = 0;
	ix->n = 0;
	while (ix->n == 0 && ix->read < ix->end && !ix->bad)
		take_batch(ix);
	if (ix->read == ix->end && ix->in_string != 0)
		ix->bad = true;
	if (ix->bad || ix->n == 0)
		return json_index_end;
	return ix->base + ix->place[ix->at++];
}
