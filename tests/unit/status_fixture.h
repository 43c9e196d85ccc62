/*
 * What the tests of the status rules share: a table of objects (JSON text,
 * parsed as the watcher does) and verdicts, and the same object with every one
 * of its values wrong in every way. Whatever the object, the status must be
 * one the rest of Sluice can take: jansson reads it, its words are the kind's,
 * its fields have their names and types, and it tells truly when time alone
 * will change it.
 */
#ifndef SLUICE_STATUS_FIXTURE_H
#define SLUICE_STATUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/macros.h"
#include "common/mono.h"
#include "watcher/status/rules.h"

#define CREATED "2026-01-01T00:00:00Z"
#define SECOND  INT64_C(1000)
#define MINUTE  (60 * SECOND)
#define DAY     (24 * 60 * MINUTE)

#define FUTURES_MAX 4u   /* as many as the inventory keeps of an object */

/* A condition of an object. */
#define CONDITION(type, status, reason) "{\"type\":\"" type "\"," \
	"\"status\":\"" status "\",\"reason\":\"" reason "\"," \
	"\"message\":\"m\"}"
#define CONDITIONS(list) "\"conditions\":[" list "]"
#define DELETING ",\"deletionTimestamp\":\"2026-01-02T00:00:00Z\""

struct status_case {
	const char	*name;     /* a sentence */
	const char	*meta;     /* more members of metadata, ",..." */
	const char	*spec;     /* members; NULL: there is no spec */
	const char	*status;   /* members; NULL: there is no status */
	int64_t		 at_ms;    /* when, since creation */
	const char	*state;
	enum kube_health health;
	const char	*reason;
	const char	*message;  /* NULL: not looked at */
	int64_t		 again_ms; /* since creation, 0: never */
	const char	*fields;   /* members, NULL: not looked at */
};

struct status_field {
	const char	*name;
	char		 type;     /* 'i' number, 't' text, 'o' 'i' or none */
};

struct status_kind {
	kube_status_rule	 rule;
	const char		*words[6];
	struct status_field	 fields[6];
};

static UNUSED int64_t
status_created(void)
{
	int64_t ms;

	assert_true(wall_parse(CREATED, strlen(CREATED), &ms));
	return ms;
}

/* --- one verdict ---------------------------------------------------------- */

static void
status_check_fields(const struct status_kind *k, const char *text,
    json_t *root)
{
	static const char *const common[] = { "state", "health", "reason",
		"message" };
	const struct status_field *f;
	json_t *value;
	size_t i, n = 0;

	for (i = 0; i < NELEM(common); i++) {
		value = json_object_get(root, common[i]);
		if (value != NULL ? !json_is_string(value) : i != 2)
			fail_msg("%s in %s", common[i], text);
		n += value != NULL ? 1 : 0;
	}
	for (f = k->fields; f->name != NULL; f++) {
		value = json_object_get(root, f->name);
		if (value == NULL ? f->type != 'o' : f->type == 't' ?
		    !json_is_string(value) : !json_is_integer(value))
			fail_msg("%s in %s", f->name, text);
		n += value != NULL ? 1 : 0;
	}
	if (json_object_size(root) != n)
		fail_msg("fields nobody knows: %s", text);
}

/* The status as JSON (to be freed), with all that must hold of any. */
static char *
status_judge(const struct status_kind *k, const struct kube_object *o,
    int64_t now, struct kube_status *ret)
{
	struct buf out = BUF_EMPTY;
	json_error_t error;
	json_t *root;
	char *text;
	size_t i;

	*ret = (struct kube_status){ 0 };
	k->rule(o, now, ret);
	kube_status_json(&out, ret);
	text = buf_cstr(&out);
	root = json_loads(text, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
	    &error);
	if (root == NULL)
		fail_msg("%s: %s", error.text, text);
	status_check_fields(k, text, root);
	json_decref(root);
	for (i = 0; k->words[i] != NULL; i++)
		if (strcmp(k->words[i], ret->state) == 0)
			break;
	if (k->words[i] == NULL)
		fail_msg("the kind has no word %s", ret->state);
	if (ret->again_unix_ms != 0 && ret->again_unix_ms <= now)
		fail_msg("to be judged again in the past: %s", text);
	return text;
}

/* A rule that names a time must say the same until then and another thing
 * from then on, and name no more times than the inventory keeps. */
static void
status_check_future(const struct status_kind *k, const struct kube_object *o,
    const char *text, int64_t again)
{
	struct kube_status s;
	char *before = status_judge(k, o, again - 1, &s), *after;
	unsigned n;

	assert_string_equal(before, text);
	assert_int_equal(s.again_unix_ms, again);
	free(before);
	after = status_judge(k, o, again, &s);
	assert_string_not_equal(after, text);
	free(after);
	for (n = 1; s.again_unix_ms != 0; n++) {
		assert_in_range(n, 1, FUTURES_MAX - 1);
		free(status_judge(k, o, s.again_unix_ms, &s));
	}
}

/* --- tables --------------------------------------------------------------- */

static char *
status_object_text(const struct status_case *c)
{
	struct buf b = BUF_EMPTY;

	buf_addf(&b, "{\"metadata\":{\"name\":\"x\",\"namespace\":\"n\","
	    "\"uid\":\"u\",\"creationTimestamp\":\"%s\"%s}", CREATED,
	    c->meta != NULL ? c->meta : "");
	if (c->spec != NULL)
		buf_addf(&b, ",\"spec\":{%s}", c->spec);
	if (c->status != NULL)
		buf_addf(&b, ",\"status\":{%s}", c->status);
	buf_addc(&b, '}');
	return buf_cstr(&b);
}

static void
status_compare_fields(const struct status_case *c, const char *text)
{
	json_t *got = json_loads(text, JSON_ALLOW_NUL, NULL), *want;
	struct buf b = BUF_EMPTY;

	buf_addf(&b, "{%s}", c->fields);
	want = json_loads(buf_cstr(&b), 0, NULL);
	assert_non_null(got);
	assert_non_null(want);
	(void)json_object_del(got, "state");
	(void)json_object_del(got, "health");
	(void)json_object_del(got, "reason");
	(void)json_object_del(got, "message");
	if (!json_equal(got, want))
		fail_msg("%s: %s", c->name, text);
	json_decref(got);
	json_decref(want);
	buf_free(&b);
}

static void
status_check_case(const struct status_kind *k, const struct status_case *c)
{
	char *object = status_object_text(c), *text;
	int64_t created = status_created();
	struct kube_status s;
	struct kube_object o;
	struct err err = { 0 };

	if (kube_object_parse(slice_str(object), &o, &err) < 0)
		fail_msg("%s: %s: %s", c->name, err.text, object);
	text = status_judge(k, &o, created + c->at_ms, &s);
	if (strcmp(s.state, c->state) != 0 || s.health != c->health ||
	    strcmp(s.reason, c->reason) != 0 || (c->message != NULL &&
	    strcmp(s.message, c->message) != 0))
		fail_msg("%s: %s", c->name, text);
	if (s.again_unix_ms != (c->again_ms != 0 ? created + c->again_ms : 0))
		fail_msg("%s: again %lld ms after its creation", c->name,
		    (long long)(s.again_unix_ms - created));
	if (s.again_unix_ms != 0)
		status_check_future(k, &o, text, s.again_unix_ms);
	if (c->fields != NULL)
		status_compare_fields(c, text);
	free(text);
	free(object);
}

static UNUSED void
status_check_table(const struct status_kind *k, const struct status_case *c,
    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		status_check_case(k, &c[i]);
}

/* --- wrong values --------------------------------------------------------- */

/* Stands in an object for the value under test: numbers that jansson cannot
 * hold are among those. */
#define STATUS_MARK "@value@"

static const char *const status_odd_values[] = {
	"null", "true", "false", "0", "1", "-1", "-0", "1.5", "1e400",
	"2147483647", "2147483648", "-2147483649", "9223372036854775807",
	"-9223372036854775808", "123456789012345678901234567890",
	"\"\"", "\"x\"", "\"3\"", "\"True\"", "\"-1\"", "\"\\u0000\"",
	"\"a\\u0000b\\\"\\\\\\n\\u2028\\ud83d\\ude00\"",
	"\"0000-01-01T00:00:00Z\"", "\"9999-12-31T23:59:59.999999999Z\"",
	"[]", "[null]", "[[]]", "[1,\"x\",true,{},[{}]]", "{}",
	"{\"a\":{\"b\":[]}}", "[{\"type\":\"Stalled\",\"status\":\"True\"}]",
	"[{\"type\":1,\"status\":[],\"reason\":{},\"message\":null}]",
};

static void
status_check_text(const struct status_kind *k, const char *object)
{
	const int64_t created = status_created();
	const int64_t when[] = { INT64_MIN, 0, created, created + 10 * MINUTE,
		created + DAY, INT64_MAX };
	struct kube_object o;
	struct kube_status s;
	struct err err = { 0 };
	char *text;
	size_t i;

	/* Its identity may be refused; that is no matter of the rule. */
	if (kube_object_parse(slice_str(object), &o, &err) < 0)
		return;
	for (i = 0; i < NELEM(when); i++) {
		text = status_judge(k, &o, when[i], &s);
		if (s.again_unix_ms != 0)
			status_check_future(k, &o, text, s.again_unix_ms);
		free(text);
	}
}

/* The object with another value, as raw JSON, in the place of the mark. */
static void
status_check_value(const struct status_kind *k, const char *object,
    const char *value)
{
	const char *mark = "\"" STATUS_MARK "\"", *at = strstr(object, mark);
	struct buf b = BUF_EMPTY;

	assert_non_null(at);
	buf_add(&b, object, (size_t)(at - object));
	buf_adds(&b, value);
	buf_adds(&b, at + strlen(mark));
	status_check_text(k, buf_cstr(&b));
	buf_free(&b);
}

static void
status_check_values(const struct status_kind *k, json_t *root)
{
	char *object = json_dumps(root, JSON_COMPACT), *many;
	size_t i;

	assert_non_null(object);
	for (i = 0; i < NELEM(status_odd_values); i++)
		status_check_value(k, object, status_odd_values[i]);
	/* Longer than any limit, and longer still when it is escaped. */
	many = malloc(6002 + 1);
	assert_non_null(many);
	for (i = 0; i < 1000; i++)
		memcpy(many + 1 + 6 * i, "\\u0001", 6);
	many[0] = many[6001] = '"';
	many[6002] = '\0';
	status_check_value(k, object, many);
	memset(many + 1, 'l', 6000);
	status_check_value(k, object, many);
	free(many);
	free(object);
}

static void
status_check_without(const struct status_kind *k, json_t *root)
{
	char *object = json_dumps(root, JSON_COMPACT);

	assert_non_null(object);
	status_check_text(k, object);
	free(object);
}

static void
status_walk(const struct status_kind *k, json_t *root, json_t *at);

static void
status_walk_array(const struct status_kind *k, json_t *root, json_t *at)
{
	json_t *one;
	size_t i;

	for (i = 0; i < json_array_size(at); i++) {
		one = json_incref(json_array_get(at, i));
		status_walk(k, root, one);
		(void)json_array_set_new(at, i, json_string(STATUS_MARK));
		status_check_values(k, root);
		(void)json_array_remove(at, i);
		status_check_without(k, root);
		(void)json_array_insert_new(at, i, one);
	}
}

/* The names are copied first: a member that returns stands at the end. */
static void
status_walk_object(const struct status_kind *k, json_t *root, json_t *at)
{
	json_t *names = json_array(), *one;
	const char *name;
	size_t i;

	json_object_foreach(at, name, one)
		(void)json_array_append_new(names, json_string(name));
	for (i = 0; i < json_array_size(names); i++) {
		name = json_string_value(json_array_get(names, i));
		one = json_incref(json_object_get(at, name));
		status_walk(k, root, one);
		(void)json_object_set_new(at, name, json_string(STATUS_MARK));
		status_check_values(k, root);
		(void)json_object_del(at, name);
		status_check_without(k, root);
		(void)json_object_set_new(at, name, one);
	}
	json_decref(names);
}

/* Each value below `at` in turn, containers too: wrong, then missing. */
static void
status_walk(const struct status_kind *k, json_t *root, json_t *at)
{
	if (json_is_array(at))
		status_walk_array(k, root, at);
	else if (json_is_object(at))
		status_walk_object(k, root, at);
}

/* `object`: metadata, spec and status with all that the rule reads. */
static UNUSED void
status_check_wrong_values(const struct status_kind *k, const char *object)
{
	json_error_t error;
	json_t *root = json_loads(object, 0, &error);

	if (root == NULL)
		fail_msg("%s: %s", error.text, object);
	status_check_text(k, object);
	status_walk(k, root, root);
	json_decref(root);
}

#define STATUS_META "\"metadata\":{\"name\":\"x\",\"namespace\":\"n\"," \
	"\"uid\":\"u\",\"generation\":2,\"creationTimestamp\":\"" CREATED "\"}"

#endif
