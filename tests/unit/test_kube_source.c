/* When credentials are read again, and what of them is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/kube_source.h"
#include "common/macros.h"
#include "common/xmalloc.h"

static char dir[64];
static struct kube_source source;
static struct err err;

static void
write_file(const char *leaf, const char *text)
{
	char *path = xasprintf("%s/%s", dir, leaf);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

static void
remove_file(const char *leaf)
{
	char *path = xasprintf("%s/%s", dir, leaf);

	(void)unlink(path);
	free(path);
}

static int
setup(void **state)
{
	char *path;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/sl-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	path = xasprintf("%s/config", dir);
	kube_source_init(&source, path, NULL);
	free(path);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	kube_source_free(&source);
	remove_file("config");
	remove_file("token");
	remove_file("ca.pem");
	return rmdir(dir);
}

static struct mono
at(int64_t ms)
{
	return mono_add_ms((struct mono){ 1000000000 }, ms);
}

static void
write_config(const char *cluster, const char *user)
{
	char *text = xasprintf("current-context: x\n"
	    "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
	    "clusters: [{name: c, cluster: {server: 'https://h'%s}}]\n"
	    "users: [{name: u, user: {%s}}]\n", cluster, user);

	write_file("config", text);
	free(text);
}

static enum kube_source_change
refresh(int64_t ms)
{
	enum kube_source_change change;

	if (kube_source_refresh(&source, at(ms), &change, &err) < 0)
		fail_msg("%s", err.text);
	return change;
}

static void
begin(const char *cluster, const char *user)
{
	write_config(cluster, user);
	if (kube_source_load(&source, at(0), &err) < 0)
		fail_msg("%s", err.text);
}

static void
test_a_token_file_is_read_again_after_fifty_seconds(void **state)
{
	(void)state;
	write_file("token", " one \r\n");
	begin("", "tokenFile: token");
	assert_string_equal(source.cred.token, "one");
	write_file("token", "two\n");
	(void)refresh(KUBE_SOURCE_TOKEN_MS - 1);
	assert_string_equal(source.cred.token, "one");
	(void)refresh(KUBE_SOURCE_TOKEN_MS);
	assert_string_equal(source.cred.token, "two");
}

static void
test_the_last_good_token_serves_and_its_loss_is_told_once(void **state)
{
	enum kube_source_change change;

	(void)state;
	write_file("token", "one");
	begin("", "tokenFile: token");
	write_file("token", " \n");
	assert_int_equal(kube_source_refresh(&source,
	    at(KUBE_SOURCE_TOKEN_MS), &change, &err), -1);
	assert_non_null(strstr(err.text, "is empty"));
	assert_string_equal(source.cred.token, "one");
	remove_file("token");
	(void)refresh(2 * KUBE_SOURCE_TOKEN_MS);   /* said already */
	assert_string_equal(source.cred.token, "one");
	write_file("token", "two");
	(void)refresh(3 * KUBE_SOURCE_TOKEN_MS);
	assert_string_equal(source.cred.token, "two");
	remove_file("token");
	assert_int_equal(kube_source_refresh(&source,
	    at(4 * KUBE_SOURCE_TOKEN_MS), &change, &err), -1);
}

static void
test_a_refusal_reads_again_only_what_was_read_before_it(void **state)
{
	(void)state;
	write_file("token", "one");
	begin("", "tokenFile: token");
	write_file("token", "two");
	kube_source_refused(&source, at(1000), true);
	(void)refresh(1100);
	assert_string_equal(source.cred.token, "two");
	/* Another request of that time is refused as well: nothing new. */
	write_file("token", "three");
	kube_source_refused(&source, at(1000), true);
	(void)refresh(1200);
	assert_string_equal(source.cred.token, "two");
	kube_source_refused(&source, at(1300), true);
	(void)refresh(1400);
	assert_string_equal(source.cred.token, "three");
}

static void
test_a_changed_authority_ends_connections_after_five_minutes(void **state)
{
	(void)state;
	write_file("ca.pem", "-----BEGIN CERTIFICATE-----\n1\n");
	begin(", certificate-authority: ca.pem", "token: t");
	assert_int_equal(refresh(KUBE_SOURCE_FILES_MS), KUBE_SOURCE_SAME);
	write_file("ca.pem", "-----BEGIN CERTIFICATE-----\n2\n");
	assert_int_equal(refresh(KUBE_SOURCE_FILES_MS + 1),
	    KUBE_SOURCE_SAME);
	assert_int_equal(refresh(2 * KUBE_SOURCE_FILES_MS),
	    KUBE_SOURCE_NEW_TLS);
	assert_non_null(strstr(source.cred.ca_pem, "2"));
}

static void
test_a_kubeconfig_put_right_is_read_after_a_refusal(void **state)
{
	(void)state;
	begin("", "token: one");
	write_config("", "token: two");
	(void)refresh(10 * KUBE_SOURCE_FILES_MS);
	assert_string_equal(source.cred.token, "one");
	kube_source_refused(&source, at(10 * KUBE_SOURCE_FILES_MS), false);
	assert_int_equal(refresh(10 * KUBE_SOURCE_FILES_MS + 1),
	    KUBE_SOURCE_SAME);
	assert_string_equal(source.cred.token, "two");
}

#define PLUGIN "exec: {apiVersion: client.authentication.k8s.io/v1, " \
	"interactiveMode: Never, command: x}"

static void
plug(const char *token, uint64_t id, int64_t ms, int64_t until)
{
	struct exec_credential c = { .token = xstrdup(token),
		.expires_unix_ms = until };

	kube_digest(&source.cred, c.digest);
	(void)kube_source_plug(&source, &c, id, at(ms), ms);
	exec_credential_free(&c);
}

static void
test_a_plugin_is_asked_at_first_at_expiry_and_after_a_401(void **state)
{
	(void)state;
	begin("", PLUGIN);
	assert_true(kube_source_wants_plugin(&source, 1));
	assert_int_equal(kube_source_refused_id(&source), 0);
	plug("one", 7, 1000, 3000);
	assert_false(kube_source_wants_plugin(&source, 2999));
	assert_true(kube_source_wants_plugin(&source, 3000));
	plug("two", 8, 3000, 0);
	assert_false(kube_source_wants_plugin(&source, 1 << 30));
	/* Refused with the one before: nothing is known of this one. */
	kube_source_refused(&source, at(2000), true);
	assert_false(kube_source_wants_plugin(&source, 4000));
	kube_source_refused(&source, at(4000), false);
	assert_false(kube_source_wants_plugin(&source, 4000));
	kube_source_refused(&source, at(4000), true);
	assert_true(kube_source_wants_plugin(&source, 4000));
	assert_int_equal(kube_source_refused_id(&source), 8);
	/* Reading the kubeconfig again does not lose what the plugin gave. */
	(void)refresh(5000);
	assert_string_equal(source.cred.token, "two");
}

static enum kube_source_change
plug_for(const uint8_t *digest, uint64_t id)
{
	struct exec_credential c = { .token = xstrdup("foreign") };
	enum kube_source_change change;

	memcpy(c.digest, digest, sizeof(c.digest));
	change = kube_source_plug(&source, &c, id, at(0), 0);
	exec_credential_free(&c);
	return change;
}

static void
test_what_was_given_for_one_server_goes_to_no_other(void **state)
{
	uint8_t digest[KUBE_DIGEST_BYTES];

	(void)state;
	begin("", PLUGIN);
	kube_digest(&source.cred, digest);
	plug("one", 1, 0, 0);
	/* The kubeconfig names another server: what was plugged is dropped. */
	write_config(", tls-server-name: other", PLUGIN);
	kube_source_refused(&source, at(10), false);
	assert_int_equal(refresh(20), KUBE_SOURCE_NEW_TLS);
	assert_null(source.cred.token);
	assert_true(kube_source_wants_plugin(&source, 20));
	/* An answer that was made for the old one is not put in, and asked
	 * for as refused, once the kubeconfig was read again. */
	assert_int_equal(plug_for(digest, 2), KUBE_SOURCE_FOREIGN);
	assert_null(source.cred.token);
	assert_true(source.suspect);
	assert_true(kube_source_wants_plugin(&source, 20));
	(void)refresh(30);
	assert_int_equal(kube_source_refused_id(&source), 2);
	plug("two", 3, 40, 0);
	assert_string_equal(source.cred.token, "two");
	assert_int_equal(kube_source_refused_id(&source), 0);
}

static void
test_an_answer_newer_than_the_kubeconfig_known_is_taken_later(void **state)
{
	uint8_t digest[KUBE_DIGEST_BYTES];

	(void)state;
	begin("", PLUGIN);
	kube_digest(&source.cred, digest);
	begin("", "exec: {apiVersion: client.authentication.k8s.io/v1, "
	    "interactiveMode: Never, command: y}");
	write_config("", PLUGIN);
	assert_int_equal(plug_for(digest, 2), KUBE_SOURCE_FOREIGN);
	(void)refresh(10);
	/* Now it fits: the supervisor need not run it once more. */
	assert_int_equal(kube_source_refused_id(&source), 0);
	assert_int_equal(plug_for(digest, 2), KUBE_SOURCE_SAME);
}

static enum kube_source_change
plug_pair(const char *cert, uint64_t id)
{
	struct exec_credential c = { .token = xstrdup("t") };
	enum kube_source_change change;

	if (cert != NULL) {
		c.cert_pem = xstrdup(cert);
		c.key_pem = xstrdup("key");
	}
	kube_digest(&source.cred, c.digest);
	change = kube_source_plug(&source, &c, id, at(0), 0);
	exec_credential_free(&c);
	return change;
}

static void
test_a_plugins_certificate_outlives_the_kubeconfig_read_again(void **state)
{
	(void)state;
	begin("", PLUGIN);
	assert_int_equal(plug_pair("one", 1), KUBE_SOURCE_SAME);
	kube_source_refused(&source, at(10), false);
	assert_int_equal(refresh(20), KUBE_SOURCE_SAME);
	assert_string_equal(source.cred.client_cert_pem, "one");
	assert_string_equal(source.cred.client_key_pem, "key");
	assert_string_equal(source.cred.token, "t");
	assert_int_equal(plug_pair("one", 2), KUBE_SOURCE_SAME);
	assert_int_equal(plug_pair("two", 3), KUBE_SOURCE_NEW_TLS);
	/* The plugin asked is another: its certificate goes. */
	write_config("", "token: of-the-file");
	kube_source_refused(&source, at(30), false);
	assert_int_equal(refresh(40), KUBE_SOURCE_NEW_TLS);
	assert_null(source.cred.client_cert_pem);
	assert_string_equal(source.cred.token, "of-the-file");
}

static void
test_an_answer_without_a_certificate_drops_the_last_ones(void **state)
{
	(void)state;
	write_file("ca.pem", "-----BEGIN CERTIFICATE-----\n1\n");
	begin("", "client-certificate: ca.pem, client-key: ca.pem, " PLUGIN);
	assert_int_equal(plug_pair("one", 1), KUBE_SOURCE_SAME);
	assert_int_equal(plug_pair(NULL, 2), KUBE_SOURCE_NEW_TLS);
	assert_null(source.cred.client_cert_pem);
	assert_null(source.cred.client_key_pem);
	/* What the kubeconfig itself has is used again. */
	(void)refresh(10);
	assert_non_null(strstr(source.cred.client_cert_pem, "BEGIN"));
	assert_string_equal(source.cred.token, "t");
	assert_int_equal(plug_pair("one", 3), KUBE_SOURCE_NEW_TLS);
}

static void
test_a_long_lived_credential_is_replaced_a_little_early(void **state)
{
	(void)state;
	begin("", PLUGIN);
	plug("one", 1, 0, 3600000);
	assert_false(kube_source_wants_plugin(&source,
	    3600000 - EXEC_CREDENTIAL_EARLY_MS - 1));
	assert_true(kube_source_wants_plugin(&source,
	    3600000 - EXEC_CREDENTIAL_EARLY_MS));
}

static void
test_a_credential_crosses_a_sealed_memfd_unchanged(void **state)
{
	struct exec_credential c = { .expires_unix_ms = 5,
		.token = xstrdup("t"), .cert_pem = xstrdup("c"),
		.key_pem = xstrdup("k"), .digest = { 1, 2 } }, back;
	struct exec_credential_head head;
	int fd = exec_credential_memfd(&err);

	(void)state;
	assert_int_equal(exec_credential_read(fd, &back, &err), -1);
	assert_int_equal(exec_credential_write(fd, &c, &err), 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(exec_credential_head(fd, &head, &err), 0);
	assert_false(head.failed);
	assert_int_equal(head.expires_unix_ms, 5);
	assert_int_equal(exec_credential_read(fd, &back, &err), 0);
	assert_memory_equal(back.digest, c.digest, KUBE_DIGEST_BYTES);
	assert_string_equal(back.token, "t");
	assert_string_equal(back.cert_pem, "c");
	assert_string_equal(back.key_pem, "k");
	assert_null(back.error);
	exec_credential_free(&back);
	exec_credential_free(&c);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_token_file_is_read_again_after_fifty_seconds),
		T(test_the_last_good_token_serves_and_its_loss_is_told_once),
		T(test_a_refusal_reads_again_only_what_was_read_before_it),
		T(test_a_changed_authority_ends_connections_after_five_minutes),
		T(test_a_kubeconfig_put_right_is_read_after_a_refusal),
		T(test_a_plugin_is_asked_at_first_at_expiry_and_after_a_401),
		T(test_what_was_given_for_one_server_goes_to_no_other),
		T(test_an_answer_newer_than_the_kubeconfig_known_is_taken_later),
		T(test_a_plugins_certificate_outlives_the_kubeconfig_read_again),
		T(test_an_answer_without_a_certificate_drops_the_last_ones),
		T(test_a_long_lived_credential_is_replaced_a_little_early),
		T(test_a_credential_crosses_a_sealed_memfd_unchanged),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
