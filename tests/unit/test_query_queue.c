/* query_queue: which questions are to be asked, and who waits for each. */
#include "common/query_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"

static const struct mono start = { 1000000000 };

static struct query_question *
ask(struct query_queue *queue, enum query_op op, const char *what,
    uint64_t ticket, int64_t wait_ms)
{
	struct buf body = BUF_EMPTY;
	struct query_waiter *w = xcalloc(1, sizeof(*w));
	struct query_question *q;

	buf_adds(&body, what);
	q = query_queue_ask(queue, op, &body);
	assert_non_null(q);
	assert_null(body.data);
	w->ticket = ticket;
	w->deadline = mono_add_ms(start, wait_ms);
	TAILQ_INSERT_TAIL(&q->waiters, w, link);
	return q;
}

static void
test_equal_questions_are_one_but_what_may_change_something(
    void **state UNUSED)
{
	struct query_queue queue;
	struct query_question *first;

	query_queue_init(&queue);
	first = ask(&queue, QUERY_SNAPSHOT, "a", 1, 10);
	assert_ptr_equal(ask(&queue, QUERY_SNAPSHOT, "a", 2, 10), first);
	assert_ptr_not_equal(ask(&queue, QUERY_SNAPSHOT, "b", 3, 10), first);
	assert_ptr_not_equal(ask(&queue, QUERY_HISTORY, "a", 4, 10), first);
	assert_ptr_not_equal(ask(&queue, QUERY_JSON, "a", 5, 10), first);
	assert_ptr_not_equal(ask(&queue, QUERY_JSON, "a", 6, 10), first);
	assert_int_equal(queue.questions, 5);
	assert_ptr_equal(query_queue_first(&queue), first);
	/* What is on the wire is not joined: its answer may be on its way. */
	query_queue_take(&queue, first);
	assert_ptr_not_equal(ask(&queue, QUERY_SNAPSHOT, "a", 7, 10), first);
	assert_int_equal(queue.questions, 6);
	query_question_free(&queue, first);
	query_queue_clear(&queue);
	assert_int_equal(queue.questions, 0);
}

static void
test_a_question_goes_with_its_last_waiter(void **state UNUSED)
{
	struct query_queue queue;

	query_queue_init(&queue);
	(void)ask(&queue, QUERY_SNAPSHOT, "a", 1, 10);
	(void)ask(&queue, QUERY_SNAPSHOT, "a", 2, 10);
	assert_true(query_queue_cancel(&queue, 1));
	assert_non_null(query_queue_first(&queue));
	assert_false(query_queue_cancel(&queue, 1));
	assert_true(query_queue_cancel(&queue, 2));
	assert_null(query_queue_first(&queue));
	assert_int_equal(queue.questions, 0);
}

static void
test_who_is_overdue_is_handed_back_and_the_others_wait_on(void **state UNUSED)
{
	struct query_queue queue;
	struct query_waiters failed = TAILQ_HEAD_INITIALIZER(failed);
	struct mono earliest = mono_add_ms(start, 1000);
	struct query_question *b;

	query_queue_init(&queue);
	(void)ask(&queue, QUERY_SNAPSHOT, "a", 1, 10);
	b = ask(&queue, QUERY_SNAPSHOT, "b", 2, 20);
	(void)ask(&queue, QUERY_SNAPSHOT, "b", 3, 10);
	query_queue_earliest(&queue, &earliest);
	assert_int_equal(mono_diff_ms(earliest, start), 10);
	assert_int_equal(query_question_patience(b, start), 20);
	query_queue_expire(&queue, mono_add_ms(start, 9), &failed);
	assert_true(TAILQ_EMPTY(&failed));
	query_queue_expire(&queue, mono_add_ms(start, 10), &failed);
	assert_int_equal(TAILQ_FIRST(&failed)->ticket, 1);
	assert_true(query_waiters_remove(&failed, 3));
	assert_ptr_equal(query_queue_first(&queue), b);
	assert_int_equal(queue.questions, 1);
	query_waiters_free(&failed);
	query_queue_clear(&queue);
}

static void
test_so_many_questions_are_kept_and_no_more(void **state UNUSED)
{
	struct query_queue queue;
	struct buf body = BUF_EMPTY;

	query_queue_init(&queue);
	for (uint32_t i = 0; i < QUERY_PENDING_MAX; i++) {
		buf_u32(&body, i);
		assert_non_null(query_queue_ask(&queue, QUERY_JSON, &body));
	}
	buf_u32(&body, 0);
	assert_null(query_queue_ask(&queue, QUERY_JSON, &body));
	assert_null(body.data);
	query_queue_clear(&queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_equal_questions_are_one_but_what_may_change_something),
		cmocka_unit_test(test_a_question_goes_with_its_last_waiter),
		cmocka_unit_test(
		    test_who_is_overdue_is_handed_back_and_the_others_wait_on),
		cmocka_unit_test(test_so_many_questions_are_kept_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
