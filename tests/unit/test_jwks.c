/* jwks: which keys a set gives, and what refuses it whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/jwks.h"
#include "tests/unit/jwt_fixture.h"

static struct jwks *
read_text(const char *text, struct err *err)
{
	return jwks_read(slice_str(text), err);
}

static struct jwks *
good(const char *text)
{
	struct err err = { 0 };
	struct jwks *set = read_text(text, &err);

	if (set == NULL) {
		print_error("%s\n", err.text);
		abort();
	}
	return set;
}

/* Refused, with this in the text, and without the secret. */
static void
expect(const char *text, const char *want)
{
	struct err err = { 0 };
	struct jwks *set = read_text(text, &err);

	if (set != NULL || strstr(err.text, want) == NULL)
		fail_msg("%.60s: \"%s\"; want \"%s\"", text, err.text, want);
	assert_null(strstr(err.text, "c2hvcnQ"));
}

static void
test_each_kind_of_key_has_its_one_algorithm(void **state)
{
	struct jwks *set = good("{\"keys\":[" JWT_OCT "," JWT_RSA ","
	    JWT_EC "]}");

	(void)state;
	assert_int_equal(set->n, 3);
	assert_true(set->secret);
	assert_ptr_equal(jwks_find(set, JWKS_HS256, slice_str("secret")),
	    &set->keys[0]);
	assert_ptr_equal(jwks_find(set, JWKS_RS256, slice_str("rsa")),
	    &set->keys[1]);
	assert_ptr_equal(jwks_find(set, JWKS_ES256, slice_str("ec")),
	    &set->keys[2]);
	/* A public key is never a secret, whatever a token says. */
	assert_null(jwks_find(set, JWKS_HS256, slice_str("rsa")));
	assert_null(jwks_find(set, JWKS_RS256, slice_str("ec")));
	assert_null(jwks_find(set, JWKS_ES256, slice_str("../ec")));
	jwks_free(set);
}

static void
test_without_a_name_only_the_one_key_of_an_algorithm_is_meant(void **state)
{
	struct jwks *set = good("{\"keys\":[" JWT_OCT "," JWT_OCT_2 ","
	    JWT_EC "]}");

	(void)state;
	assert_null(jwks_find(set, JWKS_HS256, SLICE_NONE));
	assert_non_null(jwks_find(set, JWKS_ES256, SLICE_NONE));
	assert_null(jwks_find(set, JWKS_RS256, SLICE_NONE));
	jwks_free(set);
}

static void
test_keys_for_other_things_are_left_out(void **state)
{
	struct jwks *set = good("{\"keys\":[" JWT_EC ","
	    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"},"
	    "{\"kty\":\"RSA\",\"alg\":\"PS256\",\"n\":\"AAAA\",\"e\":\"AQAB\"},"
	    "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"AAAA\",\"e\":\"AQAB\"},"
	    "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AAAA\",\"y\":\"AAAA\"},"
	    "{\"kty\":\"oct\",\"key_ops\":[\"encrypt\"],\"k\":\"AAAA\"}]}");

	(void)state;
	assert_int_equal(set->n, 1);
	assert_int_equal(set->others, 5);
	assert_false(set->secret);
	jwks_free(set);
	expect("{\"keys\":[{\"kty\":\"OKP\"}]}", "no key for HS256");
}

static void
test_a_bad_key_refuses_the_set_and_says_which(void **state)
{
	(void)state;
	expect("", "is empty");
	expect("{\"keys\":", "line 1");
	expect("[]", "no JSON Web Key Set");
	expect("{\"keys\":[],\"keys\":[]}", "is no JSON");
	expect("{\"keys\":[7]}", "keys[0]: it must be an object");
	expect("{\"keys\":[" JWT_EC "," JWT_EC "]}", "keys[1]: its kid is "
	    "that of another");
	expect("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}]}",
	    "5 bytes, and HS256 needs at least 32");
	expect("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ=\"}]}",
	    "no base64url");
	expect("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\","
	    "\"d\":\"AAAA\"}]}", "private key");
	expect("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\","
	    "\"y\":\"AAAA\"}]}", "no EC key");
	expect("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" JWT_RSA_1024 "\","
	    "\"e\":\"AQAB\"}]}", "1024 bits");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind_of_key_has_its_one_algorithm),
		cmocka_unit_test(
		    test_without_a_name_only_the_one_key_of_an_algorithm_is_meant),
		cmocka_unit_test(test_keys_for_other_things_are_left_out),
		cmocka_unit_test(test_a_bad_key_refuses_the_set_and_says_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
