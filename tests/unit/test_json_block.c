/* json_block, json_skip: masks in each way are what byte by byte gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/json_block.h"
#include "common/json_skip.h"
#include "common/macros.h"

static uint32_t seed = 3;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Any byte, or mostly such as mean something. */
static void
fill(char *p, size_t n, bool any)
{
	static const char some[] = "\"\"\\\\{}[]:, \n\r\tab0\x1f\x7f\x80\xff";

	for (; n > 0; n--)
		*p++ = any ? (char)rnd(256) : some[rnd(sizeof(some))];
}

static struct json_block
by_hand(const char *p, size_t n)
{
	struct json_block b = { 0 };
	size_t i;

	for (i = 0; i < JSON_BLOCK_SIZE; i++) {
		unsigned char c = i < n ? (unsigned char)p[i] : ' ';
		uint64_t bit = UINT64_C(1) << i;

		b.quote |= c == '"' ? bit : 0;
		b.slash |= c == '\\' ? bit : 0;
		b.open |= c == '{' || c == '[' ? bit : 0;
		b.close |= c == '}' || c == ']' ? bit : 0;
		b.separator |= c == ':' || c == ',' ? bit : 0;
		b.space |= c == ' ' || c == '\n' || c == '\r' || c == '\t' ?
		    bit : 0;
		b.control |= c < 0x20 ? bit : 0;
		b.high |= c > 0x7f ? bit : 0;
	}
	return b;
}

static void
test_every_byte_is_classed_alike_in_each_way(void **state)
{
	char text[256 + JSON_BLOCK_SIZE], *p;
	struct json_block got[4], want;
	unsigned way, shift, i;

	(void)state;
	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	for (way = 0; way < JSON_BLOCK_MAX; way++) {
		if (!json_block_use((enum json_block_way)way))
			continue;
		for (shift = 0; shift < JSON_BLOCK_SIZE; shift++) {
			p = text + shift;
			json_block_read(p, 4, got);
			for (i = 0; i < 4; i++) {
				want = by_hand(p + i * JSON_BLOCK_SIZE,
				    JSON_BLOCK_SIZE);
				assert_memory_equal(&got[i], &want,
				    sizeof(want));
			}
		}
	}
}

static void
test_random_blocks_are_read_alike_in_each_way(void **state)
{
	struct json_block got, want;
	char text[JSON_BLOCK_SIZE];
	unsigned i, way;
	size_t n;

	(void)state;
	for (i = 0; i < 2000; i++) {
		fill(text, sizeof(text), i % 2 == 0);
		n = rnd(JSON_BLOCK_SIZE + 1);
		want = by_hand(text, n);
		for (way = 0; way < JSON_BLOCK_MAX; way++) {
			if (!json_block_use((enum json_block_way)way))
				continue;
			if (n == JSON_BLOCK_SIZE)
				json_block_read(text, 1, &got);
			else
				json_block_read_tail(text, n, &got);
			assert_memory_equal(&got, &want, sizeof(want));
		}
	}
}

/* Behind the page stands one that may not be read. */
static void
test_nothing_is_read_behind_the_end_of_a_page(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n;
	struct json_block got[2], want;
	unsigned way;
	char *p;

	(void)state;
	p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
	fill(p, page, false);
	for (way = 0; way < JSON_BLOCK_MAX; way++) {
		if (!json_block_use((enum json_block_way)way))
			continue;
		json_block_read(p + page - 128, 2, got);
		want = by_hand(p + page - 64, 64);
		assert_memory_equal(&got[1], &want, sizeof(want));
		for (n = 0; n < JSON_BLOCK_SIZE; n++) {
			json_block_read_tail(p + page - n, n, got);
			want = by_hand(p + page - n, n);
			assert_memory_equal(&got[0], &want, sizeof(want));
		}
	}
	assert_int_equal(munmap(p, 2 * page), 0);
}

static void
test_runs_of_backslashes_escape_across_blocks(void **state)
{
	uint64_t carry = 0, slash, want, escaped;
	bool next = false;
	unsigned i, k;

	(void)state;
	for (i = 0; i < 4000; i++) {
		slash = 0;
		for (k = 0; k < 64; k++)
			slash |= (uint64_t)(rnd(4) < i % 5) << k;
		want = 0;
		for (k = 0; k < 64; k++) {
			want |= (uint64_t)next << k;
			next = !next && (slash >> k & 1) != 0;
		}
		escaped = json_block_escaped(slash, &carry);
		assert_true(escaped == want);
		assert_int_equal(carry, next);
	}
}

static void
test_bits_are_counted_and_paired(void **state)
{
	uint64_t bits, want;
	unsigned i, k, n;

	(void)state;
	for (i = 0; i < 1000; i++) {
		bits = (uint64_t)rnd(1u << 24) << rnd(41) | rnd(1u << 24);
		want = 0;
		n = 0;
		for (k = 0; k < 64; k++) {
			n += (unsigned)(bits >> k & 1);
			want |= (uint64_t)(n & 1) << k;
		}
		assert_true(json_block_prefix_xor(bits) == want);
		assert_int_equal(json_block_count(bits), n);
	}
	assert_int_equal(json_block_count(UINT64_MAX), 64);
}

/* Where brackets outside of strings are balanced, byte by byte. */
static size_t
end_by_hand(const char *p, size_t n)
{
	bool in_string = false, escaped = false;
	unsigned depth = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (escaped) {
			escaped = false;
			continue;
		}
		escaped = p[i] == '\\';
		if (p[i] == '"')
			in_string = !in_string;
		if (in_string)
			continue;
		if (p[i] == '{' || p[i] == '[')
			depth++;
		if ((p[i] == '}' || p[i] == ']') && --depth == 0)
			return i + 1;
	}
	return 0;
}

static void
test_a_value_ends_where_its_brackets_are_balanced(void **state)
{
	const char *at, *after;
	char text[700], *copy;
	size_t n, want, piece;
	unsigned i, way;
	bool done;

	(void)state;
	for (i = 0; i < 4000; i++) {
		n = 1 + rnd(i % 2 == 0 ? 200 : sizeof(text));
		fill(text, n, false);
		memset(text, "{["[rnd(2)], 1 + rnd((uint32_t)n));
		want = end_by_hand(text, n);
		copy = malloc(n);   /* exact: a sanitizer sees what is behind */
		assert_non_null(copy);
		memcpy(copy, text, n);
		for (way = 0; way < JSON_BLOCK_MAX; way++) {
			struct json_skip s = { 0 };

			if (!json_block_use((enum json_block_way)way))
				continue;
			done = false;
			for (at = copy; at < copy + n && !done; at = after) {
				piece = 1 + rnd(i % 3 == 0 ? 3 : 300);
				piece = MIN(piece, (size_t)(copy + n - at));
				after = json_skip_on(&s, at, at + piece,
				    &done);
				assert_true(done || after == at + piece);
			}
			assert_int_equal(done ? at - copy : 0, want);
		}
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_is_classed_alike_in_each_way),
		cmocka_unit_test(test_random_blocks_are_read_alike_in_each_way),
		cmocka_unit_test(test_nothing_is_read_behind_the_end_of_a_page),
		cmocka_unit_test(test_runs_of_backslashes_escape_across_blocks),
		cmocka_unit_test(test_bits_are_counted_and_paired),
		cmocka_unit_test(
		    test_a_value_ends_where_its_brackets_are_balanced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
