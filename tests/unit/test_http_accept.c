/* http_accept: how much a request wants a media type. */
#include "gateway/http_accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

/* Of a request with these header fields. */
static unsigned int
accept_of(const char *fields, const char *type)
{
	struct http_problem problem = { 0 };
	struct buf head = BUF_EMPTY;
	struct http_request *r;
	unsigned int q;

	buf_addf(&head, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
	r = http_request_parse((const char *)head.data, head.len, &problem);
	assert_non_null(r);
	q = http_accept(r, type);
	http_request_free(r);
	buf_free(&head);
	return q;
}

static void
test_what_is_not_named_is_not_wanted(void **state UNUSED)
{
	assert_int_equal(accept_of("", "text/html"), 0);
	assert_int_equal(accept_of("Accept: */*\r\n", "text/html"), 0);
	assert_int_equal(accept_of("Accept: text/htm\r\n", "text/html"), 0);
	assert_int_equal(accept_of("Accept: a/b;x=\"text/html\"\r\n",
	    "text/html"), 0);
	assert_int_equal(accept_of("Accept:\r\nAccept: ,;,\r\n",
	    "text/html"), 0);
	assert_int_equal(accept_of("Accept-Language: text/html\r\n",
	    "text/html"), 0);
}

static void
test_a_name_is_found_in_any_place_and_spelling(void **state UNUSED)
{
	static const char *const fields[] = { "Accept: text/html\r\n",
		"accept:TEXT/Html\r\n", "Accept: a/b, text/html ;x=y\r\n",
		"Accept: a/b;q=0.1\r\nAccept: , text/html,c/d\r\n",
		"Accept: text/html;q=1.000\r\n",
		"Accept: text/html;q=0.2, text/html;q=1\r\n" };

	for (size_t i = 0; i < NELEM(fields); i++)
		assert_int_equal(accept_of(fields[i], "text/html"), 1000);
	assert_int_equal(accept_of("Accept: text/*, */*;q=0.5\r\n", "*/*"),
	    500);
}

static void
test_q_is_read_in_thousandths(void **state UNUSED)
{
	static const struct {
		const char	*q;
		unsigned int	 wanted;
	} rows[] = { { "0", 0 }, { "0.", 0 }, { "0.000", 0 }, { "0.5", 500 },
		{ "0.25", 250 }, { "0.125", 125 }, { "1.", 1000 },
		/* None is 1, and so is what is none. */
		{ "", 1000 }, { "2", 1000 }, { "0.1234", 1000 },
		{ "-1", 1000 }, { ".5", 1000 },
		{ "0.x", 1000 }, { "1.5", 1000 } };
	char field[64];

	for (size_t i = 0; i < NELEM(rows); i++) {
		(void)snprintf(field, sizeof(field),
		    "Accept: a/b; x=1 ; Q=%s\r\n", rows[i].q);
		assert_int_equal(accept_of(field, "a/b"), rows[i].wanted);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_named_is_not_wanted),
		cmocka_unit_test(
		    test_a_name_is_found_in_any_place_and_spelling),
		cmocka_unit_test(test_q_is_read_in_thousandths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
