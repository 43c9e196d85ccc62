/* address and address_limit: who a client is, and how many connections. */
#include "gateway/address_limit.h"

#include <assert.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct address
address(const char *text)
{
	struct address a;

	if (!address_parse(slice_str(text), &a))
		fail_msg("no address: %s", text);
	return a;
}

static void
check_same(const struct address *a, const char *text)
{
	struct address b = address(text);

	assert_memory_equal(a, &b, sizeof(b));
}

/* --- address -------------------------------------------------------------- */

static void
test_an_address_is_read_with_and_without_a_port(void **state)
{
	static const char *const same[] = { "192.0.2.1", "192.0.2.1:80",
		"192.0.2.1:65535", "::ffff:192.0.2.1", "[::ffff:c000:201]:80" };
	static const char *const wrong[] = { "", "unknown", "192.0.2",
		"1.2.3.4:", "1.2.3.4:x",
		"1.2.3.4:123456", "[1.2.3.4]", "[::1", "::1]",
		"[::1]x", "192.0.2.256", " 192.0.2.1", "_hidden", "::1%lo",
		"2001:db8::1:2:3:4:5:6:7" };
	struct address a = address("192.0.2.1"), b = address("[2001:db8::1]:9");
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		check_same(&a, same[i]);
	check_same(&b, "2001:db8::1");
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (address_parse(slice_str(wrong[i]), &a))
			fail_msg("taken: %s", wrong[i]);
	assert_false(address_parse((struct slice){ "1.2.3.4\0", 8 }, &a));
}

static void
test_a_network_has_no_bits_behind_its_prefix(void **state)
{
	static const char *const wrong[] = { "", "/8", "10.0.0.0/",
		"10.0.0.0/33", "10.1.0.0/8",
		"10.0.0.0/08x", "10.0.0.0/-1", "::/129",
		"2001:db8::1/64", "10.0.0.0/8/8", "10.0.0.0/0008" };
	struct address_network n;
	struct address in = address("10.255.0.1"), out = address("11.0.0.0");
	size_t i;

	(void)state;
	assert_true(address_network_parse(slice_str("10.0.0.0/8"), &n));
	assert_true(address_in(&in, &n));
	assert_false(address_in(&out, &n));
	assert_true(address_network_parse(slice_str("10.255.0.0/23"), &n));
	assert_true(address_in(&in, &n));
	in = address("10.255.2.0");
	assert_false(address_in(&in, &n));
	assert_true(address_network_parse(slice_str("192.0.2.7"), &n));
	in = address("192.0.2.7");
	out = address("192.0.2.6");
	assert_true(address_in(&in, &n) && !address_in(&out, &n));
	assert_true(address_network_parse(slice_str("0.0.0.0/0"), &n));
	out = address("2001:db8::1");
	assert_true(address_in(&in, &n) && !address_in(&out, &n));
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (address_network_parse(slice_str(wrong[i]), &n))
			fail_msg("taken: %s", wrong[i]);
}

static void
test_a_socket_of_either_family_gives_the_same_client(void **state)
{
	struct sockaddr_in four = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0xc0000201) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr none = { .sa_family = AF_UNIX };
	struct address a, mapped = address("192.0.2.1");

	(void)state;
	assert_true(address_of_sockaddr((struct sockaddr *)&four, &a));
	check_same(&a, "192.0.2.1");
	memcpy(&six.sin6_addr, mapped.b, 16);
	assert_true(address_of_sockaddr((struct sockaddr *)&six, &a));
	check_same(&a, "192.0.2.1");
	assert_false(address_of_sockaddr(&none, &a));
}

/* --- the limit ------------------------------------------------------------ */

static char proxy1[] = "10.0.0.0/8", proxy2[] = "2001:db8:ff::/48";
static char *proxies[] = { proxy1, proxy2 };

static struct address_limit *
limit_of(uint32_t max)
{
	struct conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.gateway.trusted_proxies = proxies;
	conf.gateway.n_trusted_proxies = 2;
	conf.gateway.max_per_address = max;
	return address_limit_new(&conf);
}

static void
test_an_address_has_so_many_and_no_more(void **state)
{
	struct address_limit *l = limit_of(2);
	struct address a = address("192.0.2.1"), b = address("192.0.2.2");

	(void)state;
	assert_true(address_limit_take(l, &a) && address_limit_take(l, &a));
	assert_false(address_limit_take(l, &a));
	assert_true(address_limit_take(l, &b));
	assert_int_equal(address_limit_count(l), 2);
	address_limit_give(l, &a);
	assert_true(address_limit_take(l, &a));
	address_limit_give(l, &a);
	address_limit_give(l, &a);
	address_limit_give(l, &b);
	assert_int_equal(address_limit_count(l), 0);
	address_limit_free(l);
}

static void
test_a_subscriber_of_ipv6_is_its_64_bits(void **state)
{
	struct address_limit *l = limit_of(1);
	struct address a = address("2001:db8:1:2::1"),
	    same = address("2001:db8:1:2:ffff::9"),
	    other = address("2001:db8:1:3::1");

	(void)state;
	assert_true(address_limit_take(l, &a));
	assert_false(address_limit_take(l, &same));
	assert_true(address_limit_take(l, &other));
	address_limit_free(l);
}

static void
test_loopback_and_trusted_proxies_are_not_counted(void **state)
{
	static const char *const none[] = { "127.0.0.1", "127.9.9.9", "::1",
		"::ffff:127.0.0.1", "10.1.2.3", "2001:db8:ff:1::1" };
	struct address_limit *l = limit_of(1);
	struct address a = address("128.0.0.1");
	size_t i;

	(void)state;
	assert_true(address_limit_applies(l, &a));
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		a = address(none[i]);
		assert_false(address_limit_applies(l, &a));
	}
	address_limit_free(l);
}

/* The client of a request with these fields, from a trusted proxy. */
static void
check_client(const char *fields, const char *want)
{
	struct address_limit *l = limit_of(1);
	struct address peer = address("10.0.0.1"), client;
	struct http_problem problem;
	struct http_request *r;
	struct buf head = BUF_EMPTY;

	buf_addf(&head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	r = http_request_parse((const char *)head.data, head.len, &problem);
	assert_non_null(r);
	client = address_limit_client(l, &peer, r);
	check_same(&client, want);
	http_request_free(r);
	buf_free(&head);
	address_limit_free(l);
}

static void
test_the_client_is_whom_the_nearest_proxy_names(void **state)
{
	(void)state;
	check_client("", "10.0.0.1");
	check_client("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1");
	check_client("x-forwarded-for: 192.0.2.1:4711\r\n", "192.0.2.1");
	/* What stands before it, the client may have written. */
	check_client("X-Forwarded-For: 127.0.0.1, 192.0.2.1\r\n", "192.0.2.1");
	check_client("X-Forwarded-For: 10.0.0.9,192.0.2.1 \r\n", "192.0.2.1");
	check_client("X-Forwarded-For: lies,\t192.0.2.1\r\n", "192.0.2.1");
	check_client("X-Forwarded-For: 127.0.0.1\r\n"
	    "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1");
	/* A chain of our own proxies. */
	check_client("X-Forwarded-For: 192.0.2.1, 10.0.0.2, 10.0.0.3\r\n",
	    "192.0.2.1");
	check_client("X-Forwarded-For: 192.0.2.1\r\n"
	    "X-Forwarded-For: 2001:db8:ff::1\r\n", "192.0.2.1");
	/* Nobody is named, or nothing that is an address. */
	check_client("X-Forwarded-For: 10.0.0.2\r\n", "10.0.0.2");
	check_client("X-Forwarded-For:\r\n", "10.0.0.1");
	check_client("X-Forwarded-For: unknown\r\n", "10.0.0.1");
	check_client("X-Forwarded-For: 192.0.2.1,\r\n", "10.0.0.1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_is_read_with_and_without_a_port),
		cmocka_unit_test(test_a_network_has_no_bits_behind_its_prefix),
		cmocka_unit_test(
		    test_a_socket_of_either_family_gives_the_same_client),
		cmocka_unit_test(test_an_address_has_so_many_and_no_more),
		cmocka_unit_test(test_a_subscriber_of_ipv6_is_its_64_bits),
		cmocka_unit_test(
		    test_loopback_and_trusted_proxies_are_not_counted),
		cmocka_unit_test(test_the_client_is_whom_the_nearest_proxy_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
