/* state_queue: the chain of previous_state holds whatever is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/state_queue.h"

static struct state_queue *q;

static int
setup(void **state)
{
	(void)state;
	q = state_queue_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	state_queue_free(q);
	return 0;
}

static void
push(unsigned kind, enum watch_state state, const char *reason)
{
	struct kind_watch_view view = { .kind = kind, .state = state,
		.resource_version = "7", .reason = reason };

	state_queue_push(q, &view, 3, 1700000000000);
}

/* The first event says all of it; it is sent. */
static void
expect(const char *kind, const char *state, const char *previous)
{
	char want[160];
	struct payload p;

	state_queue_write(q, "prod", &p);
	(void)snprintf(want, sizeof(want), "\"kind\":\"%s\",\"state\":\"%s\","
	    "\"previous_state\":%s,\"objects\":3,", kind, state, previous);
	if (strstr(buf_cstr(&p.frame), want) == NULL)
		fail_msg("%s is not in %s", want, buf_cstr(&p.frame));
	payload_clear(&p);
	state_queue_sent(q);
}

static void
test_each_kind_has_a_chain_of_its_own(void **state)
{
	(void)state;
	assert_true(state_queue_empty(q));
	push(0, WATCH_LISTING, "");
	push(1, WATCH_LISTING, "");
	push(0, WATCH_WATCHING, "");
	assert_false(state_queue_empty(q));
	expect(kinds[0].name, "syncing", "null");
	expect(kinds[1].name, "syncing", "null");
	expect(kinds[0].name, "watching", "\"syncing\"");
	push(1, WATCH_WAIT_LIST, "Timeout");
	expect(kinds[1].name, "backoff", "\"syncing\"");
	assert_true(state_queue_empty(q));
}

static void
test_a_state_that_never_left_is_nobodys_previous_state(void **state)
{
	unsigned i;

	(void)state;
	push(0, WATCH_WATCHING, "");
	expect(kinds[0].name, "watching", "null");
	/* The broker is away, the server comes and goes: the first leaves. */
	push(0, WATCH_WAIT_LIST, "ConnectFailed");
	push(0, WATCH_LISTING, "");
	for (i = 1; i < STATE_QUEUE_MAX; i++)
		push(1, WATCH_WATCHING, "");
	expect(kinds[0].name, "syncing", "\"watching\"");
	expect(kinds[1].name, "watching", "null");
}

static void
test_what_waits_keeps_its_own_words(void **state)
{
	char reason[] = "Timeout";
	struct payload p;

	(void)state;
	push(0, WATCH_WAIT_LIST, reason);
	memset(reason, 'x', strlen(reason));
	state_queue_write(q, "prod", &p);
	assert_non_null(strstr(buf_cstr(&p.frame),
	    "\"resource_version\":\"7\""));
	assert_non_null(strstr(buf_cstr(&p.frame), "\"reason\":\"Timeout\""));
	assert_non_null(strstr(buf_cstr(&p.frame),
	    "\"timestamp\":\"2023-11-14T22:13:20.000Z\""));
	payload_clear(&p);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_each_kind_has_a_chain_of_its_own),
		CASE(test_a_state_that_never_left_is_nobodys_previous_state),
		CASE(test_what_waits_keeps_its_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
