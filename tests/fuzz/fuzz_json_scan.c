/*
 * fuzz_json_scan: json_scan against jansson, in every way of json_block: the
 * same texts are accepted, every slice of a wanted member, at its place in the
 * tree, means what jansson's tree has there, and so does every item of an
 * array. The same bytes go through list_stream, whole and in pieces, which
 * must find the items of a list that jansson finds, and through kube_object.
 *
 * Deliberate differences, each asserted to be no more than that:
 * - nesting deeper than JSON_SCAN_DEPTH_MAX is refused (jansson: 2048);
 * - numbers are never refused for their size; jansson refuses reals beyond a
 *   double (integers beyond int64 are made real for both sides here);
 * - a name with \u0000 in it is accepted; jansson refuses it, values may have;
 * - a NUL byte outside of strings is refused; jansson ends there.
 * None is made of members named twice: for both the last counts. list_stream
 * knows `items` by its plain spelling only, and takes each of two.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/json_block.h"
#include "common/json_text.h"
#include "common/list_stream.h"
#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/kube_object.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLAGS (JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL)
#define SLOTS 6u
#define LONG  256u   /* a longer text goes one way only: more texts a second */

#define CHECK(x) do { if (!(x)) abort(); } while (0)

/* --- json_scan ------------------------------------------------------------ */

static const struct json_want wants_x[] = { { "x", 3, NULL, 0 },
	{ "a", 4, NULL, 0 } };
static const struct json_want wants_m[] = { { "m", 5, wants_x, 2 },
	{ "name", 2, NULL, 0 } };
static const struct json_want wants[] = { { "a", 0, NULL, 0 },
	{ "b", 1, NULL, 0 }, { "m", -1, wants_m, 2 } };

/* The tree's value of each slot. */
static void
find_values(const json_t *root, json_t *ret[SLOTS])
{
	json_t *m = json_object_get(root, "m"), *inner;

	inner = json_object_get(m, "m");
	ret[0] = json_object_get(root, "a");
	ret[1] = json_object_get(root, "b");
	ret[2] = json_object_get(m, "name");
	ret[3] = json_object_get(inner, "x");
	ret[4] = json_object_get(inner, "a");
	ret[5] = inner;
}

/* The text of a string, resolved by both. */
static void
compare_text(struct slice raw, json_t *value)
{
	size_t n = json_string_length(value);
	struct slice plain = json_scan_text(raw);
	char *buf = malloc(raw.n);

	CHECK(buf != NULL && json_text_unescape(raw, buf, raw.n) == n &&
	    memcmp(buf, json_string_value(value), n) == 0);
	if (plain.p != NULL)
		CHECK(slice_eq(plain, (struct slice){ buf, n }));
	free(buf);
}

static void
compare(struct slice slice, json_t *value)
{
	const char *cursor = NULL;
	struct slice item;
	json_t *mine;
	size_t i = 0;

	CHECK((slice.p == NULL) == (value == NULL));
	if (slice.p == NULL)
		return;
	mine = json_loadb(slice.p, slice.n, FLAGS, NULL);
	CHECK(mine != NULL && json_equal(mine, value));
	json_decref(mine);
	CHECK(json_scan_true(slice) == json_is_true(value));
	CHECK(json_scan_null(slice) == json_is_null(value));
	if (json_is_string(value))
		compare_text(slice, value);
	while (json_scan_next(slice, &cursor, &item)) {
		mine = json_loadb(item.p, item.n, FLAGS, NULL);
		CHECK(json_is_array(value) && json_equal(mine,
		    json_array_get(value, i++)));
		json_decref(mine);
	}
	CHECK(i == json_array_size(value));
}

static unsigned
depth_of(const json_t *value)
{
	unsigned deepest = 0, one;
	const char *key;
	json_t *child;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)value, i, child) {
		one = depth_of(child);
		deepest = MAX(deepest, one);
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, child) {
		one = depth_of(child);
		deepest = MAX(deepest, one);
	}
	return json_is_array(value) || json_is_object(value) ? deepest + 1 : 0;
}

/* Whether both judge the text alike, but for what the header names. */
static void
check_verdict(bool mine, const json_t *root, const json_error_t *error)
{
	enum json_error_code code;

	if (mine == (root != NULL))
		return;
	if (root != NULL) {
		CHECK(depth_of(root) > JSON_SCAN_DEPTH_MAX);
		return;
	}
	code = json_error_code(error);
	CHECK(code == json_error_numeric_overflow ||
	    code == json_error_null_byte_in_key);
}

static bool
check_scan(struct slice text, const json_t *root, const json_error_t *error)
{
	struct slice v[SLOTS], again[SLOTS];
	json_t *values[SLOTS];
	unsigned i;
	bool ok;

	ok = json_scan(text, wants, NELEM(wants), v, SLOTS);
	check_verdict(ok, root, error);
	json_scan_again(text, wants, NELEM(wants), again, SLOTS);
	if (!ok || !json_is_object(root))
		return ok;
	if (*text.p == '{')
		CHECK(memcmp(again, v, sizeof(v)) == 0);
	find_values(root, values);
	for (i = 0; i < SLOTS; i++)
		compare(v[i], values[i]);
	return ok;
}

/* --- its users ------------------------------------------------------------ */

static void
same_text(struct slice text, const json_t *value)
{
	CHECK(slice_eq(text, (struct slice){ json_string_value(value),
	    json_string_length(value) }));
}

static void
same_name(const struct kube_object *o, const json_t *value)
{
	char buf[KEY_NAME_SIZE];
	struct slice key = key_name_make((struct slice){
	    json_string_value(value), json_string_length(value) }, buf);

	CHECK(o->unfit == (key.p == NULL));
	CHECK(slice_eq(o->name, key));
}

static void
check_event(struct slice text, const json_t *root)
{
	struct kube_event event;
	struct err err = { 0 };
	json_t *object, *metadata;

	if (kube_object_parse_event(text, &event, &err) < 0 || root == NULL)
		return;
	object = json_object_get(root, "object");
	metadata = json_object_get(object, "metadata");
	if (event.type > KUBE_EVENT_BOOKMARK)
		return;
	if (event.object.resource_version.p != NULL)
		same_text(event.object.resource_version,
		    json_object_get(metadata, "resourceVersion"));
	if (event.type == KUBE_EVENT_BOOKMARK)
		return;
	same_text(event.object.uid, json_object_get(metadata, "uid"));
	same_name(&event.object, json_object_get(metadata, "name"));
	compare(event.object.spec, json_object_get(object, "spec"));
	compare(event.object.status, json_object_get(object, "status"));
	compare(event.object.owner_references, json_object_get(metadata,
	    "ownerReferences"));
}

struct found {
	const json_t	*items;   /* NULL: nothing is known of them */
	size_t		 n;
	size_t		 sum;
};

static bool
item_cb(struct slice item, void *arg)
{
	struct found *found = arg;
	json_t *mine;
	size_t i;

	for (i = 0; i < item.n; i++)
		found->sum = found->sum * 31 + (unsigned char)item.p[i];
	if (found->items != NULL) {
		mine = json_loadb(item.p, item.n, FLAGS, NULL);
		CHECK(json_equal(mine, json_array_get(found->items,
		    found->n)));
		json_decref(mine);
	}
	found->n++;
	return true;
}

/* In pieces of `piece` bytes; whether all of it could be a list so far. */
static bool
feed(struct slice text, size_t piece, struct found *found, bool *ret_complete)
{
	struct list_stream s = { 0 };
	bool ok = true;
	size_t i, n;

	for (i = 0; i < text.n && ok; i += n) {
		n = MIN(piece, text.n - i);
		ok = list_stream_feed(&s, text.p + i, n, item_cb, found);
	}
	*ret_complete = list_stream_complete(&s);
	list_stream_reset(&s);
	return ok;
}

/* `items`: what a tree has of them, NULL when there is none. */
static void
check_list(struct slice text, const json_t *items)
{
	struct found whole = { .items = items }, pieces;
	bool complete, same;
	size_t piece;
	bool ok;

	ok = feed(text, text.n, &whole, &complete);
	if (items != NULL && text.n < LIST_STREAM_MEMBER_MAX)
		CHECK(ok && complete && whole.n == json_array_size(items));
	for (piece = 1; piece < 100; piece = piece * 8 + 1) {
		pieces = (struct found){ 0 };
		CHECK(feed(text, piece, &pieces, &same) == ok);
		CHECK(same == complete && pieces.n == whole.n &&
		    pieces.sum == whole.sum);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	json_error_t error = { .text = "" };
	json_t *root, *once, *items;
	unsigned turn = (unsigned)size;
	int way;

	if (size == 0)
		return 0;
	root = json_loadb(text.p, size, FLAGS, &error);
	/* Only what is spelled plainly, and once, is known by its name. */
	once = memchr(data, '\\', size) != NULL ? NULL : json_loadb(text.p,
	    size, FLAGS | JSON_REJECT_DUPLICATES, NULL);
	items = json_object_get(once, "items");
	for (way = 0; way < JSON_BLOCK_MAX; way++) {
		if (!json_block_use((enum json_block_way)way) ||
		    (size > LONG && turn++ % 3 != 0))
			continue;
		if (memchr(data, '\0', size) != NULL)
			CHECK(!json_scan(text, NULL, 0, NULL, 0));
		else if (check_scan(text, root, &error))
			check_event(text, root);
		check_list(text, json_is_array(items) ? items : NULL);
	}
	json_decref(once);
	json_decref(root);
	return 0;
}
