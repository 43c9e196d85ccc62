/*
 * json_block: 64 bytes of JSON as bit masks, bit i for byte i: where the
 * quotes stand, the backslashes, the brackets and so on. Nothing is known of
 * strings here: a bracket inside of one is a bracket. Pure, but for the choice
 * of how, which is made once per process from what the processor can.
 * Processes: watcher and health, any thread.
 *
 * The idea of working on masks, and of prefix_xor: G. Langdale and D. Lemire,
 * "Parsing Gigabytes of JSON per Second", 2019.
 */
#ifndef SLUICE_JSON_BLOCK_H
#define SLUICE_JSON_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_BLOCK_SIZE 64u

struct json_block {
	uint64_t	quote;
	uint64_t	slash;       /* the backslash */
	uint64_t	open;        /* { and [ */
	uint64_t	close;       /* } and ] */
	uint64_t	separator;   /* : and , */
	uint64_t	space;       /* the four of RFC 8259 */
	uint64_t	control;   /* below 0x20, three of them are space too */
	uint64_t	high;        /* 0x80 and above */
};

enum json_block_way {
	JSON_BLOCK_SCALAR,   /* everywhere */
	JSON_BLOCK_SSE2,
	JSON_BLOCK_AVX2,
	JSON_BLOCK_NEON,
	JSON_BLOCK_MAX
};

/* n whole blocks from p on. */
void	json_block_read(const char *p, size_t n, struct json_block *ret);
/* One block of which only the first n bytes are there (n < 64); no other byte
 * is touched, the rest counts as space. */
void	json_block_read_tail(const char *p, size_t n, struct json_block *ret);

/* For tests and benchmarks: from now on do it this way. False when this
 * machine or this build cannot. */
bool	json_block_use(enum json_block_way way);
const char *json_block_name(enum json_block_way way);

/* --- what both readers of masks need -------------------------------------- */

/* The bytes that a backslash before them escapes. *carry: whether the first
 * one is, and on return whether the first byte behind the block is. */
static inline uint64_t
json_block_escaped(uint64_t slash, uint64_t *carry)
{
	uint64_t escaped = *carry, bit;

	slash &= ~escaped;
	*carry = 0;
	while (slash != 0) {
		bit = slash & -slash;
		*carry = bit >> 63;
		escaped |= bit << 1;
		slash &= ~(bit | bit << 1);
	}
	return escaped;
}

/* Bit i of the answer: how many bits up to and with i are set, odd or even.
 * Of quotes: what is inside a string, its opening quote counted, its closing
 * one not. */
static inline uint64_t
json_block_prefix_xor(uint64_t bits)
{
	bits ^= bits << 1;
	bits ^= bits << 2;
	bits ^= bits << 4;
	bits ^= bits << 8;
	bits ^= bits << 16;
	return bits ^ bits << 32;
}

/* How many bits are set. Without an instruction for it, which not every x86-64
 * has. */
static inline unsigned
json_block_count(uint64_t x)
{
	x -= x >> 1 & UINT64_C(0x5555555555555555);
	x = (x & UINT64_C(0x3333333333333333)) +
	    (x >> 2 & UINT64_C(0x3333333333333333));
	x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (unsigned)(x * UINT64_C(0x0101010101010101) >> 56);
}

#endif
