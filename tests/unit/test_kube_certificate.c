/* kube_certificate: what is wrong with one is said, and nobody is asked for a
 * passphrase. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/kube_certificate.h"
#include "common/kube_http.h"
#include "common/macros.h"

/* OpenSSL asks for the passphrase of a certificate as for that of a key. */
#define LOCKED(what) "-----BEGIN " what "-----\n" \
	"Proc-Type: 4,ENCRYPTED\n" \
	"DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n" \
	"AAAAAAAAAAAAAAAAAAAAAA==\n-----END " what "-----\n"

/* Made with openssl: self-signed, not after 2020-01-02. */
static char expired_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBADCBpgIBATAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAF4MB4XDTIwMDEwMTAw\n"
    "MDAwMFoXDTIwMDEwMjAwMDAwMFowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEG\n"
    "CCqGSM49AwEHA0IABJHHQMqFb7aDexBVR7X7kSiwhckNYIzBfoIg2AlQu7iroCNc\n"
    "QrkC+JunT5ThrJFjr1gCfKQWbiCH4j+HxerDN/IwCgYIKoZIzj0EAwIDSQAwRgIh\n"
    "AKgcYPaLC627qWpwwfgUXZVce5/u97/RsdthDJVJFVJqAiEAgLaRp6mZZEnEUwFO\n"
    "wyLlLqUIIiu+PKBaVYIwDDHBNzk=\n"
    "-----END CERTIFICATE-----\n";

static const char passphrase[] = "passphrase\n";
static int before;

/* Where there is no terminal OpenSSL would read standard input. */
static int
setup(void **unused UNUSED)
{
	int fds[2];

	before = dup(STDIN_FILENO);
	if (before < 0 || pipe(fds) != 0 ||
	    write(fds[1], passphrase, strlen(passphrase)) < 0)
		return -1;
	(void)close(fds[1]);
	if (dup2(fds[0], STDIN_FILENO) < 0)
		return -1;
	return close(fds[0]);
}

static int
teardown(void **unused UNUSED)
{
	(void)dup2(before, STDIN_FILENO);
	return close(before);
}

static void
nothing_was_asked(void)
{
	char text[64] = "";

	assert_int_equal(read(STDIN_FILENO, text, sizeof(text) - 1),
	    strlen(passphrase));
	assert_string_equal(text, passphrase);
}

static void
test_a_certificate_with_a_passphrase_is_refused_unasked(void **unused UNUSED)
{
	struct err err = { 0 };
	int64_t end;

	assert_int_equal(kube_certificate_check(LOCKED("CERTIFICATE"), "x",
	    &err), -1);
	assert_non_null(strstr(err.text, "not a PEM certificate"));
	assert_int_equal(kube_certificate_end(LOCKED("CERTIFICATE"), &end,
	    &err), -1);
	nothing_was_asked();
}

static void
test_a_key_with_a_passphrase_is_refused_unasked(void **unused UNUSED)
{
	struct err err = { 0 };

	assert_int_equal(kube_certificate_pair(expired_pem,
	    LOCKED("EC PRIVATE KEY"), &err), -1);
	assert_non_null(strstr(err.text, "passphrase"));
	nothing_was_asked();
}

static void
test_an_expired_client_certificate_is_named_with_its_date(void **state)
{
	struct kube_credentials c = { .server = (char *)(uintptr_t)"https://h",
		.client_cert_pem = expired_pem, .client_key_pem = expired_pem };
	struct curl_slist *headers = NULL;
	CURL *easy = curl_easy_init();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(kube_http_setup(easy, &c, "/", "application/json",
	    &headers, NULL, &err), -1);
	assert_non_null(strstr(err.text, "expired on 2020-01-02"));
	curl_slist_free_all(headers);
	curl_easy_cleanup(easy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_certificate_with_a_passphrase_is_refused_unasked),
		T(test_a_key_with_a_passphrase_is_refused_unasked),
		T(test_an_expired_client_certificate_is_named_with_its_date),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
