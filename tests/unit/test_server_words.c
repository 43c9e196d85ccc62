/* server_words: Audit-Id and Warning headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/server_words.h"

static char last[SERVER_WORDS_TEXT_MAX];
static unsigned calls;

static void
warned(const char *text, void *arg)
{
	(void)arg;
	(void)snprintf(last, sizeof(last), "%s", text);
	calls++;
}

static void
hear(struct server_words *w, const char *line)
{
	server_words_warning(w, slice_str(line), warned, NULL);
}

static void
test_an_audit_id_is_taken_in_either_case(void **state)
{
	struct slice id;

	(void)state;
	assert_true(server_words_audit(slice_str("audit-id: a1-b2\r\n"), &id));
	assert_true(slice_is(id, "a1-b2"));
	assert_true(server_words_audit(slice_str("Audit-Id:x\r\n"), &id));
	assert_false(server_words_audit(slice_str("Audit-Id: \r\n"), &id));
	assert_false(server_words_audit(slice_str("Audit-Id: a\033b\r\n"),
	    &id));
	assert_false(server_words_audit(slice_str("Audit-Ident: a\r\n"), &id));
}

static void
test_a_warning_is_told_once_per_text(void **state)
{
	struct server_words w = { 0 };

	(void)state;
	calls = 0;
	hear(&w, "Warning: 299 - \"v1 X is deprecated\"\r\n");
	assert_string_equal(last, "v1 X is deprecated");
	hear(&w, "warning: 299 agent \"v1 X is deprecated\"\r\n");
	assert_int_equal(calls, 1);
	hear(&w, "Warning: 299 - \"say \\\"hi\\\"\"\r\n");
	assert_string_equal(last, "say \"hi\"");
	assert_int_equal(calls, 2);
}

static void
test_what_is_no_warning_of_a_server_is_left(void **state)
{
	struct server_words w = { 0 };

	(void)state;
	calls = 0;
	hear(&w, "Warning: 199 - \"other\"\r\n");
	hear(&w, "Warning: 299 - none\r\n");
	hear(&w, "Warning: 299 - \"\"\r\n");
	hear(&w, "Content-Type: application/json\r\n");
	assert_int_equal(calls, 0);
}

static void
test_a_server_cannot_fill_the_log(void **state)
{
	struct server_words w = { 0 };
	char line[64];
	unsigned i;

	(void)state;
	calls = 0;
	for (i = 0; i < 1000; i++) {
		(void)snprintf(line, sizeof(line),
		    "Warning: 299 - \"n\033 %u\"\r\n", i);
		hear(&w, line);
	}
	assert_int_equal(calls, SERVER_WORDS_WARNINGS_MAX);
	assert_string_equal(last, "n? 31");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_audit_id_is_taken_in_either_case),
		cmocka_unit_test(test_a_warning_is_told_once_per_text),
		cmocka_unit_test(test_what_is_no_warning_of_a_server_is_left),
		cmocka_unit_test(test_a_server_cannot_fill_the_log),
	};

	return cmocka_run_group_tests_name("server_words", tests, NULL, NULL);
}
