/* cors: whose pages may read an answer. */
#include "gateway/cors.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char ui[] = "https://ui.example.org", dev[] = "http://localhost:3000";
static char *origins[] = { ui, dev };

static struct conf
conf_of(size_t n)
{
	struct conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.gateway.cors_origins = origins;
	conf.gateway.n_cors_origins = n;
	return conf;
}

/* The lines of the answer (or what OPTIONS adds) to a request with these
 * fields; to be freed. */
static char *
lines_of(size_t n_origins, const char *fields, bool preflight)
{
	struct conf conf = conf_of(n_origins);
	struct http_problem problem;
	struct http_request *r;
	struct buf head = BUF_EMPTY, b = BUF_EMPTY;

	buf_addf(&head, "OPTIONS /x HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	r = http_request_parse((const char *)head.data, head.len, &problem);
	assert_non_null(r);
	if (preflight)
		cors_preflight(&b, &conf, r, "OPTIONS, GET");
	else
		cors_answer(&b, &conf, r);
	buf_addc(&b, '\0');
	http_request_free(r);
	buf_free(&head);
	return (char *)b.data;
}

static void
check(size_t n_origins, const char *fields, bool preflight, const char *want)
{
	char *lines = lines_of(n_origins, fields, preflight);

	assert_string_equal(lines, want);
	free(lines);
}

static void
test_nothing_is_said_when_no_origin_is_configured(void **state)
{
	(void)state;
	check(0, "Origin: https://ui.example.org\r\n", false, "");
	check(0, "Origin: https://ui.example.org\r\n"
	    "Access-Control-Request-Method: GET\r\n", true, "");
}

static void
test_a_configured_origin_is_named_and_no_other(void **state)
{
	static const char *const others[] = { "", "Origin: null\r\n",
		"Origin: *\r\n", "Origin: https://ui.example.org.evil\r\n",
		"Origin: https://ui.example.or\r\n",
		"Origin: http://ui.example.org\r\n",
		"Origin: https://ui.example.org:443\r\n",
		"Origin: https://UI.example.org\r\n", "Origin:\r\n" };
	size_t i;

	(void)state;
	check(2, "Origin: http://localhost:3000\r\n", false,
	    "Vary: Origin\r\n"
	    "Access-Control-Allow-Origin: http://localhost:3000\r\n"
	    "Access-Control-Allow-Credentials: true\r\n"
	    "Access-Control-Expose-Headers: Retry-After, "
	    "X-Log-Offset, X-History-Next, X-History-As-Of, "
	    "X-History-Complete, X-History-Gaps\r\n");
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		check(2, others[i], false, "Vary: Origin\r\n");
		check(2, others[i], true, "");
	}
}

static void
test_a_preflight_is_told_methods_and_last_event_id(void **state)
{
	(void)state;
	check(1, "Origin: https://ui.example.org\r\n"
	    "Access-Control-Request-Method: GET\r\n", true,
	    "Access-Control-Allow-Methods: OPTIONS, GET\r\n"
	    "Access-Control-Allow-Headers: Authorization, Content-Type, "
	    "Last-Event-ID, X-Log-Offset\r\nAccess-Control-Max-Age: 600\r\n");
	check(1, "Origin: https://ui.example.org\r\n", true, "");
}

static void
test_a_request_that_could_not_be_read_has_no_origin(void **state)
{
	struct conf conf = conf_of(2);
	struct buf b = BUF_EMPTY;

	(void)state;
	cors_answer(&b, &conf, NULL);
	buf_addc(&b, '\0');
	assert_string_equal((char *)b.data, "Vary: Origin\r\n");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_nothing_is_said_when_no_origin_is_configured),
		cmocka_unit_test(test_a_configured_origin_is_named_and_no_other),
		cmocka_unit_test(
		    test_a_preflight_is_told_methods_and_last_event_id),
		cmocka_unit_test(
		    test_a_request_that_could_not_be_read_has_no_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
