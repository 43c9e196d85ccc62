/* kube_http: what a request carries, and where it may go. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/kube_http.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define WAIT_MS 20000

static int listener;
static char *server;

static int
setup(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	(void)state;
	(void)unsetenv("HTTP_PROXY");
	(void)unsetenv("http_proxy");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (listener < 0 || bind(listener, (struct sockaddr *)(void *)&a,
	    size) != 0 || listen(listener, 4) != 0 || getsockname(listener,
	    (struct sockaddr *)(void *)&a, &size) != 0)
		return -1;
	/* A name: what it leads to nobody knew before. */
	server = xasprintf("http://localhost:%u", ntohs(a.sin_port));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(server);
	return close(listener);
}

/* The next connection that was made; -1: none within `ms`. */
static int
accepted(int ms)
{
	(void)poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1,
	    ms);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

/* Was a connection made? Nobody answers; that it stands is all it waits for. */
static bool
connects(bool untrusted)
{
	struct kube_credentials cred = { .server = server,
		.untrusted = untrusted };
	struct curl_slist *headers = NULL;
	char error[CURL_ERROR_SIZE];
	CURL *easy = curl_easy_init();
	struct err err = { 0 };
	CURLcode code;
	int fd;

	assert_non_null(easy);
	if (kube_http_setup(easy, &cred, "/version", "*/*", &headers, error,
	    &err) < 0)
		fail_msg("%s", err.text);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	code = curl_easy_perform(easy);
	assert_int_equal(code, untrusted ? CURLE_COULDNT_CONNECT : CURLE_OK);
	fd = accepted(untrusted ? 0 : WAIT_MS);
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

static void
test_a_strangers_name_for_this_host_is_not_connected(void **state)
{
	(void)state;
	assert_true(connects(false));
	assert_false(connects(true));
}

static void
test_no_socket_of_a_request_outlives_an_exec(void **state)
{
	struct kube_credentials cred = { .server = server };
	struct curl_slist *headers = NULL;
	curl_socket_t fd = CURL_SOCKET_BAD;
	CURL *easy = curl_easy_init();
	struct err err = { 0 };

	(void)state;
	assert_non_null(easy);
	assert_int_equal(kube_http_setup(easy, &cred, "/", "*/*", &headers,
	    NULL, &err), 0);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	assert_int_equal(curl_easy_perform(easy), CURLE_OK);
	assert_int_equal(curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd),
	    CURLE_OK);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	fd = accepted(WAIT_MS);
	assert_true(fd >= 0);
	(void)close(fd);
}

static bool
has_header(const struct curl_slist *headers, const char *begin)
{
	for (; headers != NULL; headers = headers->next)
		if (strncmp(headers->data, begin, strlen(begin)) == 0)
			return true;
	return false;
}

static void
test_credentials_go_over_tls_only(void **state)
{
	static const char *const servers[] = { "http://h", "https://h" };
	static char line[] = "Impersonate-User: jane";
	char *lines[] = { line };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(servers); i++) {
		struct kube_credentials c = {
			.server = (char *)(uintptr_t)servers[i],
			.token = (char *)(uintptr_t)"secret",
			.impersonate = lines, .n_impersonate = 1 };
		struct curl_slist *headers = NULL;
		CURL *easy = curl_easy_init();
		struct err err = { 0 };

		assert_int_equal(kube_http_setup(easy, &c, "/", "a/b",
		    &headers, NULL, &err), 0);
		assert_int_equal(has_header(headers, "Authorization: Bearer "
		    "secret"), i == 1);
		assert_int_equal(has_header(headers, "Impersonate-User"),
		    i == 1);
		assert_true(has_header(headers, "Accept: a/b"));
		curl_slist_free_all(headers);
		curl_easy_cleanup(easy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_strangers_name_for_this_host_is_not_connected,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_no_socket_of_a_request_outlives_an_exec,
		    setup, teardown),
		cmocka_unit_test(test_credentials_go_over_tls_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
