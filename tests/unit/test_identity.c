/* identity and grants: what claims are worth, and what patterns cover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/identity.h"

#define NOW 1000000   /* ms */

static const struct identity_rules rules = { "https://issuer", "sluice" };

static struct identity *
of(const char *text, struct err *err)
{
	json_t *claims = json_loads(text, 0, NULL);
	struct identity *id;

	assert_non_null(claims);
	id = identity_of_claims(claims, &rules, NOW, err);
	json_decref(claims);
	return id;
}

/* The rest of the claims is good. */
static void
expect(const char *text, const char *want)
{
	struct err err = { 0 };
	struct identity *id = of(text, &err);

	if (want == NULL && id == NULL)
		fail_msg("%s: %s", text, err.text);
	if (want != NULL && (id != NULL || strstr(err.text, want) == NULL))
		fail_msg("%s: \"%s\"; want \"%s\"", text, err.text, want);
	identity_unref(id);
}

#define REST "\"iss\":\"https://issuer\",\"aud\":\"sluice\""
#define GOOD REST ",\"exp\":1060"

static void
test_times_are_kept_to_the_second(void **state)
{
	(void)state;
	expect("{" REST ",\"exp\":1001}", NULL);
	expect("{" REST ",\"exp\":1000.5}", NULL);
	expect("{" REST ",\"exp\":1000}", "expired");
	expect("{" REST ",\"exp\":999}", "expired");
	expect("{" REST "}", "no exp");
	expect("{" REST ",\"exp\":\"1060\"}", "exp must be a number");
	expect("{" REST ",\"exp\":null}", "exp must be a number");
	expect("{" REST ",\"exp\":1e300}", "exp must be a number");
	expect("{" REST ",\"exp\":-1}", "exp must be a number");
	expect("{" GOOD ",\"nbf\":1030}", NULL);
	expect("{" GOOD ",\"nbf\":1031}", "not valid yet");
	expect("{" GOOD ",\"nbf\":\"0\"}", "nbf must be a number");
	expect("{" GOOD ",\"iat\":1030}", NULL);
	expect("{" GOOD ",\"iat\":1031}", "(iat)");
}

static void
test_issuer_and_audience_are_compared_whole(void **state)
{
	(void)state;
	expect("{\"exp\":1060,\"iss\":\"https://issuer\","
	    "\"aud\":[\"other\",\"sluice\"]}", NULL);
	expect("{\"exp\":1060,\"iss\":\"https://issuer\"}", "audience");
	expect("{\"exp\":1060,\"iss\":\"https://issuer\","
	    "\"aud\":\"sluice2\"}", "audience");
	expect("{\"exp\":1060,\"iss\":\"https://issuer\","
	    "\"aud\":[[\"sluice\"]]}", "audience");
	expect("{\"exp\":1060,\"iss\":\"https://issuer\",\"aud\":[]}",
	    "audience");
	expect("{\"exp\":1060,\"aud\":\"sluice\"}", "issuer");
	expect("{\"exp\":1060,\"aud\":\"sluice\","
	    "\"iss\":\"https://issuer/\"}", "issuer");
	expect("{\"exp\":1060,\"aud\":\"sluice\","
	    "\"iss\":[\"https://issuer\"]}", "issuer");
}

static void
test_a_grant_that_is_misread_refuses_the_token(void **state)
{
	(void)state;
	expect("{" GOOD ",\"sluice\":[]}", "must be an object");
	expect("{" GOOD ",\"sluice\":{\"admin\":1}}", "true or false");
	expect("{" GOOD ",\"sluice\":{\"admin\":\"true\"}}", "true or false");
	expect("{" GOOD ",\"sluice\":{\"tenant\":\"\"}}", "tenant");
	expect("{" GOOD ",\"sluice\":{\"tenant\":\"a/b\"}}", "tenant");
	expect("{" GOOD ",\"sluice\":{\"tenant\":\"-a\"}}", "tenant");
	expect("{" GOOD ",\"sluice\":{\"tenant\":7}}", "tenant");
	expect("{" GOOD ",\"sluice\":{\"subscribe\":\"job:*\"}}",
	    "subscribe must be a list");
	expect("{" GOOD ",\"sluice\":{\"subscribe\":[\"job:*\",\"jo*\"]}}",
	    "sluice.subscribe[1]: ");
	expect("{" GOOD ",\"sluice\":{\"publish\":[null]}}",
	    "sluice.publish[0] must be a text");
	expect("{" GOOD ",\"sub\":7}", "sub must be a text");
}

static void
test_claims_become_an_identity(void **state)
{
	struct err err = { 0 };
	struct identity *id = of("{" GOOD ",\"sub\":\"me\",\"iat\":990,"
	    "\"sluice\":{\"tenant\":\"acme\",\"subscribe\":[\"job:*\"],"
	    "\"publish\":[\"job:a\"],\"admin\":true}}", &err);

	(void)state;
	if (id == NULL)
		fail_msg("%s", err.text);
	assert_string_equal(id->tenant, "acme");
	assert_string_equal(id->subject, "me");
	assert_true(id->admin);
	assert_int_equal(id->expires_unix_ms, 1060000);
	assert_int_equal(id->issued_unix_ms, 990000);
	assert_false(identity_expired(id, 1059999));
	assert_true(identity_expired(id, 1060000));
	assert_true(grants_cover(&id->publish, slice_str("job:a")));
	assert_false(grants_cover(&id->publish, slice_str("job:b")));
	identity_unref(identity_ref(id));
	identity_unref(id);
	id = of("{" GOOD "}", &err);
	assert_non_null(id);
	assert_string_equal(id->tenant, "-");
	assert_false(id->admin);
	assert_false(grants_cover(&id->subscribe, slice_str("job:a")));
	identity_unref(id);
}

static void
test_patterns_cover_what_they_say_and_no_more(void **state)
{
	static const struct {
		const char *pattern, *selector;
		bool covers;
	} rows[] = {
		{ "*", "job:a", true },
		{ "*", "job:*", true },
		{ "job:a", "job:a", true },
		{ "job:a", "job:ab", false },
		{ "job:a", "job:*", false },
		{ "job:*", "job:a", true },
		{ "job:*", "job:*", true },
		{ "job:*", "job:a/*", true },
		{ "job:*", "run:a", false },
		{ "resource:prod/*", "resource:prod/pod/x/y", true },
		{ "resource:prod/*", "resource:prod/pod/*", true },
		{ "resource:prod/*", "resource:prod/*", true },
		{ "resource:prod/*", "resource:prod", false },
		{ "resource:prod/*", "resource:prod2/pod/x/y", false },
		{ "resource:prod/*", "resource:*", false },
		{ "resource:prod/pod/*", "resource:prod/*", false },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++) {
		struct grants g = { NULL, 0 };

		assert_int_equal(grants_add(&g, slice_str(rows[i].pattern),
		    NULL), 0);
		if (grants_cover(&g, slice_str(rows[i].selector)) !=
		    rows[i].covers)
			fail_msg("%s, %s", rows[i].pattern, rows[i].selector);
		grants_clear(&g);
	}
}

static void
test_patterns_are_as_many_as_there_may_be(void **state)
{
	struct grants g = { NULL, 0 };
	struct err err;

	(void)state;
	assert_false(grants_cover(&g, slice_str("job:a")));
	for (size_t i = 0; i < GRANTS_MAX; i++)
		assert_int_equal(grants_add(&g, slice_str("job:a"), &err), 0);
	assert_int_equal(grants_add(&g, slice_str("job:a"), &err), -1);
	grants_clear(&g);
	assert_int_equal(grants_add(&g, slice_str("job*"), &err), -1);
	assert_int_equal(grants_add(&g, slice_str(""), &err), -1);
	assert_int_equal(grants_add(&g, slice_str("**"), &err), -1);
	assert_int_equal(g.n, 0);
}

static void
expect_source(const char *subject, const char *want)
{
	struct identity id = { .subject = (char *)(uintptr_t)subject };
	struct buf b = BUF_EMPTY;

	identity_source(&id, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void
test_the_source_of_events_is_the_subject_as_a_uri_has_it(void **state)
{
	static char longest[IDENTITY_SUBJECT_MAX + 1];

	(void)state;
	expect_source("w-17", "/publisher/w-17");
	expect_source("a b/\"\xc3\xa9", "/publisher/a%20b%2F%22%C3%A9");
	expect_source("", "/publisher");
	memset(longest, 'x', 245);
	assert_int_equal(strlen(longest) + strlen("/publisher/"),
	    IDENTITY_SOURCE_MAX);
	longest[0] = '/';
	expect_source(longest, "/publisher");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_source_of_events_is_the_subject_as_a_uri_has_it),
		cmocka_unit_test(test_times_are_kept_to_the_second),
		cmocka_unit_test(test_issuer_and_audience_are_compared_whole),
		cmocka_unit_test(test_a_grant_that_is_misread_refuses_the_token),
		cmocka_unit_test(test_claims_become_an_identity),
		cmocka_unit_test(test_patterns_cover_what_they_say_and_no_more),
		cmocka_unit_test(test_patterns_are_as_many_as_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
