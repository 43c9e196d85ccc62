#include "broker/sequencer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/sequencer_private.h"
#include "common/macros.h"
#include "common/xmalloc.h"

struct sequencer *
sequencer_new(uint32_t max_streams, uint64_t hash_seed)
{
	struct sequencer *s = xcalloc(1, sizeof(*s));

	s->magic = SEQUENCER_MAGIC;
	s->limits = (struct group_limits){ &s->table, &s->machines,
		max_streams, MACHINE_ALL_PARTS_MAX };
	for (int i = 0; i < STREAM_TYPE_MAX; i++)
		s->log_grace_ms[i] = STREAM_GRACE_MAX;
	stream_table_init(&s->table, hash_seed);
	machine_table_init(&s->machines);
	s->next = 1;
	return s;
}

void
sequencer_free(struct sequencer *s)
{
	if (s == NULL)
		return;
	assert(s->magic == SEQUENCER_MAGIC);
	stream_table_clear(&s->table);
	machine_table_clear(&s->machines);
	trail_free(&s->trail);
	log_lines_clear(&s->logs);
	free(s->numbers);
	s->magic = 0;
	free(s);
}

void
sequencer_limit_parts(struct sequencer *s, uint32_t max_parts)
{
	assert(max_parts <= MACHINE_ALL_PARTS_MAX);
	s->limits.max_parts = max_parts;
}

void
sequencer_knew_epoch(struct sequencer *s, uint32_t epoch, uint64_t first)
{
	epoch_list_add(&s->epochs, epoch, first);
}

void
sequencer_begin_epoch(struct sequencer *s, uint32_t epoch, uint64_t next)
{
	assert(next >= s->next && epoch != 0);
	epoch_list_add(&s->epochs, epoch, next);
	s->epoch = epoch;
	s->next = next;
}

struct position
sequencer_tip(const struct sequencer *s)
{
	return (struct position){ s->epoch, s->next - 1 };
}

/* --- sequencing ---------------------------------------------------------- */

static bool
is_next_line(const struct sequencer *s, const struct table_stream *st,
    const struct item *item, struct record_exception *ret)
{
	uint64_t last, next = 0;

	if (log_lines_last(&s->logs, st != NULL ? st->logs : 0,
	    item->attempt, &last))
		next = last + 1;
	if (item->line_no == next)
		return true;
	ret->position = (struct position){ 0, next };
	return false;
}

/* Whose the item's guard is; NULL: the stream's own. */
static const uint8_t *
part_of(const struct item *item)
{
	return (item->flags & ITEM_PART) != 0 ? item->part : NULL;
}

/* What has ended takes no step, and nothing of no machine but while its log is
 * open; its own machine's are judged by their guards. */
static bool
is_over(const struct sequencer *s, const struct table_stream *st,
    const struct item *item)
{
	if (st == NULL || (st->flags & STREAM_ENDED) == 0 ||
	    (item->flags & ITEM_LIFECYCLE) != 0)
		return false;
	return (item->flags & ITEM_PART) != 0 ||
	    !sequencer_log_open(s, st);
}

static enum record_code
judge_item(const struct sequencer *s, const struct item *item,
    struct record_exception *ret)
{
	const struct table_stream *st = stream_table_find(&s->table,
	    item->tenant, item->key);
	const struct machine *m = st == NULL ? NULL : machine_table_find(
	    &s->machines, st->machines, part_of(item));
	bool over = is_over(s, st, item);

	if (!over && (item->flags & ITEM_LOG_NEXT) != 0 &&
	    !is_next_line(s, st, item, ret))
		return RECORD_LOG_OFFSET;
	ret->position = m != NULL ? m->position : (struct position){ 0, 0 };
	if (!over && ((item->flags & ITEM_GUARDED) == 0 ||
	    position_eq(ret->position, item->guard)))
		return RECORD_APPENDED;
	ret->state = m != NULL ? m->state : 0;
	ret->attempt = m != NULL ? m->attempt : 0;
	if (m != NULL)
		memcpy(ret->body, m->body, EVENT_HASH_SIZE);
	return over ? RECORD_ENDED : RECORD_GUARD_LOST;
}

int
sequencer_judge(struct sequencer *s, const struct item *items, size_t n,
    struct record_exception *ret)
{
	struct record_exception e = { .group = ret->group };

	assert(s->magic == SEQUENCER_MAGIC);
	for (size_t i = 0; i < n && e.code == RECORD_APPENDED; i++) {
		/* What nobody guards, of a stream without an end, is most. */
		e.item = (uint32_t)i;
		e.code = judge_item(s, &items[i], &e);
	}
	if (e.code == RECORD_APPENDED) {
		e = (struct record_exception){ .group = ret->group };
		e.code = group_limits_judge(&s->limits, items, n, &e.item);
	}
	if (e.code == RECORD_APPENDED)
		return 0;
	*ret = e;
	return -1;
}

void
sequencer_apply_machine(struct sequencer *s, struct table_stream *st,
    const struct item *item)
{
	const uint8_t *part = part_of(item);
	uint32_t before = s->machines.parts;
	struct machine *m = machine_table_get(&s->machines, &st->machines,
	    part);

	st->parts += (uint16_t)(s->machines.parts - before);
	m->position = item->position;
	m->state = item->state;
	m->attempt = item->attempt;
	memcpy(m->body, item->body, EVENT_HASH_SIZE);
}

static void
apply(struct sequencer *s, struct table_stream *st, const struct item *item)
{
	const uint8_t ended = STREAM_ENDED | STREAM_LOGS_OPEN;

	st->seq = item->seq;
	st->last = item->position.number;
	st->flags &= (uint8_t)~STREAM_DELETED;
	if ((item->flags & (ITEM_LIFECYCLE | ITEM_PART)) != 0)
		sequencer_apply_machine(s, st, item);
	if ((item->flags & ITEM_LIFECYCLE) != 0)
		st->flags &= (uint8_t)~ended;
	if ((item->flags & ITEM_TERMINAL) != 0)
		sequencer_log_ended(s, st, item);
	if ((item->flags & ITEM_LAST) != 0)
		st->flags &= (uint8_t)~STREAM_LOGS_OPEN;
	if ((item->flags & ITEM_DELETED) != 0)
		st->flags |= STREAM_DELETED;
}

/* The oldest event that is known of leaves the journal, or the trail. */
static bool
part_with(struct sequencer *s, uint64_t before)
{
	uint64_t position;
	uint32_t number;

	if (!trail_take(&s->trail, before, &position, &number))
		return false;
	if (number < s->table.used)
		s->table.streams[number].gone = MAX(position,
		    s->table.streams[number].gone);
	return true;
}

static void
remember(struct sequencer *s, uint64_t position,
    const struct table_stream *st)
{
	/* Before a new epoch only a cursor "-1" can stand, from the oldest
	 * kept: all of it that has left since counts, of each stream. */
	if (trail_jumps(&s->trail, position))
		while (part_with(s, UINT64_MAX))
			continue;
	/* Nothing has to make room for what a replay repeats. */
	if (trail_is_full(&s->trail) && !trail_knows(&s->trail, position))
		(void)part_with(s, UINT64_MAX);
	trail_add(&s->trail, position, stream_table_number(&s->table, st));
}

/* One that is new may have been there before and been forgotten: then it had
 * events that are gone, up to where nobody can tell any more. */
static struct table_stream *
stream_of(struct sequencer *s, const struct item *item)
{
	struct table_stream *st = stream_table_get(&s->table, item->tenant,
	    item->key);

	if (st->last == 0)
		st->gone = s->forgotten_through;
	return st;
}

static void
note_line(struct sequencer *s, struct table_stream *st,
    const struct item *item)
{
	if ((item->flags & ITEM_LOG) != 0)
		log_lines_note(&s->logs, &st->logs,
		    stream_table_number(&s->table, st), item->attempt,
		    item->line_no);
}

void
sequencer_append(struct sequencer *s, struct item *item)
{
	struct table_stream *st;

	assert(s->magic == SEQUENCER_MAGIC && s->epoch != 0);
	st = stream_of(s, item);
	item->seq = st->seq + 1;
	item->position = (struct position){ s->epoch, s->next++ };
	apply(s, st, item);
	note_line(s, st, item);
	remember(s, item->position.number, st);
}

/* A first event of a stream that is known: it was forgotten in between, and
 * its end, the lines of its log and its machines with it. */
static void
replay_new(struct sequencer *s, struct table_stream *st,
    const struct item *item)
{
	if (item->seq == 1) {
		log_lines_forget(&s->logs, &st->logs);
		machine_table_drop(&s->machines, &st->machines);
		st->parts = 0;
		st->flags = 0;
	}
	apply(s, st, item);
}

void
sequencer_replay(struct sequencer *s, const struct item *item)
{
	struct table_stream *st;

	assert(s->magic == SEQUENCER_MAGIC);
	st = stream_of(s, item);
	if (item->position.number > st->last)
		replay_new(s, st, item);
	note_line(s, st, item);
	remember(s, item->position.number, st);
	s->epoch = item->position.epoch;
	epoch_list_add(&s->epochs, s->epoch, item->position.number);
	if (item->position.number >= s->next)
		s->next = item->position.number + 1;
}

/* All its events are gone, or those known to be; or, of what the trail had no
 * room for, those that may be. */
static uint64_t
gone_of(const struct sequencer *s, const struct table_stream *st)
{
	if (st->last < s->oldest)
		return st->last;
	return s->oldest > 0 ? MIN(st->gone, s->oldest - 1) : 0;
}

static void
tell(const struct sequencer *s, const struct table_stream *st,
    struct sequencer_stream *ret)
{
	const struct machine *m;

	ret->seq = st->seq;
	ret->last = (struct position){ epoch_list_of(&s->epochs, st->last),
		st->last };
	ret->gone = gone_of(s, st);
	m = machine_table_find(&s->machines, st->machines, NULL);
	ret->lifecycle = m != NULL ? m->position : (struct position){ 0, 0 };
	ret->state = m != NULL ? m->state : 0;
	ret->ended = (st->flags & STREAM_ENDED) != 0;
	ret->log_open = ret->ended && sequencer_log_open(s, st);
	ret->until_ms = ret->log_open ? st->ended_ms + st->grace_ms : 0;
}

bool
sequencer_find(const struct sequencer *s, struct slice tenant, struct slice key,
    struct sequencer_stream *ret)
{
	const struct table_stream *st = stream_table_find(&s->table, tenant,
	    key);

	if (st != NULL)
		tell(s, st, ret);
	return st != NULL;
}

bool
sequencer_next_open(const struct sequencer *s, uint32_t *cursor, size_t *steps,
    struct slice *ret_tenant, struct slice *ret_key,
    struct sequencer_stream *ret, bool *ret_more)
{
	while (*cursor < s->table.used && *steps > 0) {
		const struct table_stream *st =
		    &s->table.streams[(*cursor)++];

		(*steps)--;
		if (st->name == NULL || (st->flags & STREAM_LOGS_OPEN) == 0)
			continue;
		*ret_tenant = slice_str(st->name);
		*ret_key = (struct slice){ st->name + ret_tenant->n + 1,
		    st->name_len - ret_tenant->n - 1 };
		tell(s, st, ret);
		if (ret->log_open)
			return true;
	}
	*ret_more = *cursor < s->table.used;
	return false;
}

bool
sequencer_scan(const struct sequencer *s, size_t *cursor, size_t steps,
    struct slice tenant, const struct slice *prefixes, size_t n,
    uint64_t *last, uint64_t *gone)
{
	for (; *cursor < s->table.used && steps > 0; (*cursor)++, steps--) {
		const struct table_stream *st = &s->table.streams[*cursor];

		if (st->name == NULL ||
		    (st->last <= *last && gone_of(s, st) <= *gone))
			continue;
		for (size_t i = 0; i < n; i++) {
			if (stream_table_begins_with(st, tenant,
			    prefixes[i])) {
				*last = MAX(*last, st->last);
				*gone = MAX(*gone, gone_of(s, st));
				break;
			}
		}
	}
	return *cursor < s->table.used;
}

/* --- what leaves --------------------------------------------------------- */

static void
forget(struct sequencer *s, uint32_t at)
{
	s->forgotten_through = MAX(s->forgotten_through,
	    s->table.streams[at].last);
	log_lines_forget(&s->logs, &s->table.streams[at].logs);
	machine_table_drop(&s->machines, &s->table.streams[at].machines);
	stream_table_remove(&s->table, at);
}

void
sequencer_set_oldest(struct sequencer *s, uint64_t oldest)
{
	if (oldest == s->oldest)
		return;
	/* One more round from where it is: a journal that turns over faster
	 * than a round takes must not starve the entries at the end. */
	s->oldest = oldest;
	s->sweep_left = s->table.used;
}

bool
sequencer_settle(struct sequencer *s, size_t steps)
{
	for (; steps > 0; steps--) {
		if (!part_with(s, s->oldest))
			return false;
	}
	return true;
}

bool
sequencer_sweep(struct sequencer *s, size_t steps)
{
	/* First, so that no number in the trail is another's by then. */
	if (sequencer_settle(s, steps))
		return true;
	for (; s->sweep_left > 0 && steps > 0; steps--) {
		const struct table_stream *st;

		if (s->sweep_at >= s->table.used)
			s->sweep_at = 0;
		st = &s->table.streams[s->sweep_at];
		if (st->name != NULL &&
		    (st->flags & (STREAM_ENDED | STREAM_DELETED)) != 0 &&
		    st->last < s->oldest)
			forget(s, s->sweep_at);
		s->sweep_at++;
		s->sweep_left--;
	}
	return s->sweep_left > 0;
}

uint64_t
sequencer_oldest(const struct sequencer *s)
{
	return s->oldest;
}

uint64_t
sequencer_forgotten_through(const struct sequencer *s)
{
	return s->forgotten_through;
}

void
sequencer_set_forgotten_through(struct sequencer *s, uint64_t number)
{
	if (number > s->forgotten_through)
		s->forgotten_through = number;
}

size_t
sequencer_streams(const struct sequencer *s)
{
	return s->table.count;
}

size_t
sequencer_parts(const struct sequencer *s)
{
	return s->machines.parts;
}
