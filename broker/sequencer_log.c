/* log_grace: until when the log of a stream that has ended is open. */
#include <assert.h>
#include <string.h>

#include "broker/sequencer.h"
#include "broker/sequencer_private.h"
#include "common/lifecycle.h"
#include "common/macros.h"

static bool
open_at(const struct table_stream *st, int64_t now_ms)
{
	return (st->flags & STREAM_LOGS_OPEN) != 0 &&
	    lifecycle_log_open(st->ended_ms, now_ms, st->grace_ms);
}

bool
sequencer_log_open(const struct sequencer *s, const struct table_stream *st)
{
	return open_at(st, s->now_ms);
}

void
sequencer_log_ended(const struct sequencer *s, struct table_stream *st,
    const struct item *item)
{
	enum stream_type type;

	st->flags |= STREAM_ENDED;
	if ((item->state & LIFECYCLE_LOGS_OPEN) == 0 ||
	    stream_key_check(item->key, &type, NULL) == -1)
		return;
	st->flags |= STREAM_LOGS_OPEN;
	st->ended_ms = s->now_ms;
	st->grace_ms = s->log_grace_ms[type] & STREAM_GRACE_MAX;
}

static bool
is_of(const struct table_stream *st, enum stream_type type)
{
	size_t tenant = strlen(st->name) + 1;
	struct slice key = { st->name + tenant, st->name_len - tenant };
	enum stream_type own;

	return stream_key_check(key, &own, NULL) == 0 && own == type;
}

bool
sequencer_log_grace(struct sequencer *s, enum stream_type type,
    int64_t grace_ms)
{
	uint32_t grace = (uint32_t)MIN(grace_ms, (int64_t)STREAM_GRACE_MAX);
	uint32_t before = s->log_grace_ms[type];

	assert((unsigned int)type < STREAM_TYPE_MAX && grace_ms >= 0);
	s->log_grace_ms[type] = grace;
	for (uint32_t i = 0; grace < before && i < s->table.used; i++) {
		struct table_stream *st = &s->table.streams[i];

		if (st->name != NULL && (st->flags & STREAM_LOGS_OPEN) != 0 &&
		    st->grace_ms > grace && is_of(st, type))
			st->grace_ms = grace & STREAM_GRACE_MAX;
	}
	return grace != before;
}

void
sequencer_at(struct sequencer *s, int64_t now_unix_ms)
{
	int64_t before = s->now_ms;

	s->now_ms = now_unix_ms;
	/* Rare. Gateways were told the time that was, and what was over by it
	 * is over; so is what the new one is too far back for. */
	for (uint32_t i = 0; now_unix_ms < before && i < s->table.used; i++) {
		struct table_stream *st = &s->table.streams[i];

		if (st->name != NULL && (!open_at(st, before) ||
		    !open_at(st, now_unix_ms)))
			st->flags &= (uint8_t)~STREAM_LOGS_OPEN;
	}
}
