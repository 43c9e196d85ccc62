#include "watcher/resident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/sha.h>

#define BLOCKS 2000u

static const unsigned char *
digest_of(const void *bytes, size_t n, unsigned char out[32])
{
	assert_non_null(SHA256(bytes, n, out));
	return out;
}

/* Of the process, by the kernel: kB of pages that stand in files. */
static long
file_pages(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long found = -1;

	assert_non_null(f);
	while (found < 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssFile:", 8) == 0)
			found = strtol(line + 8, NULL, 10);
	(void)fclose(f);
	assert_true(found > 0);
	return found;
}

static void
test_code_and_data_are_the_same_after_pages_were_given_back(void **state)
{
	static const char text[] = "what stands in the program's file";
	unsigned char before[32], after[32], *blocks[BLOCKS];
	size_t i;
	long pages;

	(void)state;
	for (i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(4096);
		assert_non_null(blocks[i]);
		memset(blocks[i], (int)(i & 0xff), 4096);
	}
	for (i = 0; i < BLOCKS; i += 2)
		free(blocks[i]);
	(void)digest_of(text, sizeof(text), before);
	pages = file_pages();
	resident_trim();
	assert_true(file_pages() < pages);
	assert_memory_equal(digest_of(text, sizeof(text), after), before, 32);
	for (i = 1; i < BLOCKS; i += 2) {
		assert_int_equal(blocks[i][0], i & 0xff);
		assert_int_equal(blocks[i][4095], i & 0xff);
		free(blocks[i]);
	}
}

static void
test_giving_back_again_and_again_does_no_harm(void **state)
{
	unsigned char out[32];
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		resident_trim();
	(void)digest_of("abc", 3, out);
	assert_int_equal(out[0], 0xba);
	assert_int_equal(out[31], 0xad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_code_and_data_are_the_same_after_pages_were_given_back),
		cmocka_unit_test(
		    test_giving_back_again_and_again_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
