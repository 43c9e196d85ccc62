/*
 * audience: who of a subscription's clients is served, in which order, and
 * what is left when they come and go meanwhile. The table of connections and
 * the snapshots are made up here.
 */
#include "gateway/audience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/conn_row.h"
#include "gateway/hub.h"
#include "gateway/snapshot.h"

#define CLIENTS 8u

static struct conn clients[CLIENTS];
static struct conn_row rows[CLIENTS];
static struct gateway gateway = { .magic = GATEWAY_MAGIC };
static struct audience_queue queue;
static char served[64];          /* ids, as letters, in their order */
static unsigned int begun, looked_up, forgotten;
static uint32_t limit;           /* of one turn */
static uint32_t leaves, again, joins;   /* ids that do so when served */

/* --- what audience calls -------------------------------------------------- */

struct conn *
connections_get(struct connections *cs UNUSED, uint32_t id)
{
	looked_up++;
	return &clients[id];
}

void
snapshot_forget(struct gateway *g UNUSED, struct hub_subscription *s UNUSED)
{
	forgotten++;
}

/* --- clients -------------------------------------------------------------- */

static struct hub_subscription *
join(uint32_t id, const char *key)
{
	struct slice name = slice_str(key);
	struct hub_subscription *sub = hub_acquire(gateway.hub,
	    slice_str("-"), &name, 1, NULL, 0);

	rows[id] = (struct conn_row){ 0 };
	clients[id] = (struct conn){ .magic = CONN_MAGIC, .id = id,
	    .gateway = &gateway, .row = &rows[id] };
	clients[id].stream.next = clients[id].stream.prev = CONN_NONE;
	audience_join(&clients[id], sub);
	return sub;
}

static void
leave(uint32_t id)
{
	audience_wait_over(&queue, &clients[id]);
	audience_leave(&clients[id]);
}

static void
waits(uint32_t id)
{
	audience_wait(&queue, &clients[id]);
}

static void
begin(struct gateway *g UNUSED, const struct hub_subscription *sub)
{
	begun += sub != NULL;
}

static void
add(uint32_t id)
{
	size_t n = strlen(served);

	assert_true(n + 1 < sizeof(served));
	served[n] = (char)('a' + id);
	served[n + 1] = '\0';
}

static bool
serve(struct conn *c, void *arg UNUSED)
{
	assert_false(c->stream.replaying);
	add(c->id);
	if ((again & 1u << c->id) != 0)
		waits(c->id);
	if ((joins & 1u << c->id) != 0) {
		(void)join(CLIENTS - 1, "job:a");
		waits(CLIENTS - 1);
	}
	if ((leaves & 1u << c->id) != 0)
		leave(c->id);
	return strlen(served) < limit;
}

static const char *
turn(void)
{
	served[0] = '\0';
	audience_turn(&gateway, &queue, begin, serve, NULL);
	return served;
}

static void
note(struct conn *c, void *arg UNUSED)
{
	add(c->id);
}

static size_t
all_of(struct hub_subscription *sub)
{
	served[0] = '\0';
	audience_each(&gateway, sub, note, NULL);
	return strlen(served);
}

static int
setup(void **state UNUSED)
{
	struct position at = { 1, 8 };
	struct err err;

	gateway.ring = ring_new(RING_BYTES_MIN, &err);
	assert_non_null(gateway.ring);
	ring_advance(gateway.ring, at);
	gateway.hub = hub_new(gateway.ring);
	TAILQ_INIT(&queue);
	memset(clients, 0, sizeof(clients));
	begun = looked_up = forgotten = 0;
	leaves = again = joins = 0;
	limit = sizeof(served);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (clients[i].stream.sub != NULL)
			leave(i);
	assert_true(TAILQ_EMPTY(&queue));
	assert_int_equal(hub_count(gateway.hub), 0);
	hub_free(gateway.hub);
	ring_free(gateway.ring);
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static void
test_who_waits_is_served_in_the_order_of_waiting_and_nobody_else(
    void **state UNUSED)
{
	struct hub_subscription *sub = NULL;

	for (uint32_t i = 0; i < 6; i++)
		sub = join(i, "job:a");
	waits(4);
	waits(1);
	waits(4);
	waits(3);
	looked_up = 0;
	assert_string_equal(turn(), "ebd");
	/* Each is found at once: itself and its neighbours. */
	assert_in_range(looked_up, 3, 3 * 6);
	assert_true(TAILQ_EMPTY(&queue));
	assert_int_equal(sub->waiting, 0);
	assert_int_equal(all_of(sub), 6);
}

static void
test_news_reach_first_who_was_there_before_and_was_not_behind(void **state
    UNUSED)
{
	struct hub_subscription *sub = NULL;

	for (uint32_t i = 0; i < 4; i++)
		sub = join(i, "job:a");
	(void)all_of(sub);
	assert_string_equal(served, "abcd");
	/* Behind, and not any more. */
	waits(1);
	assert_string_equal(turn(), "b");
	(void)all_of(sub);
	assert_string_equal(served, "acdb");
	(void)join(4, "job:a");
	(void)all_of(sub);
	assert_string_equal(served, "acdbe");
	/* The last goes, one comes, and another waits. */
	leave(4);
	(void)join(5, "job:a");
	waits(5);
	waits(0);
	(void)all_of(sub);
	assert_string_equal(served, "facdb");
	leave(0);
	leave(5);
	(void)join(6, "job:a");
	(void)all_of(sub);
	assert_string_equal(served, "cdbg");
}

static void
test_a_turn_that_is_cut_short_goes_on_with_the_next(void **state UNUSED)
{
	for (uint32_t i = 0; i < 5; i++) {
		(void)join(i, "job:a");
		waits(i);
	}
	limit = 2;
	assert_string_equal(turn(), "ab");
	assert_string_equal(turn(), "cd");
	assert_string_equal(turn(), "e");
	assert_true(TAILQ_EMPTY(&queue));
}

static void
test_who_waits_again_has_its_next_turn_behind_the_others(void **state UNUSED)
{
	for (uint32_t i = 0; i < 3; i++) {
		(void)join(i, "job:a");
		waits(i);
	}
	again = 1;
	limit = 2;
	assert_string_equal(turn(), "ab");
	limit = sizeof(served);
	assert_string_equal(turn(), "ca");
	assert_string_equal(turn(), "a");
	again = 0;
	assert_string_equal(turn(), "a");
	assert_true(TAILQ_EMPTY(&queue));
}

static void
test_two_subscriptions_take_turns(void **state UNUSED)
{
	(void)join(0, "job:a");
	(void)join(1, "job:a");
	(void)join(2, "job:b");
	waits(0);
	waits(1);
	waits(2);
	again = 1u << 0 | 1u << 1 | 1u << 2;
	limit = 1;
	assert_string_equal(turn(), "a");
	assert_string_equal(turn(), "c");
	assert_string_equal(turn(), "b");
	assert_string_equal(turn(), "c");
	assert_string_equal(turn(), "a");
	assert_int_equal(begun, 5);
}

static void
test_clients_may_leave_in_their_turn_and_the_last_takes_all_with_it(
    void **state UNUSED)
{
	for (uint32_t i = 0; i < 3; i++) {
		(void)join(i, "job:a");
		waits(i);
	}
	leaves = 1u << 0 | 1u << 1 | 1u << 2;
	assert_string_equal(turn(), "abc");
	assert_true(TAILQ_EMPTY(&queue));
	assert_int_equal(hub_count(gateway.hub), 0);
	assert_int_equal(forgotten, 1);
}

static void
test_who_leaves_while_it_waits_takes_its_subscription_out_of_the_queue(
    void **state UNUSED)
{
	struct hub_subscription *other;

	(void)join(0, "job:a");
	waits(0);
	leave(0);
	assert_true(TAILQ_EMPTY(&queue));
	/* The next has its number, and none of its turns. */
	other = join(1, "job:b");
	assert_int_equal(other->id, 0);
	(void)join(2, "job:c");
	waits(2);
	waits(1);
	assert_string_equal(turn(), "c");
	assert_string_equal(turn(), "b");
	assert_true(TAILQ_EMPTY(&queue));
}

static void
test_the_last_of_those_who_wait_may_leave_and_the_order_stays(
    void **state UNUSED)
{
	struct hub_subscription *sub = NULL;

	for (uint32_t i = 0; i < 5; i++) {
		sub = join(i, "job:a");
		waits(i);
	}
	leave(4);
	leave(2);
	audience_wait_over(&queue, &clients[0]);
	(void)join(5, "job:a");
	waits(0);
	assert_string_equal(turn(), "bda");
	assert_int_equal(all_of(sub), 4);
}

static void
test_who_joins_in_a_turn_waits_for_the_next(void **state UNUSED)
{
	struct hub_subscription *sub = join(0, "job:a");

	(void)join(1, "job:a");
	waits(0);
	waits(1);
	joins = 1u << 0;
	assert_string_equal(turn(), "ab");
	assert_string_equal(turn(), "h");
	assert_int_equal(all_of(sub), 3);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_who_waits_is_served_in_the_order_of_waiting_and_nobody_else),
		TEST(test_news_reach_first_who_was_there_before_and_was_not_behind),
		TEST(test_a_turn_that_is_cut_short_goes_on_with_the_next),
		TEST(test_who_waits_again_has_its_next_turn_behind_the_others),
		TEST(test_two_subscriptions_take_turns),
		TEST(test_clients_may_leave_in_their_turn_and_the_last_takes_all_with_it),
		TEST(test_who_leaves_while_it_waits_takes_its_subscription_out_of_the_queue),
		TEST(test_the_last_of_those_who_wait_may_leave_and_the_order_stays),
		TEST(test_who_joins_in_a_turn_waits_for_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
