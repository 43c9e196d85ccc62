/* list_slot: when a cluster's kinds may begin to list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/list_slot.h"

static struct role watcher = { .name = "watcher", .instance = "prod" };
static struct list_slot *slot;
static unsigned asked, given_back, begun, returned;

/* The supervisor is this test. */
void
role_send(struct role *role, enum msg_type type, const void *payload, size_t n,
    int fd)
{
	enum msg_slot what;

	assert_ptr_equal(role, &watcher);
	assert_int_equal(type, MSG_LIST_SLOT);
	assert_int_equal(fd, -1);
	assert_int_equal(msg_slot_decode(payload, n, &what), 0);
	asked += what == MSG_SLOT_ASK;
	given_back += what == MSG_SLOT_RETURN;
}

static void
begin_cb(void *arg UNUSED)
{
	begun++;
}

static void
returned_cb(void *arg UNUSED)
{
	returned++;
}

static const struct list_slot_ops ops = { begin_cb, returned_cb };

static void
granted(void)
{
	struct buf b = BUF_EMPTY;

	msg_slot_encode(&b, MSG_SLOT_GRANT);
	list_slot_message(slot, b.data, b.len);
	buf_free(&b);
}

static int
setup(void **state UNUSED)
{
	asked = given_back = begun = returned = 0;
	watcher.base = event_base_new();
	watcher.conf.watch.slow_list_ms = 60 * 1000;
	slot = list_slot_new(&watcher, &ops, NULL);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	list_slot_free(slot);
	event_base_free(watcher.base);
	return 0;
}

static void
test_it_asks_at_once_and_gives_back_what_it_holds_once(void **state UNUSED)
{
	assert_int_equal(asked, 1);
	list_slot_return(slot);   /* not held yet */
	assert_int_equal(given_back, 0);
	granted();
	assert_int_equal(begun, 1);
	assert_int_equal(given_back, 0);
	list_slot_return(slot);
	list_slot_return(slot);
	assert_int_equal(given_back, 1);
	assert_int_equal(returned, 1);
	granted();
	assert_int_equal(begun, 1);
}

/* The kinds go on; only others need not wait any longer. */
static void
test_lists_that_hardly_come_keep_no_other_waiting(void **state UNUSED)
{
	watcher.conf.watch.slow_list_ms = 1;
	granted();
	(void)event_base_loop(watcher.base, EVLOOP_ONCE);
	assert_int_equal(begun, 1);
	assert_int_equal(given_back, 1);
	list_slot_return(slot);
	assert_int_equal(given_back, 1);
}

static void
test_a_slot_that_is_granted_too_late_goes_back_at_once(void **state UNUSED)
{
	list_slot_stop(slot);
	granted();
	assert_int_equal(begun, 0);
	assert_int_equal(given_back, 1);
	assert_int_equal(returned, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_it_asks_at_once_and_gives_back_what_it_holds_once),
		CASE(test_lists_that_hardly_come_keep_no_other_waiting),
		CASE(test_a_slot_that_is_granted_too_late_goes_back_at_once),
	};

	return cmocka_run_group_tests_name("list_slot", tests, NULL, NULL);
}
