#include "common/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

#include "common/record.h"

#define CRC32C_POLYNOMIAL 0x82f63b78u   /* reflected 0x1edc6f41 */
#define CRC32C_SLICES     8

static uint32_t		crc32c_tables[CRC32C_SLICES][256];
static bool		crc32c_hardware;
static pthread_once_t	crc32c_once = PTHREAD_ONCE_INIT;

static void
crc32c_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ?
			    CRC32C_POLYNOMIAL : 0);
		crc32c_tables[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int s = 1; s < CRC32C_SLICES; s++) {
			uint32_t before = crc32c_tables[s - 1][i];

			crc32c_tables[s][i] = (before >> 8) ^
			    crc32c_tables[0][before & 0xff];
		}
	}
#if defined(__x86_64__)
	crc32c_hardware = __builtin_cpu_supports("sse4.2") != 0;
#elif defined(__aarch64__)
	crc32c_hardware = (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#endif
}

static uint32_t
crc32c_load(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

uint32_t
crc32c_portable(uint32_t crc, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	(void)pthread_once(&crc32c_once, crc32c_init);
	crc = ~crc;
	for (; n >= 8; p += 8, n -= 8) {
		uint32_t low = crc ^ crc32c_load(p);
		uint32_t high = crc32c_load(p + 4);

		crc = crc32c_tables[7][low & 0xff] ^
		    crc32c_tables[6][(low >> 8) & 0xff] ^
		    crc32c_tables[5][(low >> 16) & 0xff] ^
		    crc32c_tables[4][low >> 24] ^
		    crc32c_tables[3][high & 0xff] ^
		    crc32c_tables[2][(high >> 8) & 0xff] ^
		    crc32c_tables[1][(high >> 16) & 0xff] ^
		    crc32c_tables[0][high >> 24];
	}
	for (; n > 0; p++, n--)
		crc = (crc >> 8) ^ crc32c_tables[0][(crc ^ *p) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t
crc32c_cpu(uint32_t crc32, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t crc = ~crc32, word;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		crc = _mm_crc32_u64(crc, word);
	}
	for (; n > 0; p++, n--)
		crc = _mm_crc32_u8((uint32_t)crc, *p);
	return ~(uint32_t)crc;
}
#elif defined(__aarch64__)
__attribute__((target("+crc")))
static uint32_t
crc32c_cpu(uint32_t crc, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t word;

	crc = ~crc;
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		crc = __crc32cd(crc, word);
	}
	for (; n > 0; p++, n--)
		crc = __crc32cb(crc, *p);
	return ~crc;
}
#else
static uint32_t
crc32c_cpu(uint32_t crc, const void *bytes, size_t n)
{
	return crc32c_portable(crc, bytes, n);
}
#endif

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
	(void)pthread_once(&crc32c_once, crc32c_init);
	return crc32c_hardware ? crc32c_cpu(crc, p, n) :
	    crc32c_portable(crc, p, n);
}
