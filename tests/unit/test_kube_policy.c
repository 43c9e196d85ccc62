/* What a kubeconfig that comes by the API may not ask for. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/kube_server.h"
#include "common/kubeconfig.h"
#include "common/macros.h"
#include "common/xmalloc.h"

static const char *const proxies[] = { "http://proxy.example:3128" };
static const struct kube_policy untrusted = { .untrusted = true,
	.proxies = proxies, .n_proxies = 1 };

static int
load(const char *cluster, const char *user, const struct kube_policy *policy,
    struct kube_credentials *c, struct err *err)
{
	char *text = xasprintf("current-context: x\n"
	    "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
	    "clusters: [{name: c, cluster: {%s}}]\n"
	    "users: [{name: u, user: {%s}}]\n", cluster, user);
	int rc = kubeconfig_load_text(text, strlen(text), "of cluster prod",
	    NULL, policy, c, err);

	free(text);
	return rc;
}

static void
test_what_reaches_into_this_host_is_refused(void **state)
{
	static const struct {
		const char *cluster, *user, *word;
	} cases[] = {
#define H "server: 'https://h'"
		{ H, "exec: {command: sh}", "exec" },
		{ H, "auth-provider: {name: gcp}", "auth-provider" },
		{ H, "client-certificate: /etc/passwd", "certificate-data" },
		{ H, "client-key: /etc/shadow", "client-key-data" },
		{ H, "tokenFile: /etc/passwd", "token" },
		{ H ", certificate-authority: /etc/passwd", "",
		    "certificate-authority-data" },
		{ H ", insecure-skip-tls-verify: true", "", "not allowed" },
		{ H ", proxy-url: 'http://127.0.0.1:1'", "", "proxy-url" },
		{ H ", proxy-url: 'http://proxy.example:3129'", "",
		    "proxy-url" },
		{ "server: 'http://h'", "", "https://" },
		{ "server: 'file:///etc/passwd'", "", "https://" },
	};
	struct kube_credentials c;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		err = (struct err){ 0 };
		if (load(cases[i].cluster, cases[i].user, &untrusted, &c,
		    &err) == 0)
			fail_msg("accepted: %s %s", cases[i].cluster,
			    cases[i].user);
		if (strstr(err.text, cases[i].word) == NULL ||
		    strstr(err.text, "of cluster prod") == NULL)
			fail_msg("%zu: %s", i, err.text);
	}
}

static void
test_what_stays_in_memory_is_taken(void **state)
{
	struct kube_policy lax = untrusted;
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	if (load(H ", proxy-url: 'http://proxy.example:3128'", "token: t, "
	    "client-certificate-data: LS0tLS1CRUdJTiBDLS0tLS0=, "
	    "client-key-data: LS0tLS1CRUdJTiBDLS0tLS0=", &untrusted, &c,
	    &err) < 0)
		fail_msg("%s", err.text);
	assert_true(c.untrusted);
	assert_string_equal(c.token, "t");
	kube_credentials_free(&c);
	lax.allow_insecure = true;
	assert_int_equal(load(H ", insecure-skip-tls-verify: true", "", &lax,
	    &c, &err), 0);
	kube_credentials_free(&c);
}

static void
test_no_spelling_leads_to_a_place_of_this_host(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "127.1", "0x7f.0.0.1",
		"2130706433", "017700000001", "0", "0.0.0.0", "169.254.169.254",
		"169.254.1.1", "100.100.100.200", "192.0.0.192",
		"168.63.129.16", "255.255.255.255", "224.0.0.1", "localhost",
		"LOCALHOST.", "a.localhost", "metadata",
		"metadata.google.internal", "metadata.google.internal.",
		"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[fe80::1]",
		"[fe80::1%25eth0]", "[::ffff:127.0.0.1]", "[::127.0.0.1]",
		"[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[ff02::1]",
		"[fd00:ec2::254]", "[fd20:ce::254]", "[fd00:c1::a9fe:a9fe]",
		"[64:ff9b:1::a9fe:a9fe]", "[64:ff9b:1:a9fe:a9:fe00::]",
		"[::ffff:0:127.0.0.1]", "[::ffff:0:a9fe:a9fe]",
		"[not an address]", "%6cocalhost" };
	static const char *const good[] = { "10.0.0.1", "192.168.1.1",
		"api.example.com", "[fd12::1]", "[2001:db8::1]", "8.8.8.8",
		"[::ffff:0:8.8.8.8]", "[fd20:cf::1]", "[64:ff9b::808:808]",
		"localhost.example.com", "169.255.0.1" };
	char *server;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++) {
		server = xasprintf("https://%s:6443/x", bad[i]);
		if (kube_server_check_stranger(server) == NULL)
			fail_msg("accepted: %s", server);
		free(server);
	}
	for (i = 0; i < NELEM(good); i++) {
		server = xasprintf("https://%s:6443/x", good[i]);
		if (kube_server_check_stranger(server) != NULL)
			fail_msg("refused: %s", server);
		free(server);
	}
}

static void
test_an_address_is_judged_again_when_it_is_connected(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr local = { .sa_family = AF_UNIX };

	(void)state;
	v4.sin_addr.s_addr = htonl(0xa9fea9feu);
	assert_true(kube_server_forbidden_address(
	    (const struct sockaddr *)(const void *)&v4));
	v4.sin_addr.s_addr = htonl(0x0a000001u);
	assert_false(kube_server_forbidden_address(
	    (const struct sockaddr *)(const void *)&v4));
	v6.sin6_addr.s6_addr[15] = 1;
	assert_true(kube_server_forbidden_address(
	    (const struct sockaddr *)(const void *)&v6));
	v6.sin6_addr.s6_addr[0] = 0x20;
	assert_false(kube_server_forbidden_address(
	    (const struct sockaddr *)(const void *)&v6));
	assert_true(kube_server_forbidden_address(&local));
}

/* Ten anchors of ten aliases each stand for 10^10 texts. */
static void
test_bombs_end_in_an_error(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };
	char *big = xmalloc(KUBE_POLICY_TEXT_MAX + 1);
	struct buf b = BUF_EMPTY;
	size_t i, k;

	(void)state;
	memset(big, ' ', KUBE_POLICY_TEXT_MAX + 1);
	assert_int_equal(kubeconfig_load_text(big, KUBE_POLICY_TEXT_MAX + 1,
	    "x", NULL, &untrusted, &c, &err), -1);
	assert_non_null(strstr(err.text, "larger"));
	memset(big, '[', 5000);
	assert_int_equal(kubeconfig_load_text(big, 5000, "x", NULL,
	    &untrusted, &c, &err), -1);
	assert_non_null(strstr(err.text, "deeper"));
	free(big);
	buf_adds(&b, "a0: &a0 [x]\n");
	for (i = 1; i <= 10; i++) {
		buf_addf(&b, "a%zu: &a%zu [", i, i);
		for (k = 0; k < 10; k++)
			buf_addf(&b, "*a%zu,", i - 1);
		buf_adds(&b, "]\n");
	}
	assert_int_equal(kubeconfig_load_text((const char *)b.data, b.len,
	    "x", NULL, &untrusted, &c, &err), -1);
	buf_free(&b);
	assert_non_null(strstr(err.text, "refused"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_reaches_into_this_host_is_refused),
		cmocka_unit_test(test_what_stays_in_memory_is_taken),
		cmocka_unit_test(
		    test_no_spelling_leads_to_a_place_of_this_host),
		cmocka_unit_test(
		    test_an_address_is_judged_again_when_it_is_connected),
		cmocka_unit_test(test_bombs_end_in_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
