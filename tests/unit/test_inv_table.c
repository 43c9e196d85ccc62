/* inv_table and sip: entries by names that strangers choose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "watcher/inv_object.h"
#include "watcher/inv_table.h"

#define MANY 5000u

static struct inv_object *
named(struct inv_table *t, unsigned i)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "pod-%u", i);
	return inv_table_entry(t, 1, slice_str("shop"), slice_str(name));
}

static void
empty(struct inv_table *t)
{
	struct inv_table_cursor c = { 0 };
	struct inv_object *o;

	while ((o = inv_table_next(t, &c)) != NULL) {
		inv_table_remove(t, o);
		free(o);
	}
	inv_table_clear(t);
}

static void
test_the_hash_is_siphash_1_3(void **state)
{
	/* Reference vectors: key 00 01 .. 0f; "" and 00 .. 07. */
	const struct sip_key key = { UINT64_C(0x0706050403020100),
		UINT64_C(0x0f0e0d0c0b0a0908) };
	const char eight[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

	(void)state;
	assert_true(sip_hash(&key, (struct slice){ eight, 0 }) ==
	    UINT64_C(0xabac0158050fc4dc));
	assert_true(sip_hash(&key, (struct slice){ eight, 8 }) !=
	    sip_hash(&key, (struct slice){ eight, 7 }));
}

/* What collides in one process must not in the next. */
static void
test_two_tables_hash_the_same_names_differently(void **state)
{
	struct inv_table a, b;
	unsigned i, same = 0;

	(void)state;
	inv_table_init(&a);
	inv_table_init(&b);
	for (i = 0; i < MANY; i++)
		same += named(&a, i)->hash == named(&b, i)->hash;
	assert_true(same < 10);
	empty(&a);
	empty(&b);
}

static void
test_namespace_and_name_are_not_run_together(void **state)
{
	struct inv_table t;
	struct inv_object *o;

	(void)state;
	inv_table_init(&t);
	o = inv_table_entry(&t, 1, slice_str("ab"), slice_str("c"));
	assert_ptr_not_equal(o, inv_table_entry(&t, 1, slice_str("a"),
	    slice_str("bc")));
	assert_ptr_not_equal(o, inv_table_entry(&t, 2, slice_str("ab"),
	    slice_str("c")));
	assert_ptr_equal(o, inv_table_find(&t, 1, slice_str("ab"),
	    slice_str("c")));
	assert_int_equal(t.n, 3);
	empty(&t);
}

static void
test_what_was_put_in_is_found_while_it_grows(void **state)
{
	struct inv_object *objects[MANY];
	struct inv_table t;
	unsigned i;

	(void)state;
	inv_table_init(&t);
	for (i = 0; i < MANY; i++)
		objects[i] = named(&t, i);
	for (i = 0; i < MANY; i++)
		assert_ptr_equal(named(&t, i), objects[i]);
	assert_int_equal(t.n, MANY);
	empty(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_hash_is_siphash_1_3),
		cmocka_unit_test(
		    test_two_tables_hash_the_same_names_differently),
		cmocka_unit_test(test_namespace_and_name_are_not_run_together),
		cmocka_unit_test(test_what_was_put_in_is_found_while_it_grows),
	};

	return cmocka_run_group_tests_name("inv_table", tests, NULL, NULL);
}
