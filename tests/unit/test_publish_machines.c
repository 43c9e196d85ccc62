/* What the broker lets a stream and its state machines take: guards, ends,
 * steps and how many of them. */
#include <time.h>

#include "broker/machine_table.h"
#include "broker/sequencer_state.h"
#include "common/lifecycle.h"
#include "tests/unit/publish_fixture.h"

static void
test_a_guard_lets_one_of_two_win(void **state)
{
	struct bench b = bench_new(100, 100);
	struct item item = make(0, "job:a", ITEM_LIFECYCLE | ITEM_GUARDED);
	struct publish_outcome o;

	(void)state;
	item.state = 1;
	o = hand_over(&b, 1, &item, 1);
	assert_int_equal(o.count, 1);
	item.state = 2;
	o = hand_over(&b, 2, &item, 1);   /* judged on "none yet" as well */
	assert_int_equal(o.count, 0);
	assert_int_equal(o.record->len, 0);
	assert_int_equal(o.list[0].code, RECORD_GUARD_LOST);
	assert_int_equal(o.list[0].position.number, 1);
	assert_int_equal(o.list[0].position.epoch, 5);
	assert_int_equal(o.list[0].state, 1);
	item.guard = (struct position){ 5, 1 };
	o = hand_over(&b, 3, &item, 1);
	assert_int_equal(o.count, 1);
	item.guard = (struct position){ 4, 2 };   /* right number, old epoch */
	o = hand_over(&b, 4, &item, 1);
	assert_int_equal(o.list[0].code, RECORD_GUARD_LOST);
	assert_int_equal(o.list[0].state, 2);
	bench_free(&b);
}

static struct item
step(const char *key, uint8_t name, struct position guard)
{
	struct item item = make(0, key, ITEM_PART | ITEM_GUARDED);

	memset(item.part, name, EVENT_HASH_SIZE);
	item.guard = guard;
	return item;
}

static void
test_each_step_has_a_guard_of_its_own(void **state)
{
	const struct position none = { 0, 0 };
	struct bench b = bench_new(100, 100);
	struct item item = make(0, "pack-run:a", ITEM_LIFECYCLE |
	    ITEM_GUARDED);
	struct publish_outcome o;

	(void)state;
	assert_int_equal(hand_over(&b, 1, &item, 1).count, 1);
	item = step("pack-run:a", 1, none);
	item.attempt = 4;
	item.state = 9;
	memset(item.body, 7, EVENT_HASH_SIZE);
	assert_int_equal(hand_over(&b, 2, &item, 1).count, 1);
	item = step("pack-run:a", 2, none);
	assert_int_equal(hand_over(&b, 3, &item, 1).count, 1);
	/* Lines of its log move no guard. */
	item = make(0, "pack-run:a", 0);
	assert_int_equal(hand_over(&b, 4, &item, 1).count, 1);
	item = step("pack-run:a", 1, none);
	o = hand_over(&b, 5, &item, 1);
	assert_int_equal(o.list[0].code, RECORD_GUARD_LOST);
	assert_int_equal(o.list[0].position.number, 2);
	assert_int_equal(o.list[0].attempt, 4);
	assert_int_equal(o.list[0].state, 9);
	assert_memory_equal(o.list[0].body, "\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a",
	    EVENT_HASH_SIZE);
	item.guard = (struct position){ 5, 2 };
	assert_int_equal(hand_over(&b, 6, &item, 1).count, 1);
	item = make(0, "pack-run:a", ITEM_LIFECYCLE | ITEM_GUARDED);
	item.guard = (struct position){ 5, 1 };
	assert_int_equal(hand_over(&b, 7, &item, 1).count, 1);
	bench_free(&b);
}

static void
test_what_has_ended_takes_only_what_its_open_log_may(void **state)
{
	static const uint8_t ends[] = { 3, 3 | LIFECYCLE_LOGS_OPEN };
	struct bench b = bench_new(100, 100);
	struct publish_outcome o;
	uint64_t batch = 1;

	(void)state;
	for (int open = 0; open < 2; open++) {
		struct item items[2];

		items[0] = make(0, open ? "job:b" : "job:a", ITEM_LIFECYCLE |
		    ITEM_TERMINAL | ITEM_GUARDED);
		items[0].state = ends[open];
		assert_int_equal(hand_over(&b, batch++, items, 1).count, 1);
		items[0].flags = 0;
		o = hand_over(&b, batch++, items, 1);
		assert_int_equal(o.count, open);
		items[1] = items[0];
		items[0] = make(0, "job:c", 0);
		items[1].flags = ITEM_PART;
		memset(items[1].part, 1, EVENT_HASH_SIZE);
		o = hand_over(&b, batch++, items, 2);
		assert_int_equal(o.list[0].code, RECORD_ENDED);
		assert_int_equal(o.list[0].item, 1);
		items[1].flags = ITEM_LAST;
		o = hand_over(&b, batch++, &items[1], 1);
		assert_int_equal(o.count, open);
		o = hand_over(&b, batch++, &items[1], 1);
		assert_int_equal(o.list[0].code, RECORD_ENDED);
		assert_int_equal(o.list[0].state, ends[open]);
	}
	bench_free(&b);
}

/* The stream's memory goes through a state file's bytes. */
static void
reload_stream(struct bench *from, struct bench *to)
{
	struct buf bytes = BUF_EMPTY;
	size_t cursor = 0;
	struct rd r;

	assert_int_equal(sequencer_state_save(from->s, &cursor, 1, &bytes), 1);
	r = rd_init(bytes.data, bytes.len);
	sequencer_state_load_begin(to->s);
	assert_int_equal(sequencer_state_load(to->s, &r), 0);
	assert_true(rd_done(&r));
	sequencer_state_load_end(to->s, true);
	buf_free(&bytes);
}

static void
test_an_open_log_is_over_after_log_grace_after_a_restart_too(void **state)
{
	struct bench live = bench_new(100, 100), replayed, loaded;
	struct bench *all[] = { &live, &replayed, &loaded };
	struct item end = make(0, "job:a", ITEM_LIFECYCLE | ITEM_TERMINAL),
	    line = make(0, "job:a", 0);
	const int64_t ended = 1000000;
	struct publish_outcome o;

	(void)state;
	replayed = bench_new(100, 100);
	loaded = bench_new(100, 100);
	for (size_t i = 0; i < NELEM(all); i++)
		(void)sequencer_log_grace(all[i]->s, STREAM_JOB, 30000);
	end.state = 3 | LIFECYCLE_LOGS_OPEN;
	o = hand_over_at(&live, 1, &end, 1, ended);
	assert_int_equal(o.count, 1);
	assert_int_equal(publish_replay(replayed.core, o.record->data,
	    o.record->len, NULL), 0);
	reload_stream(&live, &loaded);
	sequencer_begin_epoch(loaded.s, 5, 2);
	for (size_t i = 0; i < NELEM(all); i++) {
		o = hand_over_at(all[i], 2, &line, 1, ended + 29999);
		assert_int_equal(o.count, 1);
		o = hand_over_at(all[i], 3, &line, 1, ended + 30000);
		assert_int_equal(o.list[0].code, RECORD_ENDED);
		/* A clock that was set back leaves nothing open for ever. */
		o = hand_over_at(all[i], 4, &line, 1, ended - 30000);
		assert_int_equal(o.list[0].code, RECORD_ENDED);
		bench_free(all[i]);
	}
}

/* What a line of job:a comes to, so long after its end. */
static enum record_code
line_at(struct bench *b, int64_t ms)
{
	static uint64_t batch = 1000;
	struct item line = make(0, "job:a", 0);
	struct publish_outcome o = hand_over_at(b, batch++, &line, 1,
	    1000000 + ms);

	return o.count == 1 ? RECORD_APPENDED : o.list[0].code;
}

/* Of grace_ms; its record stays the core's until the next call. */
static struct publish_outcome
end_with_open_log(struct bench *b, int64_t grace_ms)
{
	struct item end = make(0, "job:a", ITEM_LIFECYCLE | ITEM_TERMINAL);

	(void)sequencer_log_grace(b->s, STREAM_JOB, grace_ms);
	end.state = 3 | LIFECYCLE_LOGS_OPEN;
	return hand_over_at(b, 1, &end, 1, 1000000);
}

static void
test_log_grace_is_that_of_the_end_or_a_smaller_one_set_since(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);

	assert_int_equal(end_with_open_log(&b, 30000).count, 1);
	assert_int_equal(line_at(&b, 29999), RECORD_APPENDED);
	assert_int_equal(line_at(&b, 40000), RECORD_ENDED);
	assert_true(sequencer_log_grace(b.s, STREAM_JOB, 3600000));
	assert_false(sequencer_log_grace(b.s, STREAM_JOB, 3600000));
	assert_int_equal(line_at(&b, 40000), RECORD_ENDED);
	bench_free(&b);

	b = bench_new(100, 100);
	assert_int_equal(end_with_open_log(&b, 3600000).count, 1);
	assert_int_equal(line_at(&b, 40000), RECORD_APPENDED);
	assert_true(sequencer_log_grace(b.s, STREAM_RUN, 1));
	assert_int_equal(line_at(&b, 40000), RECORD_APPENDED);
	assert_true(sequencer_log_grace(b.s, STREAM_JOB, 30000));
	assert_true(sequencer_log_grace(b.s, STREAM_JOB, 3600000));
	assert_int_equal(line_at(&b, 40000), RECORD_ENDED);
	bench_free(&b);
}

/* Gateways tell their clients of the end by the time that they are told. */
static void
test_a_log_that_was_over_stays_so_when_the_clock_is_set_back(
    void **state UNUSED)
{
	struct bench b = bench_new(100, 100);

	assert_int_equal(end_with_open_log(&b, 30000).count, 1);
	assert_int_equal(line_at(&b, 29999), RECORD_APPENDED);
	assert_int_equal(line_at(&b, 29000), RECORD_APPENDED);
	/* Nobody published then; a heartbeat told the time. */
	sequencer_at(b.s, 1030000);
	assert_int_equal(line_at(&b, 29999), RECORD_ENDED);
	assert_int_equal(line_at(&b, 1), RECORD_ENDED);
	bench_free(&b);

	/* By more than grace: it is over by that, and later by no other. */
	b = bench_new(100, 100);
	assert_int_equal(end_with_open_log(&b, 30000).count, 1);
	assert_int_equal(line_at(&b, -30000), RECORD_ENDED);
	assert_int_equal(line_at(&b, 1), RECORD_ENDED);
	bench_free(&b);
}

static void
test_a_start_with_a_greater_log_grace_opens_no_log(void **state UNUSED)
{
	struct bench live = bench_new(100, 100), next = bench_new(100, 100);
	struct buf bytes = BUF_EMPTY;
	struct publish_outcome end = end_with_open_log(&live, 30000);
	uint32_t type = 0;
	size_t n;
	struct rd r;

	n = sequencer_state_save_grace(live.s, &type, &bytes);
	assert_int_equal(n, STREAM_TYPE_MAX);
	assert_int_equal(sequencer_state_save_grace(live.s, &type, &bytes), 0);
	(void)sequencer_log_grace(next.s, STREAM_JOB, 3600000);
	for (r = rd_init(bytes.data, bytes.len); n > 0; n--)
		assert_int_equal(sequencer_state_load_grace(next.s, &r), 0);
	assert_true(rd_done(&r));
	assert_int_equal(publish_replay(next.core, end.record->data,
	    end.record->len, NULL), 0);
	assert_true(sequencer_log_grace(next.s, STREAM_JOB, 3600000));
	assert_int_equal(line_at(&next, 29999), RECORD_APPENDED);
	assert_int_equal(line_at(&next, 30000), RECORD_ENDED);
	buf_free(&bytes);
	bench_free(&live);
	bench_free(&next);
}

static void
test_a_stream_has_a_limited_number_of_steps(void **state)
{
	struct bench b = bench_new(100, 100);
	struct publish_outcome o;
	uint64_t batch = 1;

	(void)state;
	for (uint32_t i = 0; i < MACHINE_PARTS_MAX + 2; i++) {
		struct item item = step("pack-run:a", 0, (struct position){
		    0, 0 });

		memcpy(item.part, &i, sizeof(i));
		item.part[8] = 1;
		o = hand_over(&b, batch++, &item, 1);
		assert_int_equal(o.count, i < MACHINE_PARTS_MAX);
	}
	assert_int_equal(o.list[0].code, RECORD_PARTS_LIMIT);
	/* One that is there goes on, and twice in a group. */
	for (uint32_t i = 0; i < 2; i++) {
		struct item items[2];

		items[0] = step("pack-run:a", 0, (struct position){ 0, 0 });
		items[0].part[8] = 1;
		items[0].flags = ITEM_PART;
		items[1] = items[0];
		assert_int_equal(hand_over(&b, batch++, items, 2).count, 2);
	}
	bench_free(&b);
}

static double
cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What it takes to publish all steps of a pack run that has them already. */
static double
publish_all_steps(const char *key, bool atomic)
{
	struct bench b = bench_new(100, 100);
	struct item items[EVENT_BATCH_MAX];
	double took = 0;

	for (uint64_t batch = 1; batch <= 2; batch++) {
		double began = cpu_ms();

		for (uint32_t i = 0; i < EVENT_BATCH_MAX; i++) {
			items[i] = make(atomic ? 0 : i, key, ITEM_PART);
			memcpy(items[i].part, &i, sizeof(i));
			items[i].part[8] = 1;
		}
		assert_int_equal(hand_over(&b, batch, items,
		    EVENT_BATCH_MAX).count, EVENT_BATCH_MAX);
		took = cpu_ms() - began;
	}
	bench_free(&b);
	return took;
}

/* The least of several: of a virtual machine, time elsewhere counts as ours. */
static double
least_for_all_steps(bool atomic)
{
	double least = publish_all_steps("pack-run:a", atomic), more;

	for (int i = 1; i < 5; i++) {
		more = publish_all_steps("pack-run:a", atomic);
		least = MIN(least, more);
	}
	return least;
}

/* It was a thousand times as much, and the broker stood still. */
static void
test_a_thousand_steps_in_one_group_cost_about_what_they_cost_apart(
    void **state UNUSED)
{
	double apart = least_for_all_steps(false);
	double together = least_for_all_steps(true);

	if (together > 10 * apart + 10)
		fail_msg("together %.1f ms, apart %.1f ms", together, apart);
}

static void
test_when_there_is_no_room_for_steps_what_is_there_goes_on_and_ends(
    void **state)
{
	const struct position none = { 0, 0 };
	struct bench b = bench_new(100, 100);
	struct publish_outcome o;
	struct item items[3];

	(void)state;
	sequencer_limit_parts(b.s, 2);
	items[0] = make(0, "pack-run:a", ITEM_LIFECYCLE);
	items[1] = step("pack-run:a", 1, none);
	items[2] = step("pack-run:b", 1, none);
	assert_int_equal(hand_over(&b, 1, items, 3).count, 3);
	assert_int_equal(sequencer_parts(b.s), 2);
	items[0] = make(0, "pack-run:b", 0);
	items[1] = step("pack-run:a", 2, none);
	o = hand_over(&b, 2, items, 2);
	assert_int_equal(o.list[0].code, RECORD_ALL_PARTS_LIMIT);
	assert_int_equal(o.list[0].item, 1);
	/* A step that is there, twice; a stream that is new; an end. */
	items[0] = step("pack-run:a", 1, (struct position){ 5, 2 });
	items[1] = items[0];
	assert_int_equal(hand_over(&b, 3, items, 2).count, 2);
	items[0] = make(0, "job:c", ITEM_LIFECYCLE | ITEM_TERMINAL);
	items[1] = make(0, "pack-run:a", ITEM_LIFECYCLE | ITEM_TERMINAL);
	assert_int_equal(hand_over(&b, 4, items, 2).count, 2);
	/* Which makes room once it has left. */
	sequencer_set_oldest(b.s, 8);
	while (sequencer_sweep(b.s, 10))
		continue;
	assert_int_equal(sequencer_parts(b.s), 1);
	items[0] = step("pack-run:d", 1, none);
	items[1] = items[0];
	assert_int_equal(hand_over(&b, 5, items, 2).count, 2);
	bench_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_guard_lets_one_of_two_win),
		cmocka_unit_test(test_each_step_has_a_guard_of_its_own),
		cmocka_unit_test(
		    test_what_has_ended_takes_only_what_its_open_log_may),
		cmocka_unit_test(
		    test_an_open_log_is_over_after_log_grace_after_a_restart_too),
		cmocka_unit_test(
		    test_log_grace_is_that_of_the_end_or_a_smaller_one_set_since),
		cmocka_unit_test(
		    test_a_log_that_was_over_stays_so_when_the_clock_is_set_back),
		cmocka_unit_test(
		    test_a_start_with_a_greater_log_grace_opens_no_log),
		cmocka_unit_test(test_a_stream_has_a_limited_number_of_steps),
		cmocka_unit_test(
		    test_a_thousand_steps_in_one_group_cost_about_what_they_cost_apart),
		cmocka_unit_test(
		    test_when_there_is_no_room_for_steps_what_is_there_goes_on_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
