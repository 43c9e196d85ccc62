/* snapshot_read: a prefix that is larger than an answer, page by page. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/query.h"
#include "common/xmalloc.h"
#include "store/projection_db.h"
#include "store/snapshot_read.h"
#include "tests/unit/store_fixture.h"

#define OBJECTS    500u
#define DATA_BYTES (40u * 1024)   /* 20 MB of them: three pages */

static struct conf conf;
static struct snapshot_reader *reader;

static char *
no_cluster(struct slice tenant UNUSED, struct slice workflow UNUSED,
    void *arg UNUSED)
{
	return xstrdup("c");
}

static void
fill(struct projection_db *db)
{
	char *data = malloc(DATA_BYTES + 1);
	char key[64];
	struct item item;
	struct err err = { 0 };
	unsigned i;

	assert_non_null(data);
	memset(data, ' ', DATA_BYTES);
	memcpy(data, "{", 1);
	data[DATA_BYTES - 1] = '}';
	data[DATA_BYTES] = '\0';
	assert_int_equal(projection_db_begin(db, &err), 0);
	for (i = 0; i < OBJECTS; i++) {
		(void)snprintf(key, sizeof(key), "resource:c/pod/n/%03u", i);
		item = fixture_item(i + 1, key, "status_update", "", data, 0);
		assert_int_equal(projection_db_apply(db, &item, 1000, &err),
		    0);
		fixture_item_free(&item);
	}
	assert_int_equal(projection_db_commit(db, &err), 0);
	free(data);
}

static int
setup(void **state)
{
	struct projection_db *db;
	struct err err = { 0 };
	char note[ERR_TEXT_MAX];

	conf_init(&conf);
	if (fixture_setup(state) == -1)
		return -1;
	db = projection_db_open(fixture_path("p.db"), note, &err);
	if (db == NULL)
		fail_msg("%s", err.text);
	fill(db);
	projection_db_close(db);
	reader = snapshot_reader_open(fixture_path("p.db"), &conf, no_cluster,
	    NULL, &err);
	if (reader == NULL)
		fail_msg("%s", err.text);
	return 0;
}

static int
teardown(void **state)
{
	snapshot_reader_close(reader);
	conf_free(&conf);
	return fixture_teardown(state);
}

/* Reads one page; the last key goes to `after`. Returns its items. */
static uint32_t
page(const char *selector, char after[EVENT_KEY_MAX], uint32_t *next)
{
	struct buf answer = BUF_EMPTY;
	struct err err = { 0 };
	struct item item;
	char want[64];
	struct rd rd;
	uint32_t n, i;

	if (snapshot_read_page(reader, slice_str("-"), slice_str(selector),
	    slice_str(after), &answer, &err) == -1)
		fail_msg("%s", err.text);
	assert_true(answer.len <= QUERY_PAGE_MAX + 2 * DATA_BYTES);
	rd = rd_init(answer.data, answer.len);
	(void)rd_u32(&rd);
	(void)rd_u64(&rd);
	(void)rd_u8(&rd);
	n = rd_u32(&rd);
	for (i = 0; i < n; i++) {
		assert_int_equal(item_decode(&rd, &item, true), 0);
		(void)snprintf(want, sizeof(want), "resource:c/pod/n/%03u",
		    (*next)++);
		assert_true(slice_is(item.key, want));
		(void)snprintf(after, EVENT_KEY_MAX, "%.*s", (int)item.key.n,
		    item.key.p);
	}
	assert_true(rd_done(&rd));
	buf_free(&answer);
	return n;
}

static void
test_all_pages_together_hold_each_key_once(void **state UNUSED)
{
	char after[EVENT_KEY_MAX] = "";
	uint32_t next = 0, pages = 0;

	while (page("resource:c/*", after, &next) > 0)
		pages++;
	assert_int_equal(next, OBJECTS);
	assert_int_equal(pages, 3);
}

static void
test_a_page_behind_the_last_key_is_empty(void **state UNUSED)
{
	char after[EVENT_KEY_MAX] = "resource:c/pod/n/499";
	char nothing[EVENT_KEY_MAX] = "";
	uint32_t next = 0;

	assert_int_equal(page("resource:c/*", after, &next), 0);
	assert_int_equal(page("resource:d/*", nothing, &next), 0);
}

static void
test_a_page_of_no_prefix_or_behind_a_strange_key_is_refused(
    void **state UNUSED)
{
	static const char *const bad[][2] = {
		{ "resource:c/pod/n/001", "" },
		{ "resource:c/*", "resource:d/pod/n/001" },
		{ "resource:c/*", "zzz" },
		{ "nonsense", "" },
	};
	struct buf answer = BUF_EMPTY;
	struct err err = { 0 };
	size_t i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(snapshot_read_page(reader, slice_str("-"),
		    slice_str(bad[i][0]), slice_str(bad[i][1]), &answer,
		    &err), -1);
		assert_int_equal(err.code, EINVAL);
		assert_int_equal(answer.len, 0);
	}
	buf_free(&answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pages_together_hold_each_key_once),
		cmocka_unit_test(test_a_page_behind_the_last_key_is_empty),
		cmocka_unit_test(
		    test_a_page_of_no_prefix_or_behind_a_strange_key_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
