/* health/classify: what each answer of a server, or of curl, means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "health/classify.h"

#define STATUS_503 "{\"kind\":\"Status\",\"code\":503,\"reason\":\"x\"}"
#define VERSION    "{\n  \"major\": \"1\",\n  \"gitVersion\": \"v1.36.1\"\n}"

static const struct {
	enum probe_endpoint	 endpoint;
	long			 status;
	const char		*body;
	bool			 final;
	enum probe_code		 code;
	const char		*says;     /* part of the message */
} answers[] = {
	{ PROBE_READYZ, 200, "ok", true, PROBE_OK, "" },
	{ PROBE_READYZ, 200, "[+]ping ok\nreadyz check passed\n", true,
	    PROBE_OK, "" },
	{ PROBE_HEALTHZ, 200, "ok", true, PROBE_OK, "" },
	{ PROBE_VERSION, 200, VERSION, true, PROBE_OK, "" },
	{ PROBE_VERSION, 200, "ok", true, PROBE_HTTP, "not what" },
	{ PROBE_READYZ, 200, "", true, PROBE_HTTP, "not what" },
	{ PROBE_READYZ, 200, "<html>Sign in</html>", true, PROBE_HTTP,
	    "not what" },
	{ PROBE_READYZ, 401, "", true, PROBE_AUTH, "credentials" },
	{ PROBE_VERSION, 401, "", true, PROBE_AUTH, "credentials" },
	{ PROBE_READYZ, 403, "", false, PROBE_OK, NULL },
	{ PROBE_READYZ, 404, "", false, PROBE_OK, NULL },
	{ PROBE_HEALTHZ, 403, "", false, PROBE_OK, NULL },
	{ PROBE_HEALTHZ, 404, "", false, PROBE_OK, NULL },
	{ PROBE_VERSION, 403, "", true, PROBE_FORBIDDEN, "info-viewer" },
	{ PROBE_VERSION, 404, "", true, PROBE_HTTP, "404" },
	{ PROBE_READYZ, 429, "", true, PROBE_THROTTLED, "429" },
	{ PROBE_READYZ, 500, "[+]ping ok\n[-]etcd failed: reason withheld\n"
	    "[-]informer-sync failed: x\nreadyz check failed\n", true,
	    PROBE_NOT_READY, "etcd, informer-sync" },
	{ PROBE_READYZ, 500, "[-]shutdown failed: reason withheld", true,
	    PROBE_NOT_READY, "shutdown" },
	{ PROBE_READYZ, 503, STATUS_503, true, PROBE_NOT_READY, "503" },
	{ PROBE_READYZ, 503, "<html>no healthy upstream", true, PROBE_HTTP,
	    "load balancer" },
	{ PROBE_READYZ, 500, "", true, PROBE_HTTP, "500" },
	{ PROBE_READYZ, 302, "", true, PROBE_HTTP, "302" },
	{ PROBE_READYZ, 400, "Client sent an HTTP request to an HTTPS server.",
	    true, PROBE_HTTP, "400" },
};

static void
test_answers_are_told_apart(void **state UNUSED)
{
	struct probe_finding f;

	for (size_t i = 0; i < NELEM(answers); i++) {
		memset(&f, 0, sizeof(f));
		assert_int_equal(classify_answer(answers[i].endpoint, CURLE_OK,
		    "", answers[i].status, slice_str(answers[i].body), &f),
		    answers[i].final);
		if (!answers[i].final)
			continue;
		assert_int_equal(f.code, answers[i].code);
		assert_true(f.reachable);
		assert_non_null(strstr(f.message, answers[i].says));
	}
}

static const struct {
	CURLcode	 curl;
	const char	*text;
	enum probe_code	 code;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, "Could not resolve host: x", PROBE_DNS },
	{ CURLE_COULDNT_RESOLVE_PROXY, "", PROBE_DNS },
	{ CURLE_COULDNT_CONNECT, "Connection refused", PROBE_TCP },
	{ CURLE_OPERATION_TIMEDOUT, "Connection timed out", PROBE_TIMEOUT },
	{ CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: unable "
	    "to get local issuer certificate", PROBE_TLS },
	{ CURLE_SSL_CONNECT_ERROR, "wrong version number", PROBE_TLS },
	{ CURLE_SSL_CERTPROBLEM, "", PROBE_TLS },
	{ CURLE_RECV_ERROR, "OpenSSL SSL_read: error:0A00045C: tlsv13 alert "
	    "certificate required", PROBE_TLS },
	{ CURLE_RECV_ERROR, "Recv failure: Connection reset by peer",
	    PROBE_TCP },
	{ CURLE_GOT_NOTHING, "Empty reply from server", PROBE_TCP },
	{ CURLE_PARTIAL_FILE, "", PROBE_TCP },
	{ CURLE_WEIRD_SERVER_REPLY, "Received HTTP/0.9", PROBE_HTTP },
	{ CURLE_UNSUPPORTED_PROTOCOL, "", PROBE_HTTP },
};

static void
test_failures_of_the_network_are_told_apart(void **state UNUSED)
{
	struct probe_finding f;

	for (size_t i = 0; i < NELEM(failures); i++) {
		assert_true(classify_answer(PROBE_READYZ, failures[i].curl,
		    failures[i].text, 0, SLICE_NONE, &f));
		assert_int_equal(f.code, failures[i].code);
		assert_false(f.reachable);
		assert_true(f.message[0] != '\0');
		/* The operator is told where to look. */
		if (f.code != PROBE_HTTP)
			assert_non_null(strstr(f.message, "kubeconfig"));
	}
}

static void
test_an_old_certificate_of_the_server_is_not_the_kubeconfigs(void **state
    UNUSED)
{
	struct probe_finding f;

	assert_true(classify_answer(PROBE_READYZ,
	    CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: "
	    "certificate has expired", 0, SLICE_NONE, &f));
	assert_int_equal(f.code, PROBE_TLS);
	assert_non_null(strstr(f.message, "renew it at the API server"));
	assert_null(strstr(f.message, "kubeconfig"));
}

static void
test_a_hostile_text_becomes_plain_and_short(void **state UNUSED)
{
	char text[4096], body[8192] = "";
	struct probe_finding f;

	memset(text, '\xff', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	text[3] = '\n';
	classify_own(PROBE_AUTH, text, &f);
	assert_int_equal(strlen(f.message), VERDICT_MESSAGE_MAX - 1);
	for (const char *p = f.message; *p != '\0'; p++)
		assert_int_equal(*p, '?');
	for (size_t i = 0, n = 0; i < 300; i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n,
		    "[-]\x80-a-long-name-x x\n");
	assert_true(classify_answer(PROBE_READYZ, CURLE_OK, "", 500,
	    slice_str(body), &f));
	assert_int_equal(f.code, PROBE_NOT_READY);
	assert_non_null(strstr(f.message, "?-a-long-name-x, ?-a-long"));
	assert_null(strpbrk(f.message, "\x80\n"));
}

static void
test_the_version_is_found_and_bounded(void **state UNUSED)
{
	char v[16];

	assert_true(classify_member(slice_str(VERSION), "gitVersion", v,
	    sizeof(v)));
	assert_string_equal(v, "v1.36.1");
	assert_false(classify_member(slice_str(VERSION), "platform", v,
	    sizeof(v)));
	assert_false(classify_member(SLICE_NONE, "gitVersion", v, sizeof(v)));
	assert_false(classify_member(slice_str("{\"gitVersion\":12}"),
	    "gitVersion", v, sizeof(v)));
	assert_false(classify_member(slice_str("{\"gitVersion\":\"v1"),
	    "gitVersion", v, sizeof(v)));
	assert_false(classify_member(slice_str("{\"gitVersion\""),
	    "gitVersion", v, sizeof(v)));
	assert_false(classify_member(slice_str(
	    "{\"gitVersion\":\"v1.2.3456789012345\"}"), "gitVersion", v,
	    sizeof(v)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_are_told_apart),
		cmocka_unit_test(
		    test_an_old_certificate_of_the_server_is_not_the_kubeconfigs),
		cmocka_unit_test(test_failures_of_the_network_are_told_apart),
		cmocka_unit_test(test_a_hostile_text_becomes_plain_and_short),
		cmocka_unit_test(test_the_version_is_found_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
