/* What is kept of these streams, and what is gone: what the broker knows. */
#include "tests/unit/publish_fixture.h"

#include "broker/stream_search.h"
#include "common/lifecycle.h"

#define MANY 5000

static struct item
of(const char *tenant, const char *key, uint8_t flags)
{
	struct item item = make(0, key, flags);

	item.tenant = slice_str(tenant);
	return item;
}

static uint64_t
append(struct bench *b, const char *tenant, const char *key, uint8_t flags)
{
	struct item item = of(tenant, key, flags);

	sequencer_append(b->s, &item);
	return item.position.number;
}

/* Begins a search for one or two selectors; -1: refused. */
static int
begin(struct bench *b, struct stream_search *v, const char *tenant,
    const char *one, const char *two)
{
	struct slice selectors[2] = { slice_str(one),
		slice_str(two != NULL ? two : "") };
	struct buf question = BUF_EMPTY;
	struct rd r;
	int rc;

	query_wire_last(&question, slice_str(tenant), selectors,
	    two != NULL ? 2 : 1);
	r = rd_init(question.data, question.len);
	rc = stream_search_begin(v, b->s, &r);
	/* It keeps what it needs. */
	memset(question.data, 'x', question.len);
	buf_free(&question);
	return rc;
}

static uint64_t
last(struct bench *b, const char *tenant, const char *one, const char *two)
{
	struct stream_search v;
	uint64_t found;

	assert_int_equal(begin(b, &v, tenant, one, two), 0);
	while (!stream_search_step(&v, b->s, 3))
		continue;
	assert_true(position_eq(v.answer.as_of, sequencer_tip(b->s)));
	found = v.answer.last;
	stream_search_end(&v);
	return found;
}

/* Of what is gone: {oldest, gone}, with every event before `oldest` gone. */
static uint64_t
gone(struct bench *b, const char *one, const char *two)
{
	struct stream_search v;
	uint64_t found;

	assert_int_equal(begin(b, &v, "-", one, two), 0);
	while (!stream_search_step(&v, b->s, 3))
		continue;
	assert_int_equal(v.answer.oldest, sequencer_oldest(b->s));
	found = v.answer.gone;
	stream_search_end(&v);
	return found;
}

/* Where the last of them ended, and its state byte; 0: not all have. */
static uint64_t
ended(struct bench *b, const char *one, const char *two, uint8_t *ret_state)
{
	struct stream_search v;
	uint64_t found;

	assert_int_equal(begin(b, &v, "-", one, two), 0);
	while (!stream_search_step(&v, b->s, 3))
		continue;
	found = v.answer.ended;
	*ret_state = v.answer.state;
	stream_search_end(&v);
	return found;
}

static uint64_t
append_end(struct bench *b, const char *key, uint8_t state)
{
	struct item item = of("-", key, ITEM_LIFECYCLE | ITEM_TERMINAL);

	item.state = state;
	sequencer_append(b->s, &item);
	return item.position.number;
}

/* Each selector has its own word, in the order of the question. */
static void
test_of_each_stream_it_is_told_whether_its_log_is_open(void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	struct stream_search v;
	const struct query_stream *words = v.answer.streams;
	uint64_t number;
	uint8_t how;

	sequencer_log_grace(b.s, STREAM_JOB, 30000);
	sequencer_at(b.s, 1000);
	(void)append_end(&b, "job:open", 3 | LIFECYCLE_LOGS_OPEN);
	number = append(&b, "-", "job:open", 0);
	(void)append_end(&b, "job:plain", 4);
	assert_int_equal(begin(&b, &v, "-", "job:plain", "job:open"), 0);
	while (!stream_search_step(&v, b.s, 3))
		continue;
	assert_int_equal(v.answer.ended, 0);
	assert_int_equal(v.answer.n, 2);
	assert_int_equal(words[0].how, QUERY_ENDED);
	assert_int_equal(words[0].state, 4);
	assert_int_equal(words[1].how, QUERY_LOG_OPEN);
	assert_true(position_eq(words[1].last,
	    (struct position){ sequencer_tip(b.s).epoch, number }));
	assert_int_equal(words[1].until_ms, 31000);
	stream_search_end(&v);
	/* By the clock of the question. */
	sequencer_at(b.s, 31000);
	assert_int_not_equal(ended(&b, "job:plain", "job:open", &how), 0);
	assert_int_equal(begin(&b, &v, "-", "job:never", "job:*"), 0);
	while (!stream_search_step(&v, b.s, 3))
		continue;
	assert_int_equal(words[0].how, QUERY_UNKNOWN);
	assert_int_equal(words[1].how, QUERY_UNKNOWN);
	stream_search_end(&v);
	bench_free(&b);
}

static void
test_streams_that_have_all_ended_are_told_with_the_last_end(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t first = append_end(&b, "job:a", 3), second;
	uint8_t how;

	(void)append(&b, "-", "job:a", 0);
	assert_int_equal(ended(&b, "job:a", NULL, &how), first);
	assert_int_equal(how, 3);
	assert_int_equal(ended(&b, "job:a", "job:never", &how), 0);
	(void)append(&b, "-", "job:b", ITEM_LIFECYCLE);
	assert_int_equal(ended(&b, "job:b", "job:a", &how), 0);
	assert_int_equal(how, 0);
	second = append_end(&b, "job:b", 1);
	assert_int_equal(ended(&b, "job:b", "job:a", &how), second);
	assert_int_equal(how, 1);
	assert_int_equal(ended(&b, "job:*", "job:a", &how), 0);
	/* A deleted object's stream goes on, and so does one that began
	 * again. */
	(void)append(&b, "-", "resource:c/pod/n/x", ITEM_DELETED);
	assert_int_equal(ended(&b, "resource:c/pod/n/x", NULL, &how), 0);
	(void)append(&b, "-", "job:a", ITEM_LIFECYCLE);
	assert_int_equal(ended(&b, "job:a", NULL, &how), 0);
	bench_free(&b);
}

static void
test_a_key_is_answered_with_its_last_position(void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t a, other;

	(void)append(&b, "-", "job:a", 0);
	a = append(&b, "-", "job:a", 0);
	other = append(&b, "-", "job:b", 0);
	(void)append(&b, "-", "job:c", 0);
	assert_int_equal(last(&b, "-", "job:a", NULL), a);
	assert_int_equal(last(&b, "-", "job:a", "job:b"), other);
	assert_int_equal(last(&b, "-", "job:never", NULL), 0);
	bench_free(&b);
}

static void
test_a_prefix_is_answered_with_the_last_of_all_that_begin_so(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t deployment, secret, job;

	deployment = append(&b, "-", "resource:prod/deployment/d/x", 0);
	secret = append(&b, "-", "resource:prod/secret/d/x", 0);
	(void)append(&b, "-", "resource:prodigy/secret/d/x", 0);
	job = append(&b, "-", "job:x", 0);
	assert_int_equal(last(&b, "-", "resource:prod/deployment/*", NULL),
	    deployment);
	assert_int_equal(last(&b, "-", "resource:prod/*", NULL), secret);
	assert_int_equal(last(&b, "-", "resource:prod/*", "job:*"), job);
	assert_int_equal(last(&b, "-", "resource:prod/*", "job:x"), job);
	assert_int_equal(last(&b, "-", "resource:dev/*", NULL), 0);
	bench_free(&b);
}

static void
test_a_tenant_sees_only_its_own_streams(void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t mine = append(&b, "red", "job:x", 0);

	(void)append(&b, "blue", "job:x", 0);
	(void)append(&b, "re", "job:dx", 0);
	assert_int_equal(last(&b, "red", "job:x", NULL), mine);
	assert_int_equal(last(&b, "red", "job:*", NULL), mine);
	assert_int_equal(last(&b, "green", "job:*", NULL), 0);
	bench_free(&b);
}

static void
forget_all_before(struct bench *b, uint64_t oldest)
{
	sequencer_set_oldest(b->s, oldest);
	while (sequencer_sweep(b->s, 1))
		continue;
}

static void
test_what_may_have_been_forgotten_counts_as_the_last_one_forgotten(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t known = append(&b, "-", "job:known", 0), gone;

	gone = append(&b, "-", "job:gone", ITEM_LIFECYCLE | ITEM_TERMINAL);
	(void)append(&b, "-", "run:x", 0);
	forget_all_before(&b, gone + 1);
	assert_int_equal(last(&b, "-", "job:known", NULL), known);
	assert_int_equal(last(&b, "-", "job:gone", NULL), gone);
	assert_int_equal(last(&b, "-", "job:never", NULL), gone);
	assert_int_equal(last(&b, "-", "job:*", NULL), gone);
	assert_int_equal(last(&b, "-", "job:known", "job:never"), gone);
	bench_free(&b);
}

static void
test_a_stream_that_came_again_keeps_what_was_forgotten_of_it(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t deleted, again;

	(void)append(&b, "-", "job:other", 0);
	deleted = append(&b, "-", "resource:c/pod/n/x", ITEM_DELETED);
	(void)append(&b, "-", "job:other", 0);
	forget_all_before(&b, deleted + 1);
	again = append(&b, "-", "resource:c/pod/n/x", 0);
	assert_int_equal(last(&b, "-", "resource:c/pod/n/x", NULL), again);
	assert_int_equal(gone(&b, "resource:c/pod/n/x", NULL), deleted);
	/* What was never away is not drawn in, nor what comes after it. */
	assert_int_equal(gone(&b, "job:other", NULL), 1);
	forget_all_before(&b, again + 1);
	assert_int_equal(gone(&b, "resource:c/pod/n/x", NULL), again);
	bench_free(&b);
}

static void
test_what_is_gone_is_told_of_each_stream_exactly(void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t a, second, x;

	assert_int_equal(gone(&b, "job:a", NULL), 0);
	a = append(&b, "-", "job:a", 0);             /* 1 */
	second = append(&b, "-", "job:b", 0);        /* 2 */
	x = append(&b, "-", "run:x", 0);             /* 3 */
	(void)append(&b, "-", "job:b", 0);           /* 4 */
	(void)append(&b, "-", "job:a", 0);           /* 5 */
	assert_int_equal(gone(&b, "job:*", "run:*"), 0);
	sequencer_set_oldest(b.s, 4);
	/* Of job:b 2 is gone and 4 is not, whatever else is gone. */
	assert_int_equal(gone(&b, "job:a", NULL), a);
	assert_int_equal(gone(&b, "job:b", NULL), second);
	assert_int_equal(gone(&b, "job:*", NULL), second);
	assert_int_equal(gone(&b, "job:a", "run:x"), x);
	assert_int_equal(gone(&b, "run:*", NULL), x);
	assert_int_equal(gone(&b, "job:never", NULL), 0);
	sequencer_set_oldest(b.s, 5);
	assert_int_equal(gone(&b, "job:b", NULL), 4);
	assert_int_equal(gone(&b, "job:a", NULL), a);
	bench_free(&b);
}

static void
test_a_prefix_search_during_which_more_leaves_is_right_for_its_oldest(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	struct stream_search v;

	for (int i = 0; i < 4; i++) {
		(void)append(&b, "-", "job:a", 0);
		(void)append(&b, "-", "job:b", 0);
	}
	sequencer_set_oldest(b.s, 3);
	assert_int_equal(begin(&b, &v, "-", "job:*", NULL), 0);
	while (v.cursor == 0)
		assert_false(stream_search_step(&v, b.s, 1));
	sequencer_set_oldest(b.s, 7);
	while (!stream_search_step(&v, b.s, 1))
		continue;
	assert_int_equal(v.answer.oldest, 3);
	assert_true(v.answer.gone >= 2 && v.answer.gone < 7);
	stream_search_end(&v);
	bench_free(&b);
}

static void
test_a_new_epoch_makes_nothing_of_the_one_before_count_as_kept(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t old = append(&b, "-", "job:a", 0), new;

	sequencer_begin_epoch(b.s, 6, 1000);
	(void)append(&b, "-", "job:b", 0);           /* 1000 */
	new = append(&b, "-", "job:a", 0);
	(void)append(&b, "-", "job:a", 0);
	sequencer_set_oldest(b.s, 1001);
	assert_true(gone(&b, "job:a", NULL) <= old);
	assert_int_equal(gone(&b, "job:b", NULL), 1000);
	sequencer_set_oldest(b.s, 1002);
	assert_int_equal(gone(&b, "job:a", NULL), new);
	bench_free(&b);
}

static void
test_what_has_left_of_the_epoch_before_is_gone(void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	uint64_t first = append(&b, "-", "job:a", 0), old;

	old = append(&b, "-", "job:a", 0);
	sequencer_begin_epoch(b.s, 6, 1000);
	(void)append(&b, "-", "job:a", 0);
	(void)append(&b, "-", "job:b", 0);
	/* A cursor from the oldest kept, "-1", may stand before the epoch. */
	assert_int_equal(gone(&b, "job:a", NULL), 0);
	sequencer_set_oldest(b.s, old);
	assert_int_equal(gone(&b, "job:a", NULL), first);
	sequencer_set_oldest(b.s, 1000);
	assert_int_equal(gone(&b, "job:a", NULL), old);
	assert_int_equal(gone(&b, "job:*", NULL), old);
	assert_int_equal(gone(&b, "job:b", NULL), 0);
	bench_free(&b);
}

static void
test_a_stream_forgotten_during_the_search_is_not_missed(void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	struct stream_search v;
	uint64_t gone;

	(void)append(&b, "-", "run:x", 0);
	gone = append(&b, "-", "job:gone", ITEM_LIFECYCLE | ITEM_TERMINAL);
	assert_int_equal(begin(&b, &v, "-", "job:*", NULL), 0);
	assert_false(stream_search_step(&v, b.s, 1));
	forget_all_before(&b, gone + 1);
	while (!stream_search_step(&v, b.s, 1))
		continue;
	assert_int_equal(v.answer.last, gone);
	stream_search_end(&v);
	bench_free(&b);
}

static void
test_what_comes_during_the_search_takes_nothing_from_the_answer(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	struct stream_search v;
	uint64_t before, tip;

	(void)append(&b, "-", "run:x", 0);
	before = append(&b, "-", "job:a", 0);
	tip = append(&b, "-", "run:y", 0);
	assert_int_equal(begin(&b, &v, "-", "job:*", NULL), 0);
	assert_false(stream_search_step(&v, b.s, 1));
	(void)append(&b, "-", "run:x", 0);
	(void)append(&b, "-", "run:z", 0);
	while (!stream_search_step(&v, b.s, 1))
		continue;
	assert_int_equal(v.answer.last, before);
	/* It says nothing about what came later. */
	assert_int_equal(v.answer.as_of.number, tip);
	stream_search_end(&v);
	bench_free(&b);
}

static void
test_a_step_makes_no_more_comparisons_than_it_may(void **state UNUSED)
{
	struct bench b = bench_new(MANY, 100);
	struct stream_search v;
	char key[32];
	int steps = 1;

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof(key), "job:%d", i);
		(void)append(&b, "-", key, 0);
	}
	assert_int_equal(begin(&b, &v, "-", "run:*", "resource:*"), 0);
	while (!stream_search_step(&v, b.s, 100))
		steps++;
	assert_int_equal(steps, MANY * 2 / 100);
	stream_search_end(&v);
	/* Keys are looked up in one step. */
	assert_int_equal(begin(&b, &v, "-", "job:1", "run:x"), 0);
	assert_true(stream_search_step(&v, b.s, 1));
	stream_search_end(&v);
	bench_free(&b);
}

static void
test_a_question_that_is_none_is_refused(void **state UNUSED)
{
	struct bench b = bench_new(100, 100);
	struct stream_search v;
	char longest[EVENT_TENANT_MAX + 2];

	memset(longest, 't', sizeof(longest));
	longest[EVENT_TENANT_MAX + 1] = '\0';
	assert_int_equal(begin(&b, &v, "-", "nonsense", NULL), -1);
	assert_int_equal(begin(&b, &v, "-", "job:a*", NULL), -1);
	assert_int_equal(begin(&b, &v, "-", "job:a", ""), -1);
	assert_int_equal(begin(&b, &v, "", "job:a", NULL), -1);
	assert_int_equal(begin(&b, &v, longest, "job:a", NULL), -1);
	bench_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_of_each_stream_it_is_told_whether_its_log_is_open),
		cmocka_unit_test(test_a_key_is_answered_with_its_last_position),
		cmocka_unit_test(
		    test_streams_that_have_all_ended_are_told_with_the_last_end),
		cmocka_unit_test(
		    test_a_prefix_is_answered_with_the_last_of_all_that_begin_so),
		cmocka_unit_test(test_a_tenant_sees_only_its_own_streams),
		cmocka_unit_test(
		    test_what_may_have_been_forgotten_counts_as_the_last_one_forgotten),
		cmocka_unit_test(
		    test_a_stream_that_came_again_keeps_what_was_forgotten_of_it),
		cmocka_unit_test(
		    test_what_is_gone_is_told_of_each_stream_exactly),
		cmocka_unit_test(
		    test_a_prefix_search_during_which_more_leaves_is_right_for_its_oldest),
		cmocka_unit_test(
		    test_a_new_epoch_makes_nothing_of_the_one_before_count_as_kept),
		cmocka_unit_test(
		    test_what_has_left_of_the_epoch_before_is_gone),
		cmocka_unit_test(
		    test_a_stream_forgotten_during_the_search_is_not_missed),
		cmocka_unit_test(
		    test_what_comes_during_the_search_takes_nothing_from_the_answer),
		cmocka_unit_test(
		    test_a_step_makes_no_more_comparisons_than_it_may),
		cmocka_unit_test(test_a_question_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
