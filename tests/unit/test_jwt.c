/* jwt, with b64url: which tokens are good, and that all others are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "gateway/b64url.h"
#include "gateway/jwt.h"
#include "tests/unit/jwt_fixture.h"

#define ALL_KEYS "{\"keys\":[" JWT_OCT "," JWT_RSA "," JWT_EC "]}"

static struct jwks *
keys_of(const char *text)
{
	struct err err = { 0 };
	struct jwks *set = jwks_read(slice_str(text), &err);

	if (set == NULL)
		fail_msg("%s", err.text);
	return set;
}

static void
refused(const struct jwks *set, const char *token, const char *want)
{
	struct err err = { 0 };
	const struct jwks_key *key;
	json_t *claims = jwt_verify(slice_str(token), set, &key, &err);

	if (claims != NULL || strstr(err.text, want) == NULL)
		fail_msg("%.80s: \"%s\"; want \"%s\"", token, err.text, want);
}

static void
test_tokens_of_another_library_are_taken(void **state)
{
	static const char *const tokens[] = { JWT_TOKEN_HS256,
		JWT_TOKEN_RS256, JWT_TOKEN_ES256, JWT_TOKEN_NO_KID };
	struct jwks *set = keys_of(ALL_KEYS);
	const struct jwks_key *key;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < NELEM(tokens); i++) {
		json_t *claims = jwt_verify(slice_str(tokens[i]), set, &key,
		    &err);

		if (claims == NULL)
			fail_msg("%zu: %s", i, err.text);
		assert_ptr_equal(key, &set->keys[i % 3]);
		assert_string_equal(json_string_value(json_object_get(claims,
		    "sub")), "me");
		json_decref(claims);
	}
	jwks_free(set);
}

static void
test_what_is_forged_or_doubtful_is_refused(void **state)
{
	struct jwks *set = keys_of(ALL_KEYS);
	struct jwks *two = keys_of("{\"keys\":[" JWT_OCT "," JWT_OCT_2 "]}");

	(void)state;
	refused(set, JWT_TOKEN_NONE, "algorithm");
	refused(set, JWT_TOKEN_HS384, "algorithm");
	refused(set, JWT_TOKEN_SWAPPED, "no key of its algorithm");
	refused(set, JWT_TOKEN_PATH, "no key of its algorithm");
	refused(set, JWT_TOKEN_CRIT, "extension");
	refused(set, JWT_TOKEN_TWICE, "member twice");
	refused(set, JWT_TOKEN_HEAD_TWICE, "no JSON Web Token");
	refused(set, JWT_TOKEN_LIST, "no object");
	refused(set, JWT_TOKEN_OWN_KEY, "signature");
	refused(two, JWT_TOKEN_NO_KID, "no kid");
	refused(two, JWT_TOKEN_RS256, "no key of its algorithm");
	jwks_free(two);
	jwks_free(set);
}

static void
test_no_byte_of_a_token_can_be_another(void **state)
{
	static const char token[] = JWT_TOKEN_ES256;
	struct jwks *set = keys_of(ALL_KEYS);
	char *text = xstrdup(token);
	const struct jwks_key *key;
	json_t *claims;

	(void)state;
	for (size_t i = 0; i < sizeof(token) - 1; i++) {
		text[i] = token[i] == 'A' ? 'B' : 'A';
		claims = jwt_verify(slice_str(text), set, &key, NULL);
		if (claims != NULL)
			fail_msg("byte %zu", i);
		text[i] = token[i];
		claims = jwt_verify((struct slice){ text, i }, set, &key,
		    NULL);
		if (claims != NULL)
			fail_msg("cut at byte %zu", i);
	}
	free(text);
	jwks_free(set);
}

static void
test_what_is_no_token_is_refused(void **state)
{
	struct jwks *set = keys_of(ALL_KEYS);
	char *huge = xmalloc(JWT_BYTES_MAX + 2);

	(void)state;
	memset(huge, 'A', JWT_BYTES_MAX + 1);
	huge[JWT_BYTES_MAX + 1] = '\0';
	refused(set, huge, "8192 bytes");
	refused(set, "", "no JSON Web Token");
	refused(set, "..", "no JSON Web Token");
	refused(set, "a.b", "no JSON Web Token");
	refused(set, JWT_TOKEN_HS256 ".", "no JSON Web Token");
	refused(set, JWT_TOKEN_HS256 ".e30", "no JSON Web Token");
	refused(set, JWT_TOKEN_HS256 "=", "signature");
	refused(set, " " JWT_TOKEN_HS256, "no JSON Web Token");
	refused(set, "W10.e30.AA", "no JSON Web Token");
	free(huge);
	jwks_free(set);
}

static void
test_base64url_has_one_text_for_one_value(void **state)
{
	static const char *const bad[] = { "A", "AB", "AAB", "AA==", "A+AA",
		"A/AA", "AA A", "AAAAA" };
	static const char bytes[] = "any carnal bytes";
	struct buf text = BUF_EMPTY, back = BUF_EMPTY;

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		buf_reset(&text);
		buf_reset(&back);
		b64url_encode(&text, bytes, n);
		assert_true(b64url_decode((struct slice){ (char *)text.data,
		    text.len }, &back));
		assert_int_equal(back.len, n);
		assert_true(n == 0 || memcmp(back.data, bytes, n) == 0);
	}
	assert_string_equal(buf_cstr(&text), "YW55IGNhcm5hbCBieXRlcw");
	for (size_t i = 0; i < NELEM(bad); i++)
		if (b64url_decode(slice_str(bad[i]), &back))
			fail_msg("%s", bad[i]);
	assert_int_equal(back.len, sizeof(bytes) - 1);
	buf_free(&text);
	buf_free(&back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens_of_another_library_are_taken),
		cmocka_unit_test(test_what_is_forged_or_doubtful_is_refused),
		cmocka_unit_test(test_no_byte_of_a_token_can_be_another),
		cmocka_unit_test(test_what_is_no_token_is_refused),
		cmocka_unit_test(test_base64url_has_one_text_for_one_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
