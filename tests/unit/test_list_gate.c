/* list_gate: how many lists of a cluster run at one time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watcher/list_gate.h"

#define MANY 5u

static struct event_base *base;
static struct list_gate *gate;
static struct list_pass passes[MANY];
static unsigned order[2 * MANY], n_granted;

static void
granted(void *arg)
{
	struct list_pass *pass = arg;

	order[n_granted++] = (unsigned)(pass - passes);
}

static int
setup(void **state)
{
	unsigned i;

	(void)state;
	base = event_base_new();
	gate = list_gate_new(base);
	n_granted = 0;
	for (i = 0; i < MANY; i++)
		passes[i] = (struct list_pass){ .granted = granted,
			.arg = &passes[i] };
	return 0;
}

static int
teardown(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < MANY; i++)
		list_gate_return(gate, &passes[i]);
	list_gate_free(gate);
	event_base_free(base);
	return 0;
}

static void
run(void)
{
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
test_three_begin_at_once_and_the_others_in_their_order(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < MANY; i++)
		list_gate_ask(gate, &passes[i]);
	run();
	assert_int_equal(n_granted, LIST_GATE_MAX);
	list_gate_return(gate, &passes[1]);
	run();
	assert_int_equal(n_granted, LIST_GATE_MAX + 1);
	assert_int_equal(order[3], 3);
	/* Who asks again stands behind those that wait. */
	list_gate_ask(gate, &passes[1]);
	list_gate_return(gate, &passes[0]);
	list_gate_return(gate, &passes[2]);
	run();
	assert_int_equal(n_granted, MANY + 1);
	assert_int_equal(order[4], 4);
	assert_int_equal(order[5], 1);
}

static void
test_who_no_longer_waits_is_passed_over(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < MANY; i++)
		list_gate_ask(gate, &passes[i]);
	list_gate_return(gate, &passes[3]);
	list_gate_return(gate, &passes[3]);
	list_gate_return(gate, &passes[0]);
	run();
	assert_int_equal(n_granted, 4);
	assert_int_equal(order[3], 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_three_begin_at_once_and_the_others_in_their_order,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_who_no_longer_waits_is_passed_over, setup, teardown),
	};

	return cmocka_run_group_tests_name("list_gate", tests, NULL, NULL);
}
