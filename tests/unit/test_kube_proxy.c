/* Which servers are reached through the environment's proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/kube_proxy.h"
#include "common/macros.h"

static void
test_no_proxy_is_read_as_kubectl_does(void **state)
{
	static const struct {
		const char *no_proxy, *host;
		unsigned port;
		bool excluded;
	} cases[] = {
		{ NULL, "api.example.com", 443, false },
		{ NULL, "localhost", 443, true },
		{ NULL, "127.8.8.8", 443, true },
		{ NULL, "::1", 443, true },
		{ "*", "api.example.com", 443, true },
		{ "example.com", "example.com", 443, true },
		{ "example.com", "API.Example.com", 443, true },
		{ "example.com", "badexample.com", 443, false },
		{ ".example.com", "example.com", 443, false },
		{ ".example.com", "a.b.example.com", 443, true },
		{ "*.example.com", "a.example.com", 443, true },
		{ "a, ,b.c ,example.com", "example.com", 443, true },
		{ "example.com:6443", "example.com", 6443, true },
		{ "example.com:6443", "example.com", 443, false },
		{ "10.0.0.0/8", "10.1.2.3", 443, true },
		{ "10.0.0.0/8", "11.1.2.3", 443, false },
		{ "10.0.0.0/15", "10.1.2.3", 443, true },
		{ "10.0.0.0/33", "10.1.2.3", 443, false },
		{ "10.0.0.0/x", "10.1.2.3", 443, false },
		{ "10.0.0.0/8", "ten.example.com", 443, false },
		{ "fd00::/8", "fd12::1", 443, true },
		{ "fd00::/8", "fe12::1", 443, false },
		{ "::/0", "fe12::1", 443, true },
		{ "::/0", "10.1.2.3", 443, false },
		{ NULL, "2001:db8::ffff:7f00:1", 443, false },
		{ NULL, "::ffff:127.0.0.1", 443, true },
		{ "10.1.2.3", "10.1.2.3", 443, true },
		{ "10.1.2.3:80", "10.1.2.3", 443, false },
		{ "fd12::1", "fd12:0::1", 443, true },
		{ "[fd12::1]:443", "fd12::1", 443, true },
		{ "[fd12::1]", "fd12::1", 6443, true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++)
		if (kube_proxy_excludes(cases[i].no_proxy, cases[i].host,
		    cases[i].port) != cases[i].excluded)
			fail_msg("%s, %s:%u", cases[i].no_proxy,
			    cases[i].host, cases[i].port);
}

static void
test_the_scheme_decides_which_proxy_it_is(void **state)
{
	static const struct {
		const char *server, *https, *http, *no, *proxy;
	} cases[] = {
		{ "https://a", "http://p:1", "http://q:1", NULL,
		    "http://p:1" },
		{ "http://a", "http://p:1", "http://q:1", NULL,
		    "http://q:1" },
		{ "https://a", "p:1", NULL, NULL, "http://p:1" },
		{ "https://a", "socks5://p:1", NULL, NULL, "socks5h://p:1" },
		{ "https://a", "socks5h://p:1", NULL, NULL, "socks5h://p:1" },
		{ "https://a", NULL, "http://q:1", NULL, "" },
		{ "https://a", "", NULL, NULL, "" },
		{ "https://[fd12::1]:6443/x", "p:1", NULL, "fd12::/16", "" },
		{ "https://a:6443", "p:1", NULL, "a:443", "http://p:1" },
		{ "https://a", "p:1", NULL, "a:443", "" },
	};
	char *proxy;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		proxy = kube_proxy_for(cases[i].server, cases[i].https,
		    cases[i].http, cases[i].no);
		assert_string_equal(proxy, cases[i].proxy);
		free(proxy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_proxy_is_read_as_kubectl_does),
		cmocka_unit_test(test_the_scheme_decides_which_proxy_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
