/* key_name: names in the keys of streams, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/event.h"
#include "common/key_name.h"
#include "common/macros.h"
#include "watcher/kube_object.h"

static void
test_what_a_key_admits_stays_as_it_is(void **state)
{
	static const char *const names[] = { "web-0", "a.b.c", "system:node",
		"A_b", "0" };
	char buf[KEY_NAME_SIZE];
	struct slice key;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(names); i++) {
		key = key_name_make(slice_str(names[i]), buf);
		assert_ptr_equal(key.p, names[i]);
		assert_true(slice_is(key, names[i]));
	}
}

static void
test_every_other_character_is_escaped_and_comes_back(void **state)
{
	static const struct {
		const char	*name, *key;
	} cases[] = {
		{ "a@b", "a~40b" }, { "*", "~2A" }, { "a b", "a~20b" },
		{ "~", "~7E" }, { "~40", "~7E40" }, { "x\n", "x~0A" },
		{ "\xc3\xa9", "~C3~A9" }, { "<a&\"b\\>", "~3Ca~26~22b~5C~3E" },
	};
	char buf[KEY_NAME_SIZE];
	struct buf shown = BUF_EMPTY, wanted = BUF_EMPTY;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		assert_true(slice_is(key_name_make(slice_str(cases[i].name),
		    buf), cases[i].key));
		buf_reset(&shown);
		buf_reset(&wanted);
		key_name_show(&shown, slice_str(cases[i].key));
		buf_json_text(&wanted, cases[i].name, strlen(cases[i].name));
		assert_string_equal(buf_cstr(&shown), buf_cstr(&wanted));
	}
	buf_free(&shown);
	buf_free(&wanted);
}

/* Contract 2, by the code that enforces it; and no two have the same key. */
static void
test_each_byte_gives_a_key_of_its_own_that_the_contract_admits(void **state)
{
	char buf[KEY_NAME_SIZE], key[64], all[256][8], c;
	struct slice s;
	int i, j, n;

	(void)state;
	for (i = 1; i < 256; i++) {
		c = (char)i;
		s = key_name_make((struct slice){ &c, 1 }, buf);
		assert_int_equal(s.p == NULL, c == '/');
		(void)snprintf(all[i], sizeof(all[i]), "%.*s", (int)s.n,
		    s.p == NULL ? "" : s.p);
		n = snprintf(key, sizeof(key), "resource:prod/things/%s",
		    all[i]);
		assert_true(c == '/' || stream_key_check((struct slice){ key,
		    (size_t)n }, NULL, NULL) == 0);
		for (j = 1; j < i; j++)
			assert_string_not_equal(all[i], all[j]);
	}
}

static void
test_a_name_that_no_key_can_hold_gives_none(void **state)
{
	char name[KEY_NAME_MAX + 2], buf[KEY_NAME_SIZE];

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_non_null(key_name_make((struct slice){ name, KEY_NAME_MAX },
	    buf).p);
	assert_null(key_name_make((struct slice){ name, KEY_NAME_MAX + 1 },
	    buf).p);
	/* 250 and 3 bytes; one more is too much. */
	name[0] = '@';
	assert_int_equal(key_name_make((struct slice){ name, 251 }, buf).n,
	    KEY_NAME_MAX);
	assert_null(key_name_make((struct slice){ name, 252 }, buf).p);
	assert_null(key_name_make(slice_str(""), buf).p);
	assert_null(key_name_make(slice_str("a/b"), buf).p);
	assert_null(key_name_make((struct slice){ "a\0b", 3 }, buf).p);
}

static void
test_names_in_json_are_read_with_their_escapes(void **state)
{
	char buf[KEY_NAME_SIZE], json[KEY_NAME_MAX + 10];

	(void)state;
	assert_true(slice_is(kube_object_name(slice_str("\"web-0\""), buf),
	    "web-0"));
	assert_true(slice_is(kube_object_name(slice_str("\"a\\u003cb\""), buf),
	    "a~3Cb"));
	assert_true(slice_is(kube_object_name(slice_str("\"\\u0041\""), buf),
	    "A"));
	assert_null(kube_object_name(slice_str("\"a\\u0000\""), buf).p);
	assert_null(kube_object_name(slice_str("7"), buf).p);
	assert_null(kube_object_name(SLICE_NONE, buf).p);
	/* What does not fit is not cut. */
	memset(json, 'a', sizeof(json));
	json[0] = json[sizeof(json) - 1] = '"';
	memcpy(json + 1, "\\n", 2);
	assert_null(kube_object_name((struct slice){ json, sizeof(json) },
	    buf).p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_key_admits_stays_as_it_is),
		cmocka_unit_test(
		    test_every_other_character_is_escaped_and_comes_back),
		cmocka_unit_test(
		    test_each_byte_gives_a_key_of_its_own_that_the_contract_admits),
		cmocka_unit_test(test_a_name_that_no_key_can_hold_gives_none),
		cmocka_unit_test(
		    test_names_in_json_are_read_with_their_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
