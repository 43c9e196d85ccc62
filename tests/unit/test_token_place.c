/* token_place: where in a request its token stands. */
#include "gateway/token_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

#define STREAM true
#define OTHER  false

/* What is found in a GET of this target with these fields; `text`: what stands
 * there. */
static void
check(const char *target, const char *fields, bool stream, enum token_place
    want, const char *text)
{
	struct http_problem problem;
	struct buf head = BUF_EMPTY;
	struct http_request *r;
	struct slice found;

	buf_addf(&head, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, fields);
	r = http_request_parse((const char *)head.data, head.len, &problem);
	assert_non_null(r);
	assert_int_equal(token_place_find(r, stream, "sluice", &found), want);
	if (text != NULL) {
		assert_int_equal(found.n, strlen(text));
		assert_memory_equal(found.p, text, found.n);
	}
	http_request_free(r);
	buf_free(&head);
}

static void
test_a_header_is_taken_everywhere(void **unused UNUSED)
{
	check("/x", "Authorization: Bearer a.b.c\r\n", OTHER,
	    TOKEN_PLACE_HEADER, "a.b.c");
	check("/x", "authorization: bEARER   a.b.c\r\n", STREAM,
	    TOKEN_PLACE_HEADER, "a.b.c");
}

static void
test_a_header_that_is_no_bearers_is_broken(void **unused UNUSED)
{
	static const char *const fields[] = {
		"Authorization: Basic abc\r\n",
		"Authorization: Bearer\r\n",
		"Authorization:\r\n",
	};

	for (size_t i = 0; i < NELEM(fields); i++)
		check("/x?ticket=t", fields[i], STREAM, TOKEN_PLACE_BROKEN,
		    NULL);
}

static void
test_a_ticket_and_a_cookie_are_for_streams_only(void **unused UNUSED)
{
	check("/x?ticket=t", "Cookie: sluice=c\r\n", OTHER, TOKEN_PLACE_NONE,
	    NULL);
	check("/x?ticket=t", "", STREAM, TOKEN_PLACE_TICKET, "t");
	check("/x", "Cookie: sluice=c\r\n", STREAM, TOKEN_PLACE_COOKIE, "c");
	check("/x", "", STREAM, TOKEN_PLACE_NONE, NULL);
}

static void
test_the_first_that_is_there_counts_also_when_it_is_bad(void **unused UNUSED)
{
	check("/x?ticket=t", "Authorization: Bearer a\r\nCookie: sluice=c\r\n",
	    STREAM, TOKEN_PLACE_HEADER, "a");
	check("/x?ticket=t", "Cookie: sluice=c\r\n", STREAM,
	    TOKEN_PLACE_TICKET, "t");
	check("/x?ticket=", "Cookie: sluice=c\r\n", STREAM,
	    TOKEN_PLACE_TICKET, "");
}

static void
test_a_cookie_is_found_among_others_by_its_whole_name(void **unused UNUSED)
{
	check("/x", "Cookie: a=1; sluice=c; b=2\r\n", STREAM,
	    TOKEN_PLACE_COOKIE, "c");
	check("/x", "Cookie: a=1; ;; sluice=c=d\r\n", STREAM,
	    TOKEN_PLACE_COOKIE, "c=d");
	check("/x", "Cookie: xsluice=1; sluicex=2; sluice; Sluice=3\r\n",
	    STREAM, TOKEN_PLACE_NONE, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_header_is_taken_everywhere),
		cmocka_unit_test(test_a_header_that_is_no_bearers_is_broken),
		cmocka_unit_test(
		    test_a_ticket_and_a_cookie_are_for_streams_only),
		cmocka_unit_test(
		    test_the_first_that_is_there_counts_also_when_it_is_bad),
		cmocka_unit_test(
		    test_a_cookie_is_found_among_others_by_its_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
