/* kubeconfig: what is read, and what every problem is called. */
#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/kube_exec.h"
#include "common/kubeconfig.h"
#include "common/macros.h"
#include "common/xmalloc.h"

static char dir[64];

static char *
path_of(const char *leaf)
{
	return xasprintf("%s/%s", dir, leaf);
}

static void
write_file(const char *leaf, const char *text)
{
	char *path = path_of(leaf);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/sl-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	static const char *const leaves[] = { "a", "b", "token", "ca.pem",
		"ca.crt", "namespace" };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(leaves); i++) {
		char *path = path_of(leaves[i]);

		(void)unlink(path);
		free(path);
	}
	return rmdir(dir);
}

#define HEAD "current-context: one\ncontexts:\n" \
	"- {name: one, context: {cluster: c, user: u, namespace: ns}}\n" \
	"- {name: two, context: {cluster: c}}\n"

static int
load(const char *context, struct kube_credentials *c, struct err *err)
{
	char *paths = xasprintf("%s/a:%s/none::%s/b:%s/a", dir, dir, dir, dir);
	int rc = kubeconfig_load(paths, context, c, err);

	free(paths);
	return rc;
}

static void
test_a_context_is_put_together_from_its_entries(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	write_file("a", HEAD "clusters:\n- name: c\n  cluster:\n"
	    "    server: https://h.example:6443/k8s/?x=1\n"
	    "    certificate-authority: ca.pem\n"
	    "    tls-server-name: other\n"
	    "users:\n- name: u\n  user:\n    tokenFile: token\n"
	    "    client-certificate-data: LS0tLS1CRUdJTiBDRVJULS0tLS0=\n"
	    "    client-key-data: LS0tLS1CRUdJTiBLRVktLS0tLQ==\n");
	write_file("token", " abc\n");
	write_file("ca.pem", "-----BEGIN CERTIFICATE-----\n");
	if (load(NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.server, "https://h.example:6443/k8s");
	assert_string_equal(c.namespace, "ns");
	assert_string_equal(c.token, "abc");
	assert_string_equal(c.client_cert_pem, "-----BEGIN CERT-----");
	assert_string_equal(c.client_key_pem, "-----BEGIN KEY-----");
	assert_string_equal(c.ca_pem, "-----BEGIN CERTIFICATE-----\n");
	assert_string_equal(c.connect_to->data, "other:6443:h.example:6443");
	kube_credentials_free(&c);
	assert_int_equal(load("two", &c, &err), 0);
	assert_null(c.token);
	kube_credentials_free(&c);
}

static void
test_the_first_file_that_has_a_name_wins(void **state)
{
	struct kubeconfig_contexts names;
	struct kube_credentials c;
	struct err err = { 0 };
	char *paths;

	(void)state;
	write_file("a", "clusters:\n- name: c\n"
	    "  cluster: {server: http://a}\n");
	write_file("b", HEAD "clusters:\n- name: c\n"
	    "  cluster: {server: http://b, insecure-skip-tls-verify: true}\n"
	    "users:\n- {name: u, user: {token: t}}\n");
	if (load(NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.server, "http://a");
	assert_false(c.insecure);
	kube_credentials_free(&c);
	paths = xasprintf("%s/a:%s/b", dir, dir);
	assert_int_equal(kubeconfig_contexts(paths, &names, &err), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.names[names.current], "one");
	kubeconfig_contexts_free(&names);
	free(paths);
}

static const struct {
	const char *text, *context, *words[2];
} problems[] = {
	{ "a: [", NULL, { "/a:", "not YAML" } },
	{ "- a\n", NULL, { "/a:1", "not a kubeconfig" } },
	{ "a: b\na: c\n", NULL, { "/a:2", "remove one" } },
	{ "a: *b\n", NULL, { "/a:1", "no such anchor" } },
	{ "clusters: 7\n" HEAD, NULL, { "/a:1", "`clusters`" } },
	{ "{}", NULL, { "/a", "no current-context" } },
	{ HEAD, "three", { "no context named", "three" } },
	{ HEAD, NULL, { "/a:3", "`clusters`" } },
	{ HEAD "clusters:\n- {name: c}\n", NULL,
	    { "cluster \"c\"", "`server`" } },
	{ HEAD "clusters:\n- {name: c, cluster: {server: ftp://h}}\n",
	    NULL, { "/a:6", "https://" } },
	{ HEAD "clusters:\n- {name: c, cluster: {server: https://}}\n",
	    NULL, { "/a:6", "no host" } },
	{ HEAD "clusters:\n- {name: c, cluster: {server: "
	    "https://u:p@h}}\n", NULL, { "/a:6", "password" } },
	{ HEAD "clusters:\n- {name: c, cluster: {server: "
	    "https://h:99999}}\n", NULL, { "/a:6", "port" } },
	{ HEAD "clusters:\n- {name: c, cluster: {server: https://h, "
	    "insecure-skip-tls-verify: perhaps}}\n", NULL,
	    { "/a:6", "true or false" } },
	{ HEAD "clusters:\n- {name: c, cluster: {server: https://h}}\n"
	    "- {name: c, cluster: {server: https://i}}\n", NULL,
	    { "/a:7", "second entry" } },
	{ HEAD "clusters:\n- {name: c, cluster: {server: https://h}}\n",
	    NULL, { "/a:3", "`users`" } },
#define USER(u) HEAD "clusters:\n- {name: c, cluster: {server: https://h}}\n" \
	"users:\n- name: u\n  user: {" u "}\n"
	{ USER("exec: {command: aws}"), NULL,
	    { "user \"u\"", "apiVersion" } },
	{ USER("exec: {command: aws, apiVersion: "
	    "client.authentication.k8s.io/v1alpha1}"), NULL,
	    { "/a:9", "v1beta1" } },
	{ USER("exec: {command: aws, apiVersion: "
	    "client.authentication.k8s.io/v1}"), NULL,
	    { "user \"u\"", "interactiveMode" } },
	{ USER("exec: {command: aws, interactiveMode: Always, "
	    "apiVersion: client.authentication.k8s.io/v1}"), NULL,
	    { "/a:9", "a service has none" } },
	{ USER("exec: {interactiveMode: Never, "
	    "apiVersion: client.authentication.k8s.io/v1}"), NULL,
	    { "user \"u\"", "no command" } },
	{ USER("exec: [1]"), NULL, { "/a:9", "mapping" } },
	{ USER("exec: {command: x, args: y, "
	    "apiVersion: client.authentication.k8s.io/v1beta1}"),
	    NULL, { "/a:9", "list" } },
	{ USER("exec: {command: x, env: [{value: y}], "
	    "apiVersion: client.authentication.k8s.io/v1beta1}"),
	    NULL, { "/a:9", "env" } },
	{ USER("auth-provider: {name: gcp}"), NULL,
	    { "/a:9", "auth-provider" } },
	{ USER("username: x, password: y"), NULL,
	    { "/a:9", "user name" } },
	{ USER("client-certificate-data: '%%'"), NULL,
	    { "/a:9", "base64" } },
	{ USER("client-certificate-data: YWJj"), NULL,
	    { "/a:9", "PEM" } },
	{ USER("client-key: no.pem"), NULL, { "/a:9", "no.pem" } },
	{ USER("client-key-data: LS0tLS1CRUdJTiBLRVktLS0tLQ=="), NULL,
	    { "/a:9", "client-certificate" } },
	{ USER("tokenFile: none"), NULL, { "/a:9", "tokenFile" } },
	{ USER("token: [1]"), NULL, { "/a:9", "string" } },
	{ USER("as-groups: [a]"), NULL, { "user \"u\"", "`as`" } },
	{ USER("as-uid: x"), NULL, { "user \"u\"", "`as`" } },
	{ USER("as: x, as-groups: a"), NULL, { "/a:9", "list" } },
	{ USER("as: \"x\\ny\""), NULL, { "/a:9", "one line" } },
	{ USER("as: x, as-user-extra: [a]"), NULL,
	    { "/a:9", "mapping" } },
#define CLUSTER(c) HEAD "clusters:\n- {name: c, cluster: {server: " \
	"'https://h', " c "}}\n"
	{ CLUSTER("tls-server-name: 'a b'"), NULL,
	    { "/a:6", "host name" } },
	{ CLUSTER("proxy-url: 'ftp://x'"), NULL,
	    { "/a:6", "socks5" } },
	{ CLUSTER("certificate-authority-data: YWJj"), NULL,
	    { "/a:6", "PEM" } },
	/* Two ways to ask for a passphrase: both would be asked on a
	 * terminal. */
	{ CLUSTER("certificate-authority-data: "
	    "LS0tLS1CRUdJTiBDLS0tLS0KUHJvYy1UeXBlOiA0LEVOQ1JZUFRFRAo="), NULL,
	    { "/a:6", "passphrase" } },
	{ USER("client-key-data: "
	    "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBLRVktLS0tLQo="), NULL,
	    { "/a:9", "passphrase" } },
	{ CLUSTER("insecure-skip-tls-verify: true, "
	    "certificate-authority-data: LS0tLS1CRUdJTiBDLS0tLS0="),
	    NULL, { "/a:6", "remove one" } },
	{ CLUSTER("certificate-authority: x, "
	    "certificate-authority-data: LS0tLS1CRUdJTiBDLS0tLS0="),
	    NULL, { "/a:6", "remove one" } },
};

static void
test_every_problem_is_named_with_place_and_remedy(void **state)
{
	struct kube_credentials c;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(problems); i++) {
		write_file("a", problems[i].text);
		err = (struct err){ 0 };
		if (load(problems[i].context, &c, &err) == 0)
			fail_msg("accepted: %s", problems[i].text);
		if (strstr(err.text, problems[i].words[0]) == NULL ||
		    strstr(err.text, problems[i].words[1]) == NULL)
			fail_msg("%zu: %s", i, err.text);
	}
}

static void
test_a_missing_file_is_named(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(kubeconfig_load("/nowhere/x", NULL, &c, &err), -1);
	assert_non_null(strstr(err.text, "/nowhere/x"));
	assert_non_null(strstr(err.text, "kubeconfig: none"));
}

#define SERVER(s) "current-context: x\n" \
	"contexts: [{name: x, context: {cluster: c, user: u}}]\n" \
	"clusters: [{name: c, cluster: {server: 'https://h'" s "}}]\n"
#define PLUGIN "apiVersion: client.authentication.k8s.io/v1, " \
	"interactiveMode: Never"

static void
test_impersonation_becomes_headers(void **state)
{
	static const char *const lines[] = { "Impersonate-User: jane",
		"Impersonate-Uid: 7", "Impersonate-Group: a",
		"Impersonate-Group: b c",
		"Impersonate-Extra-acme.com%2Fproject: x",
		"Impersonate-Extra-acme.com%2Fproject: y" };
	struct kube_credentials c;
	struct err err = { 0 };
	size_t i;

	(void)state;
	write_file("a", SERVER("") "users: [{name: u, user: {token: t, "
	    "as: jane, as-uid: '7', as-groups: [a, b c], as-user-extra: "
	    "{Acme.com/project: [x, y]}}}]\n");
	if (load(NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(c.n_impersonate, NELEM(lines));
	for (i = 0; i < NELEM(lines); i++)
		assert_string_equal(c.impersonate[i], lines[i]);
	kube_credentials_free(&c);
}

static void
test_an_exec_section_is_read_with_its_cluster(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };
	char *command = path_of("bin/plug");

	(void)state;
	write_file("a", SERVER(", extensions: [{name: "
	    "client.authentication.k8s.io/exec, extension: {a: [1, '1', x, "
	    "true, null, 1.5, 0x1]}}]") "users: [{name: u, user: {exec: {"
	    PLUGIN ", command: ./../bin/plug, args: [get, '1'], env: "
	    "[{name: A, value: b}, {name: E}], provideClusterInfo: true, "
	    "installHint: 'apt install it'}}}]\n");
	free(command);
	command = path_of("./../bin/plug");
	if (load(NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(c.exec);
	assert_string_equal(c.exec->command, command);
	assert_int_equal(c.exec->n_args, 2);
	assert_string_equal(c.exec->args[1], "1");
	assert_int_equal(c.exec->n_env, 2);
	assert_string_equal(c.exec->env[0], "A=b");
	assert_string_equal(c.exec->env[1], "E=");
	assert_true(c.exec->provide_cluster_info);
	assert_string_equal(c.exec->install_hint, "apt install it");
	assert_string_equal(c.exec_config,
	    "{\"a\":[1,\"1\",\"x\",true,null,1.5,\"0x1\"]}");
	kube_credentials_free(&c);
	free(command);
}

static void
test_a_token_goes_before_the_plugin(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	write_file("a", SERVER("") "users: [{name: u, user: {token: t, "
	    "exec: {" PLUGIN ", command: x}}}]\n");
	assert_int_equal(load(NULL, &c, &err), 0);
	assert_null(c.exec);
	assert_string_equal(c.token, "t");
	kube_credentials_free(&c);
}

static void
test_a_directory_is_a_service_account(void **state)
{
	struct kubeconfig_contexts names;
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	write_file("token", "of-a-pod\n");
	write_file("namespace", "shop");
	write_file("ca.crt", "-----BEGIN CERTIFICATE-----\n");
	(void)unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(kubeconfig_load(dir, NULL, &c, &err), -1);
	assert_non_null(strstr(err.text, "KUBERNETES_SERVICE_HOST"));
	(void)setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	(void)setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
	if (kubeconfig_load(dir, NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.server, "https://[fd00::1]:6443");
	assert_string_equal(c.token, "of-a-pod");
	assert_string_equal(c.namespace, "shop");
	assert_non_null(c.ca_file);
	kube_credentials_free(&c);
	assert_int_equal(kubeconfig_contexts(dir, &names, &err), 0);
	assert_string_equal(names.names[names.current], "in-cluster");
	kubeconfig_contexts_free(&names);
	(void)setenv("KUBERNETES_SERVICE_HOST", "x\"}]", 1);
	assert_int_equal(kubeconfig_load(dir, NULL, &c, &err), -1);
}

static void
test_utf16_and_json_are_read_and_two_documents_are_not(void **state)
{
	static const char json[] = "{\"current-context\":\"x\",\"contexts\":"
	    "[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],"
	    "\"clusters\":[{\"name\":\"c\",\"cluster\":"
	    "{\"server\":\"https://h\"}}]}";
	char wide[2 + 2 * sizeof(json)];
	struct kube_credentials c;
	struct err err = { 0 };
	size_t i;

	(void)state;
	memcpy(wide, "\xff\xfe", 2);
	for (i = 0; i < sizeof(json) - 1; i++) {
		wide[2 + 2 * i] = json[i];
		wide[3 + 2 * i] = '\0';
	}
	if (kubeconfig_load_text(wide, 2 * sizeof(json), "wide", NULL,
	    &kube_policy_operator, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.server, "https://h");
	kube_credentials_free(&c);
	write_file("a", "a: b\n---\nc: d\n");
	assert_int_equal(load(NULL, &c, &err), -1);
	assert_non_null(strstr(err.text, "second document"));
}

static void
test_a_broken_file_is_an_error_even_behind_a_good_one(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	write_file("a", SERVER("") "users: [{name: u, user: {token: t}}]\n");
	write_file("b", "clusters: [");
	assert_int_equal(load(NULL, &c, &err), -1);
	assert_non_null(strstr(err.text, "/b:"));
}

static void
test_a_token_file_goes_before_a_token_and_null_is_nothing(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	write_file("token", "of-the-file");
	write_file("a", SERVER("") "users: [{name: u, user: {token: t, "
	    "tokenFile: token, exec: null, as: ~, "
	    "client-certificate-data: null}}]\n");
	if (load(NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.token, "of-the-file");
	assert_null(c.client_cert_pem);
	kube_credentials_free(&c);
	write_file("token", " \n");
	assert_int_equal(load(NULL, &c, &err), -1);
	assert_non_null(strstr(err.text, "is empty"));
}

static void
test_an_address_of_ipv6_keeps_its_brackets(void **state)
{
	struct kube_credentials c;
	struct err err = { 0 };

	(void)state;
	write_file("a", "current-context: x\n"
	    "contexts: [{name: x, context: {cluster: c}}]\n"
	    "clusters: [{name: c, cluster: {server: 'https://[fd00::1]/p/', "
	    "tls-server-name: api}}]\n");
	if (load(NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.server, "https://[fd00::1]/p");
	assert_string_equal(c.connect_to->data, "api:443:[fd00::1]:443");
	kube_credentials_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_context_is_put_together_from_its_entries),
		T(test_the_first_file_that_has_a_name_wins),
		T(test_every_problem_is_named_with_place_and_remedy),
		T(test_a_missing_file_is_named),
		T(test_impersonation_becomes_headers),
		T(test_an_exec_section_is_read_with_its_cluster),
		T(test_a_token_goes_before_the_plugin),
		T(test_a_directory_is_a_service_account),
		T(test_utf16_and_json_are_read_and_two_documents_are_not),
		T(test_a_broken_file_is_an_error_even_behind_a_good_one),
		T(test_a_token_file_goes_before_a_token_and_null_is_nothing),
		T(test_an_address_of_ipv6_keeps_its_brackets),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
