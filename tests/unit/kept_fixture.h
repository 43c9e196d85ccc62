/*
 * What the unit tests of what projection.db keeps share: events put into it, a
 * batch each, and the snapshot that follows.
 */
#ifndef SLUICE_KEPT_FIXTURE_H
#define SLUICE_KEPT_FIXTURE_H

#include "tests/unit/projection_fixture.h"

#include "store/projection_sweep.h"
#include "store/snapshot_read.h"

/* One event in a batch of its own. */
static void
apply(uint64_t position, const char *key, const char *event_type,
    const char *subject, const char *data, uint8_t flags)
{
	struct item item = fixture_item(position, key, event_type, subject,
	    data, flags);

	begin();
	put_item(&item, 1000);
	commit();
}

static void
gap(uint64_t through)
{
	gap_through((struct position){ FIXTURE_EPOCH, through },
	    INT64_MAX / 2);
}

static char *
no_cluster(struct slice tenant UNUSED, struct slice workflow UNUSED,
    void *arg UNUSED)
{
	return xstrdup("c");
}

/* "key@position …" of a snapshot, and whether it is complete ("!" if not). */
static char *
snapshot(const char *selector)
{
	struct slice selectors[1] = { slice_str(selector) };
	struct snapshot_reader *r;
	struct buf answer = BUF_EMPTY, text = BUF_EMPTY;
	struct err err = { 0 };
	struct item item;
	struct rd rd;
	uint32_t n;
	uint8_t complete;

	r = snapshot_reader_open(fixture_path("p.db"), &conf, no_cluster,
	    NULL, &err);
	if (r == NULL || snapshot_read(r, slice_str("-"), selectors, 1,
	    &answer, &err) == -1)
		fail_msg("%s", err.text);
	rd = rd_init(answer.data, answer.len);
	(void)rd_u32(&rd);
	(void)rd_u64(&rd);
	complete = rd_u8(&rd);
	n = rd_u32(&rd);
	while (n-- > 0) {
		assert_int_equal(item_decode(&rd, &item, true), 0);
		buf_addf(&text, "%s%.*s@%llu", text.len > 0 ? " " : "",
		    (int)item.key.n, item.key.p,
		    (unsigned long long)item.position.number);
	}
	assert_true(rd_done(&rd));
	if (complete == 0)
		buf_addc(&text, '!');
	(void)buf_cstr(&text);
	buf_free(&answer);
	snapshot_reader_close(r);
	return (char *)text.data;
}

static void
check(const char *selector, const char *want)
{
	char *got = snapshot(selector);

	assert_string_equal(got, want);
	free(got);
}

#endif
