/* A type of stream as the gateway's row has it, as the type's own, and as the
 * store's table of slots: they say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/stream_kind.h"
#include "store/projection.h"

#define EVERY_STREAM "watcher.state_changed"   /* has a place in any type's */

static const struct stream_kind_event *
event_at(unsigned int type, size_t i)
{
	return &stream_kind((enum stream_type)type)->events[i];
}

static void
test_a_type_ends_where_some_event_of_its_row_can_end_it(void **state UNUSED)
{
	for (unsigned int type = 0; type < STREAM_TYPE_MAX; type++) {
		bool ends = stream_kind((enum stream_type)type)->log_ends;

		for (size_t i = 0; i < STREAM_KIND_EVENTS_MAX; i++)
			ends |= (event_at(type, i)->flags &
			    ITEM_LIFECYCLE) != 0;
		assert_int_equal(ends, stream_type_ends(
		    (enum stream_type)type));
	}
	assert_false(stream_type_ends(STREAM_TYPE_MAX));
}

static void
test_what_the_broker_is_told_of_an_event_fits_where_the_store_keeps_it(
    void **state UNUSED)
{
	static const struct {
		uint16_t	flag;
		enum slot	slot;
	} places[] = { { ITEM_LIFECYCLE, SLOT_STATE }, { ITEM_PART, SLOT_STEP },
		{ ITEM_LAST, SLOT_LOG }, { ITEM_DELETED, SLOT_STATUS } };

	for (unsigned int type = 0; type < STREAM_TYPE_MAX; type++) {
		for (size_t i = 0; i < STREAM_KIND_EVENTS_MAX; i++) {
			const struct stream_kind_event *e = event_at(type, i);

			for (size_t k = 0; k < NELEM(places); k++)
				if ((e->flags & places[k].flag) != 0)
					assert_int_equal(projection_slot(
					    (enum stream_type)type,
					    slice_str(e->name)),
					    places[k].slot);
		}
	}
}

/* The names of all rows are tried with every type. */
static void
test_the_store_keeps_nothing_that_may_not_be_published(void **state UNUSED)
{
	size_t kept = 0;

	for (unsigned int n = 0; n < STREAM_TYPE_MAX *
	    STREAM_KIND_EVENTS_MAX * STREAM_TYPE_MAX; n++) {
		enum stream_type type = (enum stream_type)(n % STREAM_TYPE_MAX);
		const char *name = event_at(n / STREAM_TYPE_MAX %
		    STREAM_TYPE_MAX, n / STREAM_TYPE_MAX /
		    STREAM_TYPE_MAX)->name;

		if (name == NULL || strcmp(name, EVERY_STREAM) == 0 ||
		    projection_slot(type, slice_str(name)) == SLOT_NONE)
			continue;
		kept++;
		assert_non_null(stream_kind_event(type, slice_str(name)));
	}
	assert_true(kept > STREAM_TYPE_MAX);
}

static void
test_a_history_is_of_whole_keys_of_its_types(void **state UNUSED)
{
	assert_true(stream_has_history(slice_str("job:a")));
	assert_true(stream_has_history(slice_str("notifications:a")));
	assert_false(stream_has_history(slice_str("pod-logs:a")));
	assert_false(stream_has_history(slice_str("resource:a")));
	assert_false(stream_has_history(slice_str("job:")));
	assert_false(stream_has_history(slice_str("job")));
	assert_false(stream_has_history(slice_str("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_type_ends_where_some_event_of_its_row_can_end_it),
		cmocka_unit_test(
    test_what_the_broker_is_told_of_an_event_fits_where_the_store_keeps_it),
		cmocka_unit_test(
		    test_the_store_keeps_nothing_that_may_not_be_published),
		cmocka_unit_test(test_a_history_is_of_whole_keys_of_its_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
