/* The form of a line, by where it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/utf8.h"

static int file;
static int terminal;

/* Standard error is a file of the test's while it logs. */
static int
begin(void **unused UNUSED)
{
	file = memfd_create("log", MFD_CLOEXEC);
	terminal = dup(STDERR_FILENO);
	return file == -1 || terminal == -1 ||
	    dup2(file, STDERR_FILENO) == -1 ? -1 : 0;
}

static int
end(void **unused UNUSED)
{
	(void)dup2(terminal, STDERR_FILENO);
	(void)close(terminal);
	(void)close(file);
	return unsetenv("JOURNAL_STREAM");
}

static const char *
logged(void)
{
	static char text[4 * LOG_LINE_MAX];
	ssize_t n = pread(file, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* As if journald read the file. */
static void
be_the_journal(void)
{
	struct stat st;
	char name[48];

	assert_int_equal(fstat(file, &st), 0);
	(void)snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	(void)setenv("JOURNAL_STREAM", name, 1);
}

static void
test_a_json_line_for_the_journal_begins_with_its_priority(void **unused UNUSED)
{
	be_the_journal();
	log_init("store", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	assert_true(log_to_journal());
	log_error("a \"b\"");
	assert_memory_equal(logged(), "<3>{\"ts\":\"", 10);
	assert_non_null(strstr(logged(), "\"message\":\"a \\\"b\\\"\"}\n"));
}

static void
test_a_line_for_the_journal_begins_with_its_priority(void **unused UNUSED)
{
	be_the_journal();
	log_init("store", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_warn("disk %d", 7);
	assert_string_equal(logged(), "<4>store: disk 7\n");
}

static void
test_another_stderr_than_the_journals_gets_times(void **unused UNUSED)
{
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	log_init("store", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_info("disk %d", 7);
	assert_non_null(strstr(logged(), "Z info store: disk 7\n"));
	assert_int_equal(logged()[0], '2');
}

static void
test_a_text_from_elsewhere_is_one_line_without_controls(void **unused UNUSED)
{
	log_init("watcher/prod", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_info("server says %s", "a\r\nb\033[2Jc\177");
	assert_non_null(strstr(logged(), ": server says a  b [2Jc \n"));
}

/* A reader of JSON takes no line that is not UTF-8. */
static void
test_bytes_that_are_no_utf8_do_not_spoil_the_line(void **unused UNUSED)
{
	log_init("watcher/prod", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("server says %s", "caf\xc3\xa9 \xff\xc3 (\"");
	assert_non_null(strstr(logged(),
	    "server says caf\xc3\xa9 ?? (\\\"\"}\n"));
	assert_true(utf8_valid(logged(), strlen(logged())));
}

static void
test_a_line_cut_inside_a_character_is_still_utf8(void **unused UNUSED)
{
	char text[2 * LOG_LINE_MAX + 1] = "";

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	log_init("store", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("%s", text);
	log_info("1%s", text);
	assert_true(strlen(logged()) > LOG_LINE_MAX);
	assert_true(utf8_valid(logged(), strlen(logged())));
}

static void
test_a_line_too_long_is_cut_and_still_ends(void **unused UNUSED)
{
	log_init("store", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("%0*d\"", 2 * LOG_LINE_MAX, 0);
	assert_true(strlen(logged()) <= LOG_LINE_MAX);
	assert_non_null(strstr(logged(), "0\"}\n"));
}

static const struct log_field some[] = {
	{ "id", "1e0/7", 0 },
	{ "who", "a \"b\"\n\xff", 0 },
	{ "none", "", 0 },
	{ "n", NULL, UINT64_MAX },
};

static void
test_fields_are_pairs_in_a_text_line(void **unused UNUSED)
{
	be_the_journal();
	log_init("gateway/0", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_fields("ended", some, NELEM(some));
	assert_string_equal(logged(), "<6>gateway/0: ended id=1e0/7 "
	    "who=\"a \\\"b\\\" ?\" none=\"\" n=18446744073709551615\n");
}

static void
test_fields_are_members_of_a_json_line(void **unused UNUSED)
{
	log_init("gateway/0", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_fields("ended", some, NELEM(some));
	assert_non_null(strstr(logged(), "\"message\":\"ended\","
	    "\"id\":\"1e0/7\",\"who\":\"a \\\"b\\\" ?\",\"none\":\"\","
	    "\"n\":18446744073709551615}\n"));
}

static void
test_a_field_that_does_not_fit_is_left_out_whole(void **unused UNUSED)
{
	static char longest[LOG_FIELDS_MAX * 2];
	const struct log_field all[] = {
		{ "a", longest, 0 }, { "b", longest, 0 }, { "c", "x", 0 },
	};

	memset(longest, 'x', sizeof(longest) - 1);
	log_init("gateway/0", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_fields("m", all, NELEM(all));
	assert_non_null(strstr(logged(), "xx\",\"c\":\"x\"}\n"));
	assert_null(strstr(logged(), "\"b\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_fields_are_pairs_in_a_text_line, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_fields_are_members_of_a_json_line, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_a_field_that_does_not_fit_is_left_out_whole, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_a_json_line_for_the_journal_begins_with_its_priority,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    test_a_line_for_the_journal_begins_with_its_priority,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    test_another_stderr_than_the_journals_gets_times, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_a_text_from_elsewhere_is_one_line_without_controls,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    test_bytes_that_are_no_utf8_do_not_spoil_the_line, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_a_line_cut_inside_a_character_is_still_utf8, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_a_line_too_long_is_cut_and_still_ends, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
