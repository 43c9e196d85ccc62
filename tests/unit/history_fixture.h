/*
 * What the unit tests of the stored history share: events told and put into
 * projection.db, and pages of them read and held against a line of text.
 */
#ifndef SLUICE_HISTORY_FIXTURE_H
#define SLUICE_HISTORY_FIXTURE_H

#include "tests/unit/projection_fixture.h"

#include "store/history.h"
#include "store/history_read.h"

#define LATELY  0
#define EPOCH_2 0x22222222u

static uint32_t epoch;       /* of what is put and asked for */

static int
setup(void **state)
{
	epoch = FIXTURE_EPOCH;
	return setup_projection(state);
}

/* --- writing ------------------------------------------------------------- */

struct told {
	const char	*tenant;
	const char	*event_type;
	uint8_t		 flags;
	int64_t		 at_ms;
};

static void
put_one(uint64_t position, uint64_t seq, const char *key,
    const struct told *t)
{
	struct item item = fixture_item(position, key, t->event_type, "",
	    "{}", t->flags);

	item.seq = seq;
	item.position.epoch = epoch;
	item.tenant = slice_str(t->tenant);
	put_item(&item, t->at_ms);
}

static const struct told line = { "-", "job.log", 0, 1000 };
static UNUSED const struct told change = { "-", "job.state_changed",
	ITEM_LIFECYCLE, 1000 };
static UNUSED const struct told last = { "-", "job.state_changed",
	ITEM_LIFECYCLE | ITEM_TERMINAL, 1000 };

static void
put(uint64_t position, uint64_t seq, const char *key, const struct told *t)
{
	begin();
	put_one(position, seq, key, t);
	commit();
}

/* Positions and seqs from ... to, in one batch. */
static void
put_lines(const char *key, uint64_t from, uint64_t to)
{
	uint64_t i;

	begin();
	for (i = from; i <= to; i++)
		put_one(i, i, key, &line);
	commit();
}

/* Of this epoch. */
static UNUSED void
gap(uint64_t through)
{
	gap_through((struct position){ epoch, through }, 5000);
}

/* --- reading ------------------------------------------------------------- */

static struct query_history_ask ask;
static int64_t lately = LATELY;

static void
ask_all(const char *key)
{
	ask = (struct query_history_ask){ .tenant = slice_str("-"),
		.key = slice_str(key), .limit = QUERY_HISTORY_LIMIT };
}

static void
ask_behind(const char *key, uint64_t number)
{
	ask_all(key);
	ask.behind = true;
	ask.after = (struct position){ epoch, number };
}

static void
add_gap(struct buf *b, const struct query_gap *g)
{
	static const char *const names[] = { "evicted", "epoch", "ahead" };

	buf_addf(b, " %s(%llu-%llu)", names[g->reason],
	    (unsigned long long)g->from, (unsigned long long)g->to);
}

/* Reads into *ret, whose items point into *bytes. */
static void
read_page(struct query_history *ret, struct buf *bytes)
{
	struct history_reader *r;
	struct err err = { 0 };

	r = history_reader_open(fixture_path("p.db"), &err);
	buf_reset(bytes);
	buf_u8(bytes, 0);
	if (r == NULL || history_read(r, &ask, lately, bytes, &err) == -1)
		fail_msg("%s", err.text);
	history_reader_close(r);
	assert_int_equal(query_wire_answer_history_decode((struct slice){
	    (const char *)bytes->data, bytes->len }, ret), 0);
}

/* "position/seq … gap(from-to) …", "+" where more follows. */
static void
check(const char *want)
{
	struct buf bytes = BUF_EMPTY, text = BUF_EMPTY;
	struct query_history h;
	struct item item;
	size_t i;

	read_page(&h, &bytes);
	for (i = 0; i < h.count; i++) {
		assert_int_equal(item_decode(&h.items, &item, true), 0);
		buf_addf(&text, " %llu/%llu",
		    (unsigned long long)item.position.number,
		    (unsigned long long)item.seq);
	}
	assert_true(rd_done(&h.items));
	for (i = 0; i < h.n_gaps; i++)
		add_gap(&text, &h.gaps[i]);
	if (h.more)
		buf_adds(&text, " +");
	(void)buf_cstr(&text);
	assert_string_equal(text.len > 0 ? (char *)text.data + 1 : "", want);
	buf_free(&bytes);
	buf_free(&text);
}

#endif
