/* What gateways ask the broker, at the socket of its publishers. */
#include "broker/questions.h"

#include "tests/unit/requests_fixture.h"

#include "common/lifecycle.h"
#include "common/query.h"

#define PAGED      (2 * QUESTIONS_STEPS + 100)   /* open logs: three pages */
#define HOUR_MS    3600000
#define ENDING     (ITEM_LIFECYCLE | ITEM_TERMINAL)

struct told {
	struct query_last	last;
	int			answers;
	int			errors;
};

static void
last_cb(const struct query_last *last, const struct err *err, void *arg)
{
	struct told *told = arg;

	if (last != NULL) {
		told->last = *last;
		told->answers++;
	} else {
		assert_non_null(strstr(err->text, "the broker"));
		told->errors++;
	}
}

static struct query_client *
client(void)
{
	struct query_client *c;
	struct err err;

	c = query_client_new_broker(base, directory, &err);
	assert_non_null(c);
	return c;
}

static void
ask(struct query_client *c, const char *selector, int64_t deadline_ms,
    struct told *told)
{
	struct slice one = slice_str(selector);

	assert_true(query_last(c, slice_str("-"), &one, 1, deadline_ms,
	    last_cb, told) != 0);
}

static void
await(const struct told *told, int answers, int errors)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (told->answers + told->errors < answers + errors &&
	    mono_before(mono_now(), end))
		turn(20);
	assert_int_equal(told->answers, answers);
	assert_int_equal(told->errors, errors);
}

static void
append_many(void)
{
	struct item item;
	char key[32];

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof(key), "run:%d", i);
		item = make(0, key, 0);
		sequencer_append(b.s, &item);
	}
	item = make(0, "job:x", 0);
	sequencer_append(b.s, &item);
}

static void
test_gateways_are_answered_by_key_and_by_prefix_over_a_large_table(
    void **state UNUSED)
{
	struct query_client *one = client(), *two = client();
	struct told key = { .answers = 0 }, prefix = key, other = key;

	append_many();
	ask(one, "run:6", WAIT_MS, &key);
	ask(one, "run:*", WAIT_MS, &prefix);
	ask(two, "job:*", WAIT_MS, &other);
	await(&key, 1, 0);
	await(&prefix, 1, 0);
	await(&other, 1, 0);
	assert_int_equal(key.last.last, 7);
	assert_int_equal(prefix.last.last, MANY);
	assert_int_equal(other.last.last, MANY + 1);
	assert_int_equal(other.last.as_of.number, MANY + 1);
	query_client_free(one);
	query_client_free(two);
}

static void
test_a_question_that_was_given_up_makes_room_for_the_next(void **state UNUSED)
{
	struct query_client *c = client();
	struct told given_up = { .answers = 0 }, told = given_up;
	struct slice prefix = slice_str("job:*");
	uint64_t ticket;

	append_many();
	for (unsigned int i = 0; i < 3 * QUESTIONS_ASKERS; i++) {
		ticket = query_last(c, slice_str("-"), &prefix, 1, WAIT_MS,
		    last_cb, &given_up);
		turn(1);
		query_cancel(c, ticket);
	}
	ask(c, "job:*", WAIT_MS, &told);
	await(&told, 1, 0);
	assert_int_equal(told.last.last, MANY + 1);
	query_client_free(c);
}

static void
test_every_asker_is_answered_even_one_there_is_no_room_for(
    void **state UNUSED)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	struct query_client *clients[QUESTIONS_ASKERS + 4];
	struct told told = { .answers = 0 };

	append_many();
	for (size_t i = 0; i < NELEM(clients); i++) {
		clients[i] = client();
		ask(clients[i], "resource:*", WAIT_MS, &told);
	}
	/* How many are there at one time is the loop's business. */
	while (told.answers + told.errors < (int)NELEM(clients) &&
	    mono_before(mono_now(), end))
		turn(20);
	assert_int_equal(told.answers + told.errors, NELEM(clients));
	assert_true(told.answers >= (int)QUESTIONS_ASKERS);
	assert_int_equal(told.last.last, 0);
	for (size_t i = 0; i < NELEM(clients); i++)
		query_client_free(clients[i]);
}

/* --- open logs ------------------------------------------------------------ */

struct pages {
	uint64_t	next;
	int		pages;
	int		logs;
	bool		seen[PAGED];
};

static void
page_cb(const struct query_open_logs *page, const struct err *err UNUSED,
    void *arg)
{
	struct pages *pages = arg;
	struct query_open_log log;
	struct rd rd;

	assert_non_null(page);
	rd = page->logs;
	for (uint32_t i = 0; i < page->count; i++) {
		uint32_t n;

		assert_int_equal(query_wire_open_log_decode(&rd, &log), 0);
		assert_int_equal(sscanf(log.key.p, "run:%" SCNu32, &n), 1);
		assert_true(n < PAGED);
		pages->seen[n] = true;
	}
	assert_true(rd_done(&rd));
	pages->logs += (int)page->count;
	pages->next = page->next;
	pages->pages++;
}

static void
next_page(struct query_client *c, struct pages *pages)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	int before = pages->pages;

	assert_true(query_open_logs(c, pages->next, WAIT_MS, page_cb, pages) !=
	    0);
	while (pages->pages == before && mono_before(mono_now(), end))
		turn(1);
	assert_int_equal(pages->pages, before + 1);
}

static void
append(const char *key, uint8_t flags, uint8_t state)
{
	struct item item = make(0, key, flags);

	item.state = state;
	sequencer_append(b.s, &item);
}

/* So many streams, from that one on, each with its log open. */
static void
append_open(uint32_t from, uint32_t n)
{
	char key[32];

	sequencer_log_grace(b.s, STREAM_RUN, HOUR_MS);
	sequencer_at(b.s, wall_unix_ms());
	for (uint32_t i = from; i < from + n; i++) {
		(void)snprintf(key, sizeof(key), "run:%" PRIu32, i);
		append(key, ENDING, 3 | LIFECYCLE_LOGS_OPEN);
	}
}

static int
seen_of(const struct pages *pages)
{
	int n = 0;

	for (size_t i = 0; i < PAGED; i++)
		n += pages->seen[i];
	return n;
}

static void
test_a_walk_of_the_open_logs_goes_on_where_its_steps_ended(
    void **state UNUSED)
{
	struct slice tenant, key;
	struct sequencer_stream found;
	uint32_t at = 0;
	size_t steps = 2;
	bool more = false;

	sequencer_log_grace(b.s, STREAM_JOB, 30000);
	sequencer_at(b.s, 1000);
	append("job:on", 0, 0);
	append("job:a", ENDING, 3 | LIFECYCLE_LOGS_OPEN);
	append("job:plain", ENDING, 3);
	append("job:b", ENDING, 4 | LIFECYCLE_LOGS_OPEN);
	assert_true(sequencer_next_open(b.s, &at, &steps, &tenant, &key,
	    &found, &more));
	assert_true(slice_is(tenant, "-"));
	assert_true(slice_is(key, "job:a"));
	assert_int_equal(found.state, 3 | LIFECYCLE_LOGS_OPEN);
	/* Those it told of are steps, too. */
	assert_int_equal(steps, 0);
	assert_false(sequencer_next_open(b.s, &at, &steps, &tenant, &key,
	    &found, &more));
	assert_true(more);
	steps = 100;
	assert_true(sequencer_next_open(b.s, &at, &steps, &tenant, &key,
	    &found, &more));
	assert_true(slice_is(key, "job:b"));
	assert_false(sequencer_next_open(b.s, &at, &steps, &tenant, &key,
	    &found, &more));
	assert_false(more);
}

static void
test_the_open_logs_come_in_pages_each_once(void **state UNUSED)
{
	struct pages pages = { .next = 0 };
	struct query_client *c = client();

	append_open(0, PAGED);
	do
		next_page(c, &pages);
	while (pages.next != 0);
	assert_int_equal(pages.pages, 3);
	assert_int_equal(pages.logs, PAGED);
	assert_int_equal(seen_of(&pages), PAGED);
	query_client_free(c);
}

/* The broker that starts again has forgotten the first of them: the others
 * have smaller numbers. */
static void
test_after_a_restart_between_two_pages_no_open_log_is_passed_over(
    void **state UNUSED)
{
	struct pages pages = { .next = 0 };
	struct query_client *c = client();
	struct err err;

	append_open(0, PAGED);
	next_page(c, &pages);
	assert_int_not_equal(pages.next, 0);
	assert_int_equal(pages.logs, QUESTIONS_STEPS);

	requests_free(requests);
	bench_free(&b);
	b = bench_new(MANY + 10, 100);
	requests = requests_new(b.s, b.d, b.core, ready_cb, NULL, &err);
	assert_non_null(requests);
	assert_int_equal(requests_listen(requests, base, directory, &err),
	    0);
	append_open(QUESTIONS_STEPS / 2, PAGED - QUESTIONS_STEPS / 2);
	do
		next_page(c, &pages);
	while (pages.next != 0);
	assert_int_equal(seen_of(&pages), PAGED);
	query_client_free(c);
}

static void
test_what_is_no_question_is_refused_and_a_silent_broker_is_an_error(
    void **state UNUSED)
{
	struct query_client *c = client();
	struct told told = { .answers = 0 };

	ask(c, "nonsense", WAIT_MS, &told);
	await(&told, 0, 1);
	requests_stop(requests);
	ask(c, "job:x", 100, &told);
	await(&told, 0, 2);
	query_client_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_gateways_are_answered_by_key_and_by_prefix_over_a_large_table,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_question_that_was_given_up_makes_room_for_the_next,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_every_asker_is_answered_even_one_there_is_no_room_for,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_walk_of_the_open_logs_goes_on_where_its_steps_ended,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_open_logs_come_in_pages_each_once,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_after_a_restart_between_two_pages_no_open_log_is_passed_over,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_is_no_question_is_refused_and_a_silent_broker_is_an_error,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
