/*
 * What the unit tests of a broker's start share: a broker's pure half made of a
 * state file and the journal behind it, and questions to it.
 */
#ifndef SLUICE_RESTART_FIXTURE_H
#define SLUICE_RESTART_FIXTURE_H

#include <sys/mman.h>
#include <unistd.h>

#include "broker/state_file.h"
#include "tests/unit/publish_fixture.h"

/* The line_no that the broker would take next; 0: it knows none; UINT64_MAX:
 * the log is closed. */
static UNUSED uint64_t
next_line(struct bench *b, const char *key, uint32_t attempt)
{
	struct item item = make(0, key, ITEM_LOG | ITEM_LOG_NEXT);
	struct record_exception e = { 0 };

	item.attempt = attempt;
	item.line_no = UINT64_MAX;
	assert_int_equal(sequencer_judge(b->s, &item, 1, &e), -1);
	if (e.code == RECORD_ENDED)
		return UINT64_MAX;
	assert_int_equal(e.code, RECORD_LOG_OFFSET);
	return e.position.number;
}

static UNUSED void
settle(struct sequencer *s, uint64_t oldest)
{
	sequencer_set_oldest(s, oldest);
	while (sequencer_settle(s, 100))
		continue;
}

static UNUSED int
file_of(const struct buf *b, size_t n)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_int_equal(write(fd, b->data, n), n);
	return fd;
}

/* A start: the state file, and the journal after the state's position. */
static UNUSED void
come_back(struct bench *back, const struct buf *journal,
    const struct buf *file)
{
	struct state_info info;
	struct err err;
	size_t at = 0;
	int fd = file_of(file, file->len);

	assert_int_equal(state_file_load(fd, back->s, back->d, &info, &err),
	    0);
	assert_true(info.through >= info.position.number);
	(void)close(fd);
	while (at < journal->len) {
		struct record_header h;
		struct rd r;

		assert_int_equal(record_decode(journal->data + at,
		    journal->len - at, &h, &r, &err), 0);
		if (h.first + h.count - 1 > info.position.number)
			assert_int_equal(publish_replay(back->core,
			    journal->data + at, h.length, &err), 0);
		at += h.length;
	}
}

#endif
