#include "common/json_block.h"

#include <stdatomic.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

typedef void (*read_fn)(const char *p, size_t n, struct json_block *ret);

/* --- without any help ----------------------------------------------------- */

/* A byte's classes, one bit each, in the order of struct json_block. */
enum {
	QUOTE = 1, SLASH = 2, OPEN = 4, CLOSE = 8, SEPARATOR = 16, SPACE = 32,
	CONTROL = 64, HIGH = 128
};

#define C  CONTROL
#define CS (CONTROL | SPACE)
static const unsigned char classes[128] = {
	C, C, C, C, C, C, C, C, C, CS, CS, C, C, CS, C, C,
	C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
	[' '] = SPACE, ['"'] = QUOTE, ['\\'] = SLASH,
	['{'] = OPEN, ['['] = OPEN, ['}'] = CLOSE, [']'] = CLOSE,
	[':'] = SEPARATOR, [','] = SEPARATOR,
};
#undef C
#undef CS

static inline uint64_t
class_of(unsigned char c)
{
	return c < 0x80 ? classes[c] : HIGH;
}

/* Eight bytes of eight bits, transposed (H. Warren, Hacker's Delight 7-3): byte
 * k of the answer holds bit k of each. */
static inline uint64_t
transpose(uint64_t x)
{
	uint64_t t;

	t = (x ^ x >> 7) & UINT64_C(0x00aa00aa00aa00aa);
	x ^= t ^ t << 7;
	t = (x ^ x >> 14) & UINT64_C(0x0000cccc0000cccc);
	x ^= t ^ t << 14;
	t = (x ^ x >> 28) & UINT64_C(0x00000000f0f0f0f0);
	return x ^ t ^ t << 28;
}

static void
read_scalar(const char *p, size_t n, struct json_block *ret)
{
	uint64_t masks[8], eight;
	unsigned i, k;

	for (; n > 0; n--, p += JSON_BLOCK_SIZE, ret++) {
		memset(masks, 0, sizeof(masks));
		for (i = 0; i < JSON_BLOCK_SIZE; i += 8) {
			eight = 0;
			for (k = 0; k < 8; k++)
				eight |= class_of((unsigned char)p[i + k]) <<
				    8 * k;
			eight = transpose(eight);
			for (k = 0; k < 8; k++)
				masks[k] |= (eight >> 8 * k & 0xff) << i;
		}
		*ret = (struct json_block){ masks[0], masks[1], masks[2],
			masks[3], masks[4], masks[5], masks[6], masks[7] };
	}
}

/* --- x86-64 --------------------------------------------------------------- */

#if defined(__x86_64__)

/* Sixteen bytes, their bits moved to where they belong in the block. A
 * bracket and its brace differ in bit 0x20 alone. */
static inline void
add_sse2(const char *p, unsigned shift, struct json_block *b)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
	__m128i space = _mm_or_si128(
	    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')),
	    _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))),
	    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')),
	    _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'))));
	__m128i separator = _mm_or_si128(
	    _mm_cmpeq_epi8(v, _mm_set1_epi8(':')),
	    _mm_cmpeq_epi8(v, _mm_set1_epi8(',')));
	__m128i control = _mm_cmpeq_epi8(
	    _mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);

#define BITS(x) ((uint64_t)(uint32_t)_mm_movemask_epi8(x) << shift)
	b->quote |= BITS(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
	b->slash |= BITS(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
	b->open |= BITS(_mm_cmpeq_epi8(low, _mm_set1_epi8('{')));
	b->close |= BITS(_mm_cmpeq_epi8(low, _mm_set1_epi8('}')));
	b->separator |= BITS(separator);
	b->space |= BITS(space);
	b->control |= BITS(control);
	b->high |= BITS(v);
#undef BITS
}

static void
read_sse2(const char *p, size_t n, struct json_block *ret)
{
	struct json_block b;

	for (; n > 0; n--, p += JSON_BLOCK_SIZE) {
		b = (struct json_block){ 0 };
		add_sse2(p, 0, &b);
		add_sse2(p + 16, 16, &b);
		add_sse2(p + 32, 32, &b);
		add_sse2(p + 48, 48, &b);
		*ret++ = b;
	}
}

#define AVX2 __attribute__((target("avx2")))

static inline AVX2 void
add_avx2(const char *p, unsigned shift, struct json_block *b)
{
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i low = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
	__m256i space = _mm256_or_si256(
	    _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(' ')),
	    _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n'))),
	    _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\r')),
	    _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t'))));
	__m256i separator = _mm256_or_si256(
	    _mm256_cmpeq_epi8(v, _mm256_set1_epi8(':')),
	    _mm256_cmpeq_epi8(v, _mm256_set1_epi8(',')));
	__m256i control = _mm256_cmpeq_epi8(
	    _mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);

#define BITS(x) ((uint64_t)(uint32_t)_mm256_movemask_epi8(x) << shift)
	b->quote |= BITS(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')));
	b->slash |= BITS(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
	b->open |= BITS(_mm256_cmpeq_epi8(low, _mm256_set1_epi8('{')));
	b->close |= BITS(_mm256_cmpeq_epi8(low, _mm256_set1_epi8('}')));
	b->separator |= BITS(separator);
	b->space |= BITS(space);
	b->control |= BITS(control);
	b->high |= BITS(v);
#undef BITS
}

static AVX2 void
read_avx2(const char *p, size_t n, struct json_block *ret)
{
	struct json_block b;

	for (; n > 0; n--, p += JSON_BLOCK_SIZE) {
		b = (struct json_block){ 0 };
		add_avx2(p, 0, &b);
		add_avx2(p + 32, 32, &b);
		*ret++ = b;
	}
}

#endif

/* --- aarch64 -------------------------------------------------------------- */

#if defined(__aarch64__) && defined(__ARM_NEON)

/* One bit of each of 16 bytes that are 0x00 or 0xff. */
static inline uint64_t
bits_neon(uint8x16_t m)
{
	static const uint8_t weights[16] = { 1, 2, 4, 8, 16, 32, 64, 128,
		1, 2, 4, 8, 16, 32, 64, 128 };

	m = vandq_u8(m, vld1q_u8(weights));
	return (uint64_t)vaddv_u8(vget_low_u8(m)) |
	    (uint64_t)vaddv_u8(vget_high_u8(m)) << 8;
}

static inline void
add_neon(const char *p, unsigned shift, struct json_block *b)
{
	uint8x16_t v = vld1q_u8((const uint8_t *)p);
	uint8x16_t low = vorrq_u8(v, vdupq_n_u8(0x20));
	uint8x16_t space = vorrq_u8(
	    vorrq_u8(vceqq_u8(v, vdupq_n_u8(' ')),
	    vceqq_u8(v, vdupq_n_u8('\n'))),
	    vorrq_u8(vceqq_u8(v, vdupq_n_u8('\r')),
	    vceqq_u8(v, vdupq_n_u8('\t'))));
	uint8x16_t separator = vorrq_u8(vceqq_u8(v, vdupq_n_u8(':')),
	    vceqq_u8(v, vdupq_n_u8(',')));

	b->quote |= bits_neon(vceqq_u8(v, vdupq_n_u8('"'))) << shift;
	b->slash |= bits_neon(vceqq_u8(v, vdupq_n_u8('\\'))) << shift;
	b->open |= bits_neon(vceqq_u8(low, vdupq_n_u8('{'))) << shift;
	b->close |= bits_neon(vceqq_u8(low, vdupq_n_u8('}'))) << shift;
	b->separator |= bits_neon(separator) << shift;
	b->space |= bits_neon(space) << shift;
	b->control |= bits_neon(vcltq_u8(v, vdupq_n_u8(0x20))) << shift;
	b->high |= bits_neon(vcgeq_u8(v, vdupq_n_u8(0x80))) << shift;
}

static void
read_neon(const char *p, size_t n, struct json_block *ret)
{
	struct json_block b;

	for (; n > 0; n--, p += JSON_BLOCK_SIZE) {
		b = (struct json_block){ 0 };
		add_neon(p, 0, &b);
		add_neon(p + 16, 16, &b);
		add_neon(p + 32, 32, &b);
		add_neon(p + 48, 48, &b);
		*ret++ = b;
	}
}

#endif

/* --- the choice ----------------------------------------------------------- */

/* NULL: not in this build, or not for this processor. */
static read_fn
reader(enum json_block_way way)
{
	switch (way) {
	case JSON_BLOCK_SCALAR:
		return read_scalar;
#if defined(__x86_64__)
	case JSON_BLOCK_SSE2:
		return read_sse2;
	case JSON_BLOCK_AVX2:
		return __builtin_cpu_supports("avx2") ? read_avx2 : NULL;
	case JSON_BLOCK_NEON:
#elif defined(__aarch64__) && defined(__ARM_NEON)
	case JSON_BLOCK_NEON:
		return read_neon;
	case JSON_BLOCK_SSE2:
	case JSON_BLOCK_AVX2:
#else
	case JSON_BLOCK_SSE2:
	case JSON_BLOCK_AVX2:
	case JSON_BLOCK_NEON:
#endif
	case JSON_BLOCK_MAX:
		break;
	}
	return NULL;
}

static void read_first(const char *p, size_t n, struct json_block *ret);

/* Threads that come here at once choose the same. */
static _Atomic(read_fn) chosen = read_first;

static void
read_first(const char *p, size_t n, struct json_block *ret)
{
	enum json_block_way way = JSON_BLOCK_MAX;

	while (reader(--way) == NULL)
		;
	atomic_store_explicit(&chosen, reader(way), memory_order_relaxed);
	reader(way)(p, n, ret);
}

void
json_block_read(const char *p, size_t n, struct json_block *ret)
{
	atomic_load_explicit(&chosen, memory_order_relaxed)(p, n, ret);
}

void
json_block_read_tail(const char *p, size_t n, struct json_block *ret)
{
	char block[JSON_BLOCK_SIZE];

	memset(block, ' ', sizeof(block));
	memcpy(block, p, n);
	json_block_read(block, 1, ret);
	explicit_bzero(block, sizeof(block));   /* a Secret may be in it */
}

bool
json_block_use(enum json_block_way way)
{
	read_fn fn = reader(way);

	if (fn != NULL)
		atomic_store_explicit(&chosen, fn, memory_order_relaxed);
	return fn != NULL;
}

const char *
json_block_name(enum json_block_way way)
{
	static const char *const names[JSON_BLOCK_MAX] = {
		[JSON_BLOCK_SCALAR] = "scalar",
		[JSON_BLOCK_SSE2] = "sse2",
		[JSON_BLOCK_AVX2] = "avx2",
		[JSON_BLOCK_NEON] = "neon",
	};

	return names[way];
}
