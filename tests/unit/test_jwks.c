/* jwks: which keys a set gives, and what refuses it whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/b64url.h"
#include "gateway/jwks.h"
#include "tests/unit/jwt_fixture.h"

/* The example of RFC 7638, 3.1. */
#define RFC7638_N "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbf" \
	"AAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst" \
	"n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_F" \
	"DW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9" \
	"1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHa" \
	"Q-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

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
test_a_set_without_keys_is_one(void **state)
{
	struct jwks *set = good("{\"keys\":[]}");

	(void)state;
	assert_int_equal(set->n, 0);
	assert_null(jwks_find(set, JWKS_ES256, SLICE_NONE));
	jwks_free(set);
}

static void
test_what_is_no_whole_json_may_be_being_written(void **state)
{
	const struct { const char *text; int code; } tries[] = {
		{ "", EBADMSG }, { "{\"keys\":[", EBADMSG },
		{ "{\"keys\":7}", 0 }, { "{\"keys\":[7]}", 0 },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < NELEM(tries); i++) {
		err = (struct err){ 0 };
		assert_null(read_text(tries[i].text, &err));
		assert_int_equal(err.code, tries[i].code);
	}
}

/* A name or a use of a key does not make it another. */
static void
test_a_key_is_known_again_by_its_thumbprint(void **state)
{
	struct jwks *set = good("{\"keys\":[" JWT_OCT "," JWT_RSA ","
	    JWT_EC "]}");
	struct jwks *other = good("{\"keys\":[" JWT_OCT_2 "]}");
	struct jwks *rfc = good("{\"keys\":[{\"kty\":\"RSA\",\"n\":\""
	    RFC7638_N "\",\"e\":\"AQAB\",\"kid\":\"2011-04-29\"}]}");
	struct buf print = BUF_EMPTY;

	(void)state;
	for (size_t i = 0; i < set->n; i++)
		assert_true(jwks_has(set, set->keys[i].print));
	assert_false(jwks_has(set, other->keys[0].print));
	assert_false(jwks_has(other, set->keys[0].print));
	b64url_encode(&print, rfc->keys[0].print, JWKS_PRINT_SIZE);
	assert_string_equal(buf_cstr(&print),
	    "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	buf_free(&print);
	jwks_free(rfc);
	jwks_free(other);
	jwks_free(set);
}

/* libjose verifies with no longer one: every token would be refused. */
static void
test_a_secret_may_be_as_long_as_can_be_used(void **state)
{
	const struct { size_t n; const char *want; } tries[] = {
		{ 32, NULL }, { 1024, NULL },
		{ 1025, "1025 bytes, and at most 1024" },
	};
	struct buf text = BUF_EMPTY;
	uint8_t secret[1025];

	(void)state;
	memset(secret, 5, sizeof(secret));
	for (size_t i = 0; i < NELEM(tries); i++) {
		buf_reset(&text);
		buf_adds(&text, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"");
		b64url_encode(&text, secret, tries[i].n);
		buf_adds(&text, "\"}]}");
		if (tries[i].want != NULL)
			expect(buf_cstr(&text), tries[i].want);
		else
			jwks_free(good(buf_cstr(&text)));
	}
	buf_free(&text);
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
		cmocka_unit_test(test_a_set_without_keys_is_one),
		cmocka_unit_test(
		    test_what_is_no_whole_json_may_be_being_written),
		cmocka_unit_test(test_a_key_is_known_again_by_its_thumbprint),
		cmocka_unit_test(test_a_secret_may_be_as_long_as_can_be_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
