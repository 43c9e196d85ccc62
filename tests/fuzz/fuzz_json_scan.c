/*
 * fuzz_json_scan: json_scan against jansson: the same texts are accepted, and
 * the slices of wanted members mean the same. The same bytes also go through
 * list_stream, whole and byte by byte: both must find the same items.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/list_stream.h"
#include "watcher/json_scan.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLAGS (JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL)

static const struct json_want wants[] = { { "a", 0, NULL, 0 },
	{ "b", 1, NULL, 0 } };

static void
compare(struct slice slice, json_t *value)
{
	json_t *mine = slice.p == NULL ? NULL : json_loadb(slice.p, slice.n,
	    FLAGS, NULL);

	if ((mine == NULL) != (value == NULL) ||
	    (mine != NULL && !json_equal(mine, value)))
		abort();
	json_decref(mine);
}

static bool
count_cb(struct slice item, void *arg)
{
	size_t *sum = arg;

	*sum = *sum * 31 + item.n;
	return true;
}

static void
check_list(const char *p, size_t n)
{
	struct list_stream whole = { 0 }, bytes = { 0 };
	size_t a = 0, b = 0, i;
	bool ok, one = true;

	ok = list_stream_feed(&whole, p, n, count_cb, &a);
	for (i = 0; i < n && one; i++)
		one = list_stream_feed(&bytes, p + i, 1, count_cb, &b);
	if (ok != one || a != b)
		abort();
	list_stream_reset(&whole);
	list_stream_reset(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size }, v[2];
	json_error_t error = { .text = "" };
	json_t *root;
	bool mine;

	/* jansson takes a NUL between tokens for the end of the text. */
	if (size == 0 || memchr(data, '\0', size) != NULL)
		return 0;
	mine = json_scan(text, wants, 2, v, 2);
	root = json_loadb(text.p, size, FLAGS, &error);
	/* Numbers too large and deep nesting are judged differently. */
	if (strstr(error.text, "overflow") == NULL &&
	    size < JSON_SCAN_DEPTH_MAX && mine != (root != NULL))
		abort();
	if (mine && root != NULL && json_is_object(root)) {
		compare(v[0], json_object_get(root, "a"));
		compare(v[1], json_object_get(root, "b"));
	}
	json_decref(root);
	check_list(text.p, size);
	return 0;
}
