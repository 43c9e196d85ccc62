/* What a credential plugin may print, and what is said of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/kube_exec.h"
#include "common/macros.h"
#include "common/xmalloc.h"
#include "exec/plugin_answer.h"
#include "exec/plugin_info.h"
#include "exec/plugin_words.h"

#define V1 "client.authentication.k8s.io/v1"
#define ANSWER(version, status) "{\"kind\":\"ExecCredential\"," \
	"\"apiVersion\":\"" version "\",\"status\":" status "}"

static int
parse(const char *text, struct exec_credential *c, struct err *err)
{
	return plugin_answer_parse(text, strlen(text), V1, c, err);
}

static void
test_a_token_and_its_end_are_taken(void **state)
{
	struct exec_credential c;
	struct err err = { 0 };

	(void)state;
	if (parse(ANSWER(V1, "{\"token\":\"abc\",\"expirationTimestamp\":"
	    "\"2030-01-01T00:00:00Z\",\"other\":1}") "\n", &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.token, "abc");
	assert_int_equal(c.expires_unix_ms, INT64_C(1893456000000));
	assert_null(c.cert_pem);
	exec_credential_free(&c);
	assert_int_equal(parse(ANSWER(V1, "{\"token\":\"\","
	    "\"expirationTimestamp\":null,"
	    "\"clientCertificateData\":\"-----BEGIN C\","
	    "\"clientKeyData\":\"-----BEGIN K\"}"), &c, &err), 0);
	assert_null(c.token);
	assert_string_equal(c.key_pem, "-----BEGIN K");
	assert_int_equal(c.expires_unix_ms, 0);
	exec_credential_free(&c);
}

/* A certificate that ends at that time, to be freed. */
static char *
certificate(time_t end)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *pem;
	long n;

	assert_non_null(key);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), end));
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	n = BIO_get_mem_data(bio, &text);
	pem = xstrndup(text, (size_t)n);
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	return pem;
}

static void
test_a_credential_ends_with_its_certificate(void **state)
{
	struct exec_credential c = { .cert_pem = certificate(1893456000),
		.key_pem = xstrdup("k") };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(plugin_answer_limit(&c, 4999, &err), 0);
	assert_int_equal(c.expires_unix_ms, INT64_C(1893456000000));
	c.expires_unix_ms = 5000;   /* what the plugin says comes first */
	assert_int_equal(plugin_answer_limit(&c, 4999, &err), 0);
	assert_int_equal(c.expires_unix_ms, 5000);
	c.expires_unix_ms = INT64_C(1893456000001);
	assert_int_equal(plugin_answer_limit(&c, 4999, &err), 0);
	assert_int_equal(c.expires_unix_ms, INT64_C(1893456000000));
	c.cert_pem[40] = '!';
	assert_int_equal(plugin_answer_limit(&c, 4999, &err), -1);
	exec_credential_free(&c);
	c.token = xstrdup("t");   /* nothing is known of a token's */
	assert_int_equal(plugin_answer_limit(&c, 4999, &err), 0);
	assert_int_equal(c.expires_unix_ms, 0);
	exec_credential_free(&c);
}

static void
test_what_has_expired_already_is_an_error(void **state)
{
	struct exec_credential c = { .token = xstrdup("t"),
		.expires_unix_ms = 5000 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(plugin_answer_limit(&c, 4999, &err), 0);
	assert_int_equal(plugin_answer_limit(&c, 5000, &err), -1);
	assert_non_null(strstr(err.text, "1970-01-01T00:00:05"));
	c.expires_unix_ms = 0;   /* no end is no end in 1970 */
	assert_int_equal(plugin_answer_limit(&c, 5000, &err), 0);
	exec_credential_free(&c);
}

static void
test_what_is_of_no_use_is_named_and_never_quoted(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{ "", "nothing" },
		{ "secret-token", "not JSON" },
		{ "[]", "no ExecCredential" },
		{ "{\"kind\":\"Status\"}", "no ExecCredential" },
		{ ANSWER("client.authentication.k8s.io/v1beta1",
		    "{\"token\":\"secret-token\"}"), "update the plugin" },
		{ "{\"kind\":\"ExecCredential\"}", "apiVersion nothing" },
		{ ANSWER(V1, "null"), "without status" },
		{ ANSWER(V1, "{}"), "neither" },
		{ ANSWER(V1, "{\"token\":\"\"}"), "neither" },
		{ ANSWER(V1, "{\"token\":7}"), "not a text" },
		{ ANSWER(V1, "{\"token\":\"secret\\ntoken\"}"),
		    "white space" },
		{ ANSWER(V1, "{\"token\":\"t\",\"expirationTimestamp\":"
		    "\"soon\"}"), "not a time" },
		{ ANSWER(V1, "{\"clientCertificateData\":\"-----BEGIN\"}"),
		    "only one" },
		{ ANSWER(V1, "{\"clientCertificateData\":\"x\","
		    "\"clientKeyData\":\"y\"}"), "PEM" },
	};
	struct exec_credential c;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		err = (struct err){ 0 };
		if (parse(cases[i].text, &c, &err) == 0)
			fail_msg("accepted: %s", cases[i].text);
		if (strstr(err.text, cases[i].word) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_null(strstr(err.text, "secret"));
	}
}

static void
test_its_last_words_hold_no_credential(void **state)
{
	static const struct {
		const char *errors, *output, *words;
	} cases[] = {
		{ "", "", "" },
		{ "one\ntwo\n\n", "", "two" },
		{ "not logged in: run aws sso login", "",
		    "not logged in: run aws sso login" },
		{ "got hunter2, but 500", "{\"token\":\"hunter2\"}",
		    "got [removed], but 500" },
		{ "Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
		    ".e30.x", "", "Authorization: Bearer [removed]" },
		{ "a\tb\001c\xff", "", "a b c?" },
		{ "key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE is bad", "",
		    "key [removed] is bad" },
		{ "key /lower/case/only/but/for/its/end/of/two==", "",
		    "key [removed]" },
		{ "no /home/sluice/.aws/sso/cache/of/this/host.json", "",
		    "no /home/sluice/.aws/sso/cache/of/this/host.json" },
		{ "see https://login.example.com/device/of/some/tenant", "",
		    "see https://login.example.com/device/of/some/tenant" },
		{ "/v1/hunter2/x and a/hunter3", "hunter2 a/hunter3",
		    "/v1/[removed]/x and [removed]" },
		{ "/x/abcdefghijklmnopqrstuvwxyz-abcdefgh", "",
		    "/x/[removed]" },
	};
	char words[PLUGIN_WORDS_MAX], *many;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		plugin_words(slice_str(cases[i].errors),
		    slice_str(cases[i].output), words);
		assert_string_equal(words, cases[i].words);
	}
	many = xmalloc(5000);
	memset(many, ':', 5000);
	plugin_words((struct slice){ many, 5000 }, SLICE_NONE, words);
	assert_int_equal(strlen(words), PLUGIN_WORDS_MAX - 1);
	free(many);
}

/* What the kubeconfig gave; texts are not changed by who reads them. */
static char *
text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void
test_a_plugin_is_told_of_its_cluster_when_it_asks(void **state)
{
	struct kube_exec exec = { .api_version = text(V1),
		.command = text("x") };
	struct kube_credentials cred = { .exec = &exec,
		.server = text("https://h/\"p"), .ca_pem = text("pem"),
		.exec_config = text("{\"a\":1}") };
	char *json = plugin_info_json(&cred);

	(void)state;
	assert_string_equal(json, "{\"kind\":\"ExecCredential\","
	    "\"apiVersion\":\"" V1 "\",\"spec\":{\"interactive\":false}}");
	free(json);
	exec.provide_cluster_info = true;
	json = plugin_info_json(&cred);
	assert_string_equal(json, "{\"kind\":\"ExecCredential\","
	    "\"apiVersion\":\"" V1 "\",\"spec\":{\"interactive\":false,"
	    "\"cluster\":{\"server\":\"https://h/\\\"p\","
	    "\"certificate-authority-data\":\"cGVt\","
	    "\"config\":{\"a\":1}}}}");
	free(json);
}

static void
test_the_kubeconfigs_variables_go_before_our_own(void **state)
{
	char *own[] = { text("A=1"), text("AB=2"),
		text("KUBERNETES_EXEC_INFO=old"), NULL };
	char *given[] = { text("A=new"), text("B=3") };
	struct kube_exec exec = { .api_version = text(V1), .env = given,
		.n_env = 2 };
	struct kube_credentials cred = { .exec = &exec };
	char **env = plugin_info_environment(&cred, own);

	(void)state;
	assert_string_equal(env[0], "AB=2");
	assert_string_equal(env[1], "A=new");
	assert_string_equal(env[2], "B=3");
	assert_memory_equal(env[3], "KUBERNETES_EXEC_INFO={", 22);
	assert_null(env[4]);
	plugin_info_free(env);
}

static void
test_a_command_is_looked_for_in_path_and_its_lack_has_a_remedy(void **state)
{
	struct kube_exec exec = { .command = text("sh") };
	char path[PLUGIN_INFO_PATH_MAX];
	struct err err = { 0 };

	(void)state;
	assert_int_equal(plugin_info_command(&exec, "/nowhere::/bin", path,
	    &err), 0);
	assert_string_equal(path, "/bin/sh");
	assert_int_equal(plugin_info_command(&exec, ".:bin", path, &err), -1);
	exec.command = text("aws");
	exec.install_hint = text("apt-get install awscli");
	assert_int_equal(plugin_info_command(&exec, "/nowhere", path, &err),
	    -1);
	assert_non_null(strstr(err.text, "aws is not in PATH (/nowhere): "
	    "apt-get install awscli"));
	exec.command = text("/etc/passwd");
	assert_int_equal(plugin_info_command(&exec, "", path, &err), -1);
	assert_non_null(strstr(err.text, "not executable"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_and_its_end_are_taken),
		cmocka_unit_test(test_a_credential_ends_with_its_certificate),
		cmocka_unit_test(test_what_has_expired_already_is_an_error),
		cmocka_unit_test(
		    test_what_is_of_no_use_is_named_and_never_quoted),
		cmocka_unit_test(test_its_last_words_hold_no_credential),
		cmocka_unit_test(
		    test_a_plugin_is_told_of_its_cluster_when_it_asks),
		cmocka_unit_test(
		    test_the_kubeconfigs_variables_go_before_our_own),
		cmocka_unit_test(
		    test_a_command_is_looked_for_in_path_and_its_lack_has_a_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
