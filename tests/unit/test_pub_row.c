/* The row: what waits in the spool, then in the queue. */
#include "tests/unit/spool_fixture.h"

#include <errno.h>

#include "lib/pub_row.h"

/* In front of libc's: as on a disk with an error, when the test says so. */
static bool sync_fails;

int	sync_in_front(int fd) __asm__("fdatasync");

int
sync_in_front(int fd)
{
	if (sync_fails) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

static void
state_cb(enum sluice_state state, const char *text UNUSED, void *arg)
{
	enum sluice_state *last = arg;

	*last = state;
}

static struct pub_row *
row_of(struct place *p, enum sluice_state *last)
{
	struct sluice_options o = { .spool_directory = p->directory,
		.spool_max_bytes = LIMIT, .queue_events = 100,
		.queue_bytes = SLUICE_QUEUE_BYTES };
	struct err err;
	struct pub_row *r = pub_row_new(&o, state_cb, last, &err);

	if (r == NULL)
		fail_msg("%s", err.text);
	return r;
}

static void
hand(struct pub_row *r, const char *text)
{
	bool wake;

	assert_int_equal(pub_row_hand(r, xstrdup(text), strlen(text), &wake),
	    SLUICE_OK);
}

static void
batch_is(struct pub_row *r, const char *want)
{
	static struct pub_batch b;
	size_t n;

	pub_batch_clear(&b);
	/* As in the sight of a flush: at once. */
	(void)pub_row_flush(r);
	pub_row_take(r, &b);
	(void)pub_row_wait(r, UINT64_MAX, 0);
	pub_batch_begin(&b);
	assert_string_equal(want, buf_cstr(&b.text));
	b.text.len = strlen(want);
	(void)pub_batch_question(&b, &n);
	pub_row_settle(r, &b);
	buf_free(&b.text);
}

static void
test_what_is_spooled_comes_before_what_is_queued(void **state)
{
	enum sluice_state last = SLUICE_BACK;
	struct pub_row *r = row_of(*state, &last);
	struct sluice_stats s;
	uint64_t until;

	hand(r, "1");
	hand(r, "2");
	pub_row_spill(r);
	pub_row_stats(r, &s);
	assert_int_equal(s.spooled, 0);
	pub_row_set_away(r, true);
	pub_row_spill(r);
	pub_row_set_away(r, false);
	hand(r, "3");
	pub_row_stats(r, &s);
	assert_int_equal(s.spooled, 2);
	assert_int_equal(s.queued, 1);
	until = pub_row_flush(r);
	batch_is(r, "1\n2\n");
	assert_int_equal(pub_row_wait(r, until, 0), SLUICE_TIMEOUT);
	until = pub_row_flush(r);
	batch_is(r, "3\n");
	assert_int_equal(pub_row_wait(r, until, 0), SLUICE_OK);
	assert_int_equal(last, SLUICE_BACK);
	assert_int_equal(pub_row_free(r), SLUICE_OK);
}

static void
test_a_sync_that_fails_is_told_and_so_is_its_end(void **state)
{
	enum sluice_state last = SLUICE_BACK;
	struct pub_row *r = row_of(*state, &last);

	hand(r, "1");
	pub_row_stop(r);
	pub_row_spill(r);
	sync_fails = true;
	pub_row_sync(r);
	sync_fails = false;
	assert_int_equal(last, SLUICE_SPOOL_FAILED);
	hand(r, "2");
	assert_int_equal(pub_row_free(r), SLUICE_UNSYNCED);
	/* The file is whole all the same, as long as the machine stays. */
	r = row_of(*state, &last);
	batch_is(r, "1\n");
	assert_int_equal(pub_row_free(r), SLUICE_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_what_is_spooled_comes_before_what_is_queued),
		T(test_a_sync_that_fails_is_told_and_so_is_its_end),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
