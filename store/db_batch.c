#include "store/db_batch.h"

#include "common/mono.h"
#include "common/record.h"

static int
record_apply(struct projection_db *db, const void *bytes, size_t n,
    uint32_t *ret_count, struct err *err)
{
	struct record_exception exception;
	struct record_header header;
	struct item item;
	struct rd r;
	uint32_t i;

	if (record_decode(bytes, n, &header, &r, err) == -1)
		return -1;
	for (i = 0; i < header.exceptions; i++) {
		if (record_exception_decode(&r, &exception) == -1)
			return err_set(err, "a record's exception is damaged");
	}
	for (i = 0; i < header.count; i++) {
		if (record_item_decode(&r, &header, i, &item) == -1)
			return err_set(err, "a record's item is damaged");
		if (projection_db_apply(db, &item, header.time_unix_ms,
		    err) == -1)
			return -1;
	}
	*ret_count += header.count;
	return 0;
}

static int
work_apply(struct projection_db *db, const struct work *work,
    uint32_t *ret_count, struct err *err)
{
	switch (work->kind) {
	case WORK_AT:
		projection_db_at(db, work->through);
		return 0;
	case WORK_GAP:
		return projection_db_gap(db, work->through, wall_unix_ms(),
		    err);
	case WORK_RECORD:
	case WORK_JOURNAL:
	default:
		return record_apply(db, work->bytes, work->n, ret_count, err);
	}
}

int
db_batch_works(struct projection_db *db, const struct works *works,
    size_t *ret_done, struct err *err)
{
	struct mono end = mono_add_ms(mono_now(), DB_BATCH_MS);
	const struct work *work;
	uint32_t count = 0;

	*ret_done = 0;
	for (work = TAILQ_FIRST(works); work != NULL;
	    work = TAILQ_NEXT(work, link)) {
		if (work_apply(db, work, &count, err) == -1)
			return -1;
		(*ret_done)++;
		if (count >= DB_BATCH_MAX || mono_before(end, mono_now()))
			break;
	}
	return 0;
}

int
db_batch_journal(struct projection_db *db, struct journal_reader *journal,
    struct position through, bool *ret_moved, enum journal_next *ret_next,
    struct err *err)
{
	struct mono end = mono_add_ms(mono_now(), DB_BATCH_MS);
	struct position at = projection_db_state(db)->applied;
	enum journal_next next = JOURNAL_RECORD;
	const void *bytes;
	uint64_t first;
	uint32_t count = 0;
	size_t n;

	*ret_moved = false;
	while (next != JOURNAL_ERROR && count < DB_BATCH_MAX &&
	    mono_before(mono_now(), end)) {
		next = journal_reader_next(journal, at.number,
		    through.number, &bytes, &n, &first, err);
		if (next == JOURNAL_RECORD) {
			if (record_apply(db, bytes, n, &count, err) == -1)
				return -1;
			at = projection_db_state(db)->applied;
		} else if (first > 0) {
			at = (struct position){ through.epoch,
			    MIN(first - 1, through.number) };
			if (projection_db_gap(db, at, wall_unix_ms(),
			    err) == -1)
				return -1;
		} else {
			break;
		}
		*ret_moved = true;
	}
	*ret_next = next;
	return 0;
}
