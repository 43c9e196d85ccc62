/* What the rules have in common: words, texts, fields, counters, conditions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/kube_status.h"

static void
test_every_health_has_a_name(void **state)
{
	int health, other;

	(void)state;
	for (health = 0; health < HEALTH_MAX; health++)
		for (other = 0; other < health; other++)
			assert_string_not_equal(
			    kube_status_health_name((enum kube_health)health),
			    kube_status_health_name((enum kube_health)other));
	assert_string_equal(kube_status_health_name(HEALTH_MAX), "unknown");
}

static void
test_a_kind_has_words_of_its_own(void **state)
{
	static const char *const want[HEALTH_MAX] = {
		[HEALTH_UNKNOWN] = "between",
		[HEALTH_HEALTHY] = "good",
		[HEALTH_PROGRESSING] = "between",
		[HEALTH_DEGRADED] = "bad",
		[HEALTH_FAILED] = "bad",
		[HEALTH_SUSPENDED] = "between",
		[HEALTH_COMPLETED] = "good",
		[HEALTH_TERMINATING] = "between",
	};
	struct kube_status s = { 0 };
	int health;

	(void)state;
	for (health = 0; health < HEALTH_MAX; health++) {
		kube_status_set(&s, (enum kube_health)health, "R", "m");
		assert_non_null(s.state);
		kube_status_words(&s, "good", "between", "bad");
		assert_string_equal(s.state, want[health]);
	}
}

static void
test_less_than_wanted_is_progressing(void **state)
{
	struct kube_status s = { 0 };

	(void)state;
	assert_false(kube_status_less(&s, "R", "ready", 2, 2));
	assert_false(kube_status_less(&s, "R", "ready", 3, 2));
	assert_null(s.state);
	assert_true(kube_status_less(&s, "LessReady", "ready", 1, 2));
	assert_int_equal(s.health, HEALTH_PROGRESSING);
	assert_string_equal(s.reason, "LessReady");
	assert_string_equal(s.message, "ready: 1/2");
}

/* --- texts ---------------------------------------------------------------- */

/* Each length of character, cut at each of its bytes. */
static void
test_a_long_text_is_cut_between_characters(void **state)
{
	static const char *const characters[] = { "x", "\xc3\xa9",
		"\xe2\x82\xac", "\xe0\xa0\x80", "\xf0\x9f\x98\x80",
		"\xf0\x90\x80\x80" };
	char text[2 * KUBE_STATUS_MESSAGE_MAX];
	struct kube_status s = { 0 };
	size_t i, n, shift, at;

	(void)state;
	for (i = 0; i < 4 * NELEM(characters); i++) {
		n = strlen(characters[i / 4]);
		shift = i % 4;
		memset(text, 'x', shift);
		for (at = shift; at + n < sizeof(text); at += n)
			memcpy(text + at, characters[i / 4], n);
		text[at] = '\0';
		kube_status_set(&s, HEALTH_FAILED, text, "%s", text);
		assert_int_equal(strlen(s.message), KUBE_STATUS_MESSAGE_MAX -
		    (KUBE_STATUS_MESSAGE_MAX - shift) % n);
		assert_int_equal(strlen(s.reason), KUBE_STATUS_REASON_MAX -
		    (KUBE_STATUS_REASON_MAX - shift) % n);
	}
}

/* A raw JSON string of n bytes between its quotes. */
static struct slice
raw_text(char *buf, size_t n)
{
	memset(buf, 'x', n + 1);
	buf[0] = buf[n + 1] = '"';
	return (struct slice){ buf, n + 2 };
}

static void
test_the_longest_text_of_the_object_is_taken_whole(void **state)
{
	char reason[KUBE_STATUS_REASON_MAX + 2];
	char message[KUBE_STATUS_MESSAGE_MAX + 2];
	struct kube_status s = { 0 };

	(void)state;
	kube_status_set_raw(&s, HEALTH_FAILED, raw_text(reason,
	    KUBE_STATUS_REASON_MAX), "", raw_text(message,
	    KUBE_STATUS_MESSAGE_MAX), "");
	assert_int_equal(strlen(s.reason), KUBE_STATUS_REASON_MAX);
	assert_int_equal(strlen(s.message), KUBE_STATUS_MESSAGE_MAX);
}

static void
test_a_text_of_the_object_that_is_none_has_a_fallback(void **state)
{
	static const char *const none[] = { "\"\"", "null", "7", "[]", "{}",
		"\"\\u0000rest\"" };
	struct kube_status s = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(none); i++) {
		kube_status_set_raw(&s, HEALTH_FAILED, slice_str(none[i]),
		    "Reason", slice_str(none[i]), "message");
		assert_string_equal(s.reason, "Reason");
		assert_string_equal(s.message, "message");
	}
	kube_status_set_raw(&s, HEALTH_FAILED, SLICE_NONE, "Reason",
	    slice_str("\"100 %s \\u00e9\\n\""), "message");
	assert_string_equal(s.reason, "Reason");
	assert_string_equal(s.message, "100 %s \xc3\xa9\n");
}

static const char *
json_of(struct kube_status *s, struct buf *b)
{
	buf_reset(b);
	kube_status_json(b, s);
	return buf_cstr(b);
}

static void
test_a_status_without_a_reason_has_no_such_member(void **state)
{
	struct kube_status s = { 0 };
	struct buf b = BUF_EMPTY;

	(void)state;
	kube_status_set(&s, HEALTH_HEALTHY, "", "a \"quote\"");
	assert_string_equal(json_of(&s, &b), "{\"state\":\"healthy\","
	    "\"health\":\"healthy\",\"message\":\"a \\\"quote\\\"\"}");
	buf_free(&b);
}

/* --- kind fields ---------------------------------------------------------- */

static void
test_fields_follow_the_message_in_their_order(void **state)
{
	struct kube_status s = { 0 };
	struct buf b = BUF_EMPTY;

	(void)state;
	kube_status_set(&s, HEALTH_HEALTHY, "R", "m");
	kube_status_field_int(&s, "n", -3);
	kube_status_field_text(&s, "t", slice_str("\"a\\u0000\\\"\\u2028\""));
	kube_status_field_text(&s, "none", slice_str("17"));
	assert_string_equal(json_of(&s, &b), "{\"state\":\"healthy\","
	    "\"health\":\"healthy\",\"reason\":\"R\",\"message\":\"m\","
	    "\"n\":-3,\"t\":\"a\\u0000\\\"\\u2028\",\"none\":\"\"}");
	buf_free(&b);
}

/* The longest that fits, then one byte more; as it stands, or escaped. */
static void
test_a_field_that_is_too_long_is_empty(void **state)
{
	char raw[KUBE_STATUS_TEXT_MAX + 3];
	struct kube_status s = { 0 };
	struct buf b = BUF_EMPTY;

	(void)state;
	kube_status_set(&s, HEALTH_HEALTHY, "R", "m");
	kube_status_field_text(&s, "t", raw_text(raw, KUBE_STATUS_TEXT_MAX));
	assert_int_equal(s.n_fields, strlen(",\"t\":\"\"") +
	    KUBE_STATUS_TEXT_MAX);
	s.n_fields = 0;
	kube_status_field_text(&s, "t", raw_text(raw,
	    KUBE_STATUS_TEXT_MAX + 1));
	assert_non_null(strstr(json_of(&s, &b), ",\"t\":\"\"}"));
	/* Short as it stands, long when DEL is escaped. */
	memset(raw, 0x7f, 51);
	raw[0] = raw[51] = '"';
	s.n_fields = 0;
	kube_status_field_text(&s, "t", (struct slice){ raw, 52 });
	assert_non_null(strstr(json_of(&s, &b), ",\"t\":\"\"}"));
	buf_free(&b);
}

static void
test_of_two_times_the_earlier_is_remembered(void **state)
{
	struct kube_status s = { 0 };

	(void)state;
	kube_status_again(&s, 20);
	kube_status_again(&s, 30);
	assert_int_equal(s.again_unix_ms, 20);
	kube_status_again(&s, 10);
	assert_int_equal(s.again_unix_ms, 10);
}

/* --- values --------------------------------------------------------------- */

static void
test_a_counter_is_a_count_of_32_bits(void **state)
{
	static const char *const none[] = { "", "null", "-1", "2147483648",
		"99999999999999999999999", "1.5", "1e3", "\"3\"", "[]", "{}",
		"true" };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(none); i++)
		assert_int_equal(kube_status_counter(slice_str(none[i]), 7),
		    7);
	assert_int_equal(kube_status_counter(slice_str("0"), 7), 0);
	assert_int_equal(kube_status_counter(slice_str("2147483647"), 7),
	    2147483647);
}

static void
test_only_an_array_has_a_length(void **state)
{
	(void)state;
	assert_int_equal(kube_status_length(SLICE_NONE), 0);
	assert_int_equal(kube_status_length(slice_str("{\"a\":1}")), 0);
	assert_int_equal(kube_status_length(slice_str("\"[1]\"")), 0);
	assert_int_equal(kube_status_length(slice_str("[]")), 0);
	assert_int_equal(kube_status_length(slice_str("[ 1, [2, 3], {} ]")),
	    3);
}

static void
test_only_a_string_with_something_in_it_has_text(void **state)
{
	(void)state;
	assert_true(kube_status_has_text(slice_str("\"x\"")));
	assert_false(kube_status_has_text(slice_str("\"\"")));
	assert_false(kube_status_has_text(slice_str("17")));
	assert_false(kube_status_has_text(slice_str("null")));
	assert_false(kube_status_has_text(SLICE_NONE));
	assert_true(kube_status_mentions(slice_str("[\"abc\"]"), "bc"));
	assert_false(kube_status_mentions(slice_str("[\"abc\"]"), "bd"));
	assert_false(kube_status_mentions(SLICE_NONE, "b"));
}

static void
test_a_condition_is_found_by_its_type(void **state)
{
	const struct slice conditions = slice_str("[null,7,{\"type\":7},"
	    "{\"type\":\"B\",\"status\":\"False\"},{\"type\":\"A\","
	    "\"status\":\"True\",\"reason\":\"R\",\"message\":\"m\","
	    "\"lastTransitionTime\":\"1970-01-01T00:00:02Z\","
	    "\"lastUpdateTime\":\"1970-01-01T00:00:01Z\"},"
	    "{\"type\":\"A\",\"status\":\"False\"}]");
	struct kube_condition c;

	(void)state;
	assert_true(kube_status_condition(conditions, "A", &c));
	assert_true(slice_is(c.reason, "\"R\""));
	assert_int_equal(kube_status_changed(&c), 2000);
	assert_true(kube_status_is_true(conditions, "A", &c));
	assert_true(kube_status_condition(conditions, "B", &c));
	assert_int_equal(kube_status_changed(&c), 0);
	assert_false(kube_status_is_true(conditions, "B", &c));
	assert_false(kube_status_condition(conditions, "C", &c));
	assert_false(kube_status_condition(SLICE_NONE, "A", &c));
	assert_false(kube_status_condition(slice_str("{}"), "A", &c));
}

/* --- the rules common to all ---------------------------------------------- */

static void
test_the_common_rules_go_in_their_order(void **state)
{
	const struct slice both = slice_str("[{\"type\":\"Stalled\","
	    "\"status\":\"True\",\"reason\":\"S\"}]");
	struct kube_object o = { .generation = 3, .deleting = true };
	struct kube_status s = { 0 };

	(void)state;
	assert_true(kube_status_common(&o, slice_str("2"), both, &s));
	assert_int_equal(s.health, HEALTH_TERMINATING);
	o.deleting = false;
	assert_true(kube_status_common(&o, slice_str("2"), both, &s));
	assert_string_equal(s.reason, "LatestGenerationNotObserved");
	/* After a restore an older object may have been observed. */
	assert_true(kube_status_common(&o, slice_str("4"), both, &s));
	assert_string_equal(s.reason, "LatestGenerationNotObserved");
	o.generation = 0;
	assert_true(kube_status_common(&o, slice_str("1"), both, &s));
	assert_string_equal(s.reason, "LatestGenerationNotObserved");
	o.generation = 3;
	assert_true(kube_status_common(&o, slice_str("0"), both, &s));
	assert_string_equal(s.reason, "LatestGenerationNotObserved");
	assert_true(kube_status_common(&o, slice_str("3"), both, &s));
	assert_int_equal(s.health, HEALTH_FAILED);
	assert_true(kube_status_common(&o, slice_str("\"2\""), both, &s));
	assert_int_equal(s.health, HEALTH_FAILED);
	assert_false(kube_status_common(&o, slice_str("3"), SLICE_NONE, &s));
	o.generation = -1;
	assert_false(kube_status_common(&o, slice_str("2"), SLICE_NONE, &s));
}

static void
test_what_has_no_status_is_healthy_by_existing(void **state)
{
	struct kube_object o = { .generation = 3 };
	struct kube_status s = { 0 };

	(void)state;
	kube_status_exists(&o, &s);
	assert_int_equal(s.health, HEALTH_HEALTHY);
	o.deleting = true;
	kube_status_exists(&o, &s);
	assert_int_equal(s.health, HEALTH_TERMINATING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_health_has_a_name),
		cmocka_unit_test(test_a_kind_has_words_of_its_own),
		cmocka_unit_test(test_less_than_wanted_is_progressing),
		cmocka_unit_test(test_a_long_text_is_cut_between_characters),
		cmocka_unit_test(
		    test_the_longest_text_of_the_object_is_taken_whole),
		cmocka_unit_test(
		    test_a_text_of_the_object_that_is_none_has_a_fallback),
		cmocka_unit_test(
		    test_a_status_without_a_reason_has_no_such_member),
		cmocka_unit_test(
		    test_fields_follow_the_message_in_their_order),
		cmocka_unit_test(test_a_field_that_is_too_long_is_empty),
		cmocka_unit_test(test_of_two_times_the_earlier_is_remembered),
		cmocka_unit_test(test_a_counter_is_a_count_of_32_bits),
		cmocka_unit_test(test_only_an_array_has_a_length),
		cmocka_unit_test(
		    test_only_a_string_with_something_in_it_has_text),
		cmocka_unit_test(test_a_condition_is_found_by_its_type),
		cmocka_unit_test(test_the_common_rules_go_in_their_order),
		cmocka_unit_test(
		    test_what_has_no_status_is_healthy_by_existing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
