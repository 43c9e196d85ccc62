/* What is asked about next, and what answers say of the events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "gateway/publish_refusal.h"
#include "lib/pub_answer.h"
#include "lib/pub_batch.h"

/* Which events were refused, in order. */
struct seen {
	char	text[4096];
	char	code[64];   /* of the last */
	int	status;
};

static void
refused_cb(const char *event, size_t size, const struct pub_answer *a,
    void *arg)
{
	struct seen *seen = arg;
	size_t n = strlen(seen->text);

	(void)snprintf(seen->text + n, sizeof(seen->text) - n, "%.*s ",
	    (int)size, event);
	(void)snprintf(seen->code, sizeof(seen->code), "%s", a->code);
	seen->status = a->status;
}

/* Of n events "0", "1" ... */
static struct pub_batch *
batch_of(size_t n)
{
	struct pub_batch *b = xcalloc(1, sizeof(*b));
	char text[16];

	pub_batch_clear(b);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "%zu", i);
		assert_true(pub_batch_add(b, text, strlen(text)));
	}
	pub_batch_begin(b);
	return b;
}

static void
batch_free(struct pub_batch *b)
{
	buf_free(&b->text);
	free(b);
}

static void
question_is(const struct pub_batch *b, const char *want)
{
	size_t n, lines = 0;
	struct slice body = pub_batch_question(b, &n);

	assert_int_equal(body.n, strlen(want));
	assert_memory_equal(body.p, want, body.n);
	for (size_t i = 0; i < body.n; i++)
		lines += body.p[i] == '\n';
	assert_int_equal(n, lines);
}

static void
answer(struct pub_batch *b, int status, const char *body, struct seen *seen)
{
	struct pub_answer a;
	size_t n;

	(void)pub_batch_question(b, &n);
	pub_answer_read(&a, n, status, body, strlen(body));
	pub_batch_answer(b, &a, refused_cb, seen);
	pub_answer_clear(&a);
}

/* Of three events. */
static enum pub_verdict
verdict_of(int status, const char *body)
{
	struct pub_answer a;

	pub_answer_read(&a, 3, status, body, strlen(body));
	pub_answer_clear(&a);
	return a.verdict;
}

static void
test_an_answer_to_all_settles_all(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(3);
	struct seen seen = { .status = 0 };

	question_is(b, "0\n1\n2\n");
	answer(b, 202, "{\"accepted\":1,\"duplicates\":2}", &seen);
	assert_false(pub_batch_is_open(b));
	assert_int_equal(b->accepted, 3);
	assert_int_equal(b->duplicates, 2);
	assert_int_equal(b->refused, 0);
	batch_free(b);
}

#define ROW(at, code) "{\"path\":\"[" #at "]\",\"problem\":\"p\",\"code\":\"" \
	code "\"}"

static void
test_one_refused_for_good_is_told_and_not_asked_again(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(4);
	struct seen seen = { .status = 0 };

	answer(b, 202, "{\"accepted\":2,\"duplicates\":0,\"refused\":2,"
	    "\"details\":["
	    "{\"path\":\"[1].data.x\",\"problem\":\"p\","
	    "\"code\":\"schema_violation\"},"
	    "{\"path\":\"[1].type\",\"problem\":\"q\","
	    "\"code\":\"schema_violation\"},"
	    ROW(3, "illegal_transition") "]}", &seen);
	assert_false(pub_batch_is_open(b));
	assert_string_equal(seen.text, "1 3 ");
	assert_string_equal(seen.code, "illegal_transition");
	assert_int_equal(seen.status, 409);
	assert_int_equal(b->accepted, 2);
	assert_int_equal(b->refused, 2);
	batch_free(b);
}

static void
test_those_without_room_are_asked_about_together(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(6);
	struct seen seen = { .status = 0 };

	answer(b, 202, "{\"accepted\":1,\"duplicates\":1,\"refused\":4,"
	    "\"details\":[" ROW(0, "stream_ended") ","
	    ROW(2, "too_many_streams") "," ROW(4, "broker_unavailable") ","
	    ROW(5, "broker_unavailable") "]}", &seen);
	assert_string_equal(seen.text, "0 ");
	question_is(b, "2\n");
	answer(b, 202, "{\"accepted\":1,\"duplicates\":0}", &seen);
	question_is(b, "4\n5\n");
	answer(b, 202, "{\"accepted\":2,\"duplicates\":0}", &seen);
	assert_false(pub_batch_is_open(b));
	assert_int_equal(b->accepted, 5);
	assert_int_equal(b->duplicates, 1);
	batch_free(b);
}

/* The request's answer is the first's; each is told its own. */
static void
test_of_a_request_that_is_refused_each_is_told_its_own(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(3);
	struct seen seen = { .status = 0 };

	answer(b, 409, "{\"code\":\"illegal_transition\",\"details\":["
	    ROW(1, "schema_violation") "," ROW(0, "illegal_transition") ","
	    ROW(2, "broker_unavailable") "]}", &seen);
	assert_string_equal(seen.text, "0 1 ");
	assert_string_equal(seen.code, "schema_violation");
	assert_int_equal(seen.status, 422);
	question_is(b, "2\n");
	batch_free(b);
}

static void
test_a_code_that_is_not_known_is_asked_about_alone(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(3);
	struct seen seen = { .status = 0 };

	answer(b, 202, "{\"accepted\":1,\"duplicates\":0,\"refused\":2,"
	    "\"details\":[" ROW(0, "of_tomorrow") ","
	    "{\"path\":\"[1]\",\"problem\":\"p\"}]}", &seen);
	question_is(b, "0\n");
	answer(b, 409, "{\"error\":\"e\",\"code\":\"of_tomorrow\"}", &seen);
	assert_string_equal(seen.text, "0 ");
	question_is(b, "1\n");
	batch_free(b);
}

/* Nothing would move: such an answer must not be asked for without end. */
static void
test_a_refusal_that_says_later_of_all_is_cut_down(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(2);
	struct seen seen = { .status = 0 };

	answer(b, 409, "{\"code\":\"c\",\"details\":["
	    ROW(0, "broker_unavailable") "," ROW(1, "broker_unavailable")
	    "]}", &seen);
	question_is(b, "0\n");
	batch_free(b);
}

static void
test_in_its_own_rows_an_event_has_no_place(void **unused UNUSED)
{
	static const char body[] = "{\"code\":\"c\",\"details\":["
	    "{\"path\":\"[12].data.x\",\"problem\":\"p\","
	    "\"code\":\"schema_violation\"}," ROW(1, "stream_ended") ","
	    ROW(12, "schema_violation") "]}";
	struct pub_answer a, own;
	char *rows;

	pub_answer_read(&a, 20, 409, body, strlen(body));
	pub_answer_of(&a, 12, &own);
	rows = json_dumps(own.details, JSON_COMPACT);
	assert_string_equal(rows, "[{\"path\":\"data.x\",\"problem\":\"p\","
	    "\"code\":\"schema_violation\"},{\"path\":\"\","
	    "\"problem\":\"p\",\"code\":\"schema_violation\"}]");
	free(rows);
	pub_answer_clear(&own);
	pub_answer_clear(&a);
}

static void
test_where_not_all_are_named_halves_are_asked_about(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(5);
	struct seen seen = { .status = 0 };
	const char *no = "{\"error\":\"e\",\"code\":\"c\"}";

	answer(b, 409, no, &seen);
	question_is(b, "0\n1\n");
	answer(b, 202, "{\"accepted\":2,\"duplicates\":0}", &seen);
	question_is(b, "2\n3\n4\n");
	answer(b, 409, no, &seen);
	question_is(b, "2\n");
	answer(b, 409, no, &seen);
	question_is(b, "3\n4\n");
	answer(b, 202, "{\"accepted\":2,\"duplicates\":0}", &seen);
	assert_false(pub_batch_is_open(b));
	assert_string_equal(seen.text, "2 ");
	assert_int_equal(seen.status, 409);
	assert_int_equal(b->accepted, 4);
	batch_free(b);
}

/* It is of the whole request: nothing was taken of the others either. */
static void
test_those_that_a_403_does_not_name_are_asked_about_again(
    void **unused UNUSED)
{
	struct pub_batch *b = batch_of(6);
	struct seen seen = { .status = 0 };

	answer(b, 403, "{\"error\":\"e\",\"code\":\"forbidden\",\"details\":["
	    ROW(1, "schema_violation") "," ROW(2, "forbidden") "]}", &seen);
	assert_string_equal(seen.text, "1 2 ");
	assert_string_equal(seen.code, "forbidden");
	assert_int_equal(seen.status, 403);
	assert_int_equal(b->accepted, 0);
	question_is(b, "0\n");
	answer(b, 202, "{\"accepted\":1,\"duplicates\":0}", &seen);
	question_is(b, "3\n4\n5\n");
	answer(b, 202, "{\"accepted\":3,\"duplicates\":0}", &seen);
	assert_false(pub_batch_is_open(b));
	assert_int_equal(b->accepted, 4);
	assert_int_equal(b->refused, 2);
	batch_free(b);
}

static void
test_a_token_that_may_publish_nothing_is_asked_for_once(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(3);
	struct seen seen = { .status = 0 };

	answer(b, 403, "{\"error\":\"e\",\"code\":\"forbidden\"}", &seen);
	assert_false(pub_batch_is_open(b));
	assert_string_equal(seen.text, "0 1 2 ");
	assert_int_equal(seen.status, 403);
	assert_int_equal(b->refused, 3);
	batch_free(b);
}

/* Whatever is refused, and whether it is named or not: each event has exactly
 * one fate, and the refused ones are told in order. */
static void
test_every_event_has_one_fate(void **unused UNUSED)
{
	uint32_t random = 1;

	for (int round = 0; round < 300; round++) {
		struct seen seen = { .status = 0 };
		bool bad[60];
		char want[400] = "";
		size_t n = 1 + (size_t)round % 60, bads = 0, questions = 0;
		struct pub_batch *b = batch_of(n);

		for (size_t i = 0; i < n; i++) {
			random = random * 1664525u + 1013904223u;
			bad[i] = random >> 30 == 0;
			bads += bad[i];
			if (bad[i])
				(void)snprintf(want + strlen(want), 8, "%zu ",
				    i);
		}
		while (pub_batch_is_open(b)) {
			size_t count, first, wrong = 0;
			struct slice q = pub_batch_question(b, &count);
			char body[96];

			first = strtoul(q.p, NULL, 10);
			for (size_t i = first; i < first + count; i++)
				wrong += bad[i];
			(void)snprintf(body, sizeof(body),
			    "{\"accepted\":%zu,\"duplicates\":0,"
			    "\"refused\":%zu}", count - wrong, wrong);
			if (wrong == count)
				answer(b, 409, "{\"code\":\"c\"}", &seen);
			else
				answer(b, 202, body, &seen);
			assert_true(questions++ < 2 * n);
		}
		assert_int_equal(b->accepted + b->refused, n);
		assert_int_equal(b->refused, bads);
		assert_string_equal(seen.text, want);
		batch_free(b);
	}
}

static void
test_only_answers_in_the_contracts_form_refuse(void **unused UNUSED)
{
	static const int codes[] = { 400, 403, 409, 413, 422 };
	static const int later[] = { 0, 200, 302, 404, 405, 408, 415, 425, 429,
		500, 502, 503 };

	for (size_t i = 0; i < NELEM(codes); i++) {
		assert_int_equal(verdict_of(codes[i], "{\"code\":\"c\"}"),
		    PUB_REFUSED);
		assert_int_equal(verdict_of(codes[i], "<html>"), PUB_AWAY);
		assert_int_equal(verdict_of(codes[i], ""), PUB_AWAY);
	}
	for (size_t i = 0; i < NELEM(later); i++)
		assert_int_equal(verdict_of(later[i], "{\"code\":\"c\"}"),
		    PUB_AWAY);
	/* The URL is wrong, and not the events. */
	assert_int_equal(verdict_of(403, "{\"code\":\"forbidden_host\"}"),
	    PUB_AWAY);
	assert_int_equal(verdict_of(401, "{\"code\":\"unauthorized\"}"),
	    PUB_UNAUTHORIZED);
	assert_int_equal(verdict_of(401, "<html>"), PUB_AWAY);
	assert_int_equal(verdict_of(401, ""), PUB_AWAY);
}

/* What only queues requests says 202, too. */
static void
test_only_figures_of_every_event_take_them(void **unused UNUSED)
{
	static const char *const bad[] = { "ok", "{}", "[]", "3",
		"{\"message\":\"queued\"}", "{\"accepted\":3}",
		"{\"accepted\":2,\"duplicates\":0}",
		"{\"accepted\":4,\"duplicates\":0}",
		"{\"accepted\":4,\"duplicates\":-1}",
		"{\"accepted\":\"3\",\"duplicates\":0}",
		"{\"accepted\":1,\"duplicates\":1,\"refused\":2}" };

	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(verdict_of(202, bad[i]), PUB_AWAY);
	assert_int_equal(verdict_of(202, "{\"accepted\":2,\"duplicates\":1,"
	    "\"first_id\":\"x\"}"), PUB_TAKEN);
	assert_int_equal(verdict_of(202, "{\"accepted\":1,\"duplicates\":1,"
	    "\"refused\":1}"), PUB_TAKEN);
}

static void
test_a_batch_keeps_to_its_limits(void **unused UNUSED)
{
	struct pub_batch *b = batch_of(SLUICE_BATCH_EVENTS);
	char *large = xcalloc(1, SLUICE_EVENT_MAX);
	size_t n = 0;

	assert_false(pub_batch_add(b, "x", 1));
	pub_batch_clear(b);
	memset(large, 'x', SLUICE_EVENT_MAX);
	while (pub_batch_add(b, large, SLUICE_EVENT_MAX))
		n++;
	assert_int_equal(n, SLUICE_BATCH_BYTES / (SLUICE_EVENT_MAX + 1));
	assert_true(b->text.len <= SLUICE_BATCH_BYTES);
	free(large);
	batch_free(b);
}

/* log_offset is of a request to /logs, which the library does not make. */
static void
test_each_refusal_of_the_gateway_is_known_with_its_status(void **state)
{
	(void)state;
	for (int i = 0; i < REFUSAL_MAX; i++) {
		const struct publish_refusal_text *t =
		    publish_refusal_text((enum publish_refusal)i);
		char *body = xasprintf("{\"error\":\"e\",\"code\":\"%s\","
		    "\"details\":[{\"path\":\"[0]\",\"problem\":\"p\","
		    "\"code\":\"%s\"}]}", t->code, t->code);
		struct pub_answer all, own;
		enum pub_fate fate;

		pub_answer_read(&all, 1, t->status, body, strlen(body));
		assert_int_equal(pub_answer_fates(&all, &fate, 1), 1);
		pub_answer_of(&all, 0, &own);
		if (i == REFUSAL_LOG_OFFSET) {
			assert_int_equal(fate, PUB_NOT_CLEAR);
		} else {
			assert_int_equal(fate, t->status == 503 ? PUB_LATER :
			    PUB_REFUSED_ITSELF);
			assert_int_equal(own.status, t->status);
			assert_string_equal(own.code, t->code);
		}
		pub_answer_clear(&own);
		pub_answer_clear(&all);
		free(body);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer_to_all_settles_all),
		cmocka_unit_test(
		    test_one_refused_for_good_is_told_and_not_asked_again),
		cmocka_unit_test(
		    test_those_without_room_are_asked_about_together),
		cmocka_unit_test(
		    test_of_a_request_that_is_refused_each_is_told_its_own),
		cmocka_unit_test(
		    test_a_code_that_is_not_known_is_asked_about_alone),
		cmocka_unit_test(
		    test_a_refusal_that_says_later_of_all_is_cut_down),
		cmocka_unit_test(test_in_its_own_rows_an_event_has_no_place),
		cmocka_unit_test(
		    test_where_not_all_are_named_halves_are_asked_about),
		cmocka_unit_test(
		    test_those_that_a_403_does_not_name_are_asked_about_again),
		cmocka_unit_test(
		    test_a_token_that_may_publish_nothing_is_asked_for_once),
		cmocka_unit_test(test_every_event_has_one_fate),
		cmocka_unit_test(
		    test_only_answers_in_the_contracts_form_refuse),
		cmocka_unit_test(test_only_figures_of_every_event_take_them),
		cmocka_unit_test(test_a_batch_keeps_to_its_limits),
		cmocka_unit_test(
		    test_each_refusal_of_the_gateway_is_known_with_its_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
