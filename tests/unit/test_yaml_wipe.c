/* What was read from a kubeconfig does not stay in freed memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "common/yaml.h"

/* How often the end of the key stands in the heap (none under a sanitizer,
 * whose memory lies elsewhere). */
static size_t
count_in_heap(const char *needle, size_t n)
{
	char line[256];
	FILE *f = fopen("/proc/self/maps", "r");
	uintptr_t low = 0, high = 0;
	size_t count = 0;
	const char *p;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, "[heap]") != NULL)
			assert_int_equal(sscanf(line, "%lx-%lx", &low, &high),
			    2);
	(void)fclose(f);
	if (low == 0)
		return 0;
	p = (const char *)low;
	while ((p = memmem(p, high - (uintptr_t)p, needle, n)) != NULL) {
		count++;
		p += n;
	}
	return count;
}

static void
test_a_freed_tree_leaves_no_copy_of_its_texts(void **state)
{
	static const char text[] = "users: [{name: u, user: "
	    "{password: '0123456789012345678901234567890123456789%s'}}]\n";
	char end[] = "dne-eht-si-siht";
	struct yaml_node *root;
	struct err err = { 0 };
	unsigned line = 0;
	char *all;

	(void)state;
	/* Turned round, so that it stands nowhere else. */
	for (size_t i = 0, j = sizeof(end) - 2; i < j; i++, j--) {
		char c = end[i];

		end[i] = end[j];
		end[j] = c;
	}
	all = xasprintf(text, end);
	root = yaml_tree_read(all, strlen(all), &line, &err);
	assert_non_null(root);
	explicit_bzero(all, strlen(all));
	free(all);
	yaml_tree_free(root);
	assert_int_equal(count_in_heap(end, sizeof(end) - 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_freed_tree_leaves_no_copy_of_its_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
