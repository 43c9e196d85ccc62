/* conf_slot: what a reload brought is read when the thread is at rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "store/conf_slot.h"

static struct conf *
fresh(int64_t retain_ms)
{
	struct conf *conf = xcalloc(1, sizeof(*conf));

	conf_init(conf);
	conf->journal.retain_ms = retain_ms;
	return conf;
}

/* That nothing is freed twice or left behind, the sanitizers check. */
static void
test_the_newest_that_was_offered_is_taken_and_the_one_before_freed(
    void **state)
{
	struct conf_slot slot;
	struct conf first;
	int64_t i;

	(void)state;
	conf_init(&first);
	conf_slot_init(&slot, &first);
	assert_ptr_equal(slot.now, &first);
	assert_false(conf_slot_take(&slot));
	conf_slot_offer(&slot, fresh(1));
	assert_ptr_equal(slot.now, &first);
	for (i = 2; i < 100; i++) {
		conf_slot_offer(&slot, fresh(i));
		conf_slot_offer(&slot, fresh(i * 1000));
		assert_true(conf_slot_take(&slot));
		assert_int_equal(slot.now->journal.retain_ms, i * 1000);
		assert_false(conf_slot_take(&slot));
	}
	conf_slot_offer(&slot, fresh(7));
	conf_slot_clear(&slot);
	assert_null(slot.now);
	conf_free(&first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_newest_that_was_offered_is_taken_and_the_one_before_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
