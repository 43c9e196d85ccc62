#include "broker/sequencer_state.h"

#include <stdlib.h>
#include <string.h>

#include "broker/sequencer_private.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define NUMBERS_MAX (128u * 1024 * 1024)   /* more than max_streams */

/* --- saving -------------------------------------------------------------- */

size_t
sequencer_state_save_trail(const struct sequencer *s, uint64_t *position,
    uint64_t through, size_t max, struct buf *b)
{
	uint32_t numbers[256];
	size_t n, total = 0;

	(void)trail_read(&s->trail, position, numbers, 0);
	buf_u64(b, *position);
	while (total < max && *position <= through) {
		n = trail_read(&s->trail, position, numbers,
		    MIN(NELEM(numbers), max - total));
		n = MIN(n, through + 1 - *position);
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++)
			buf_u32(b, numbers[i]);
		*position += n;
		total += n;
	}
	return total;
}

static uint32_t
save_machines(const struct sequencer *s, const struct table_stream *st,
    struct buf *b)
{
	size_t count_at = b->len;
	uint32_t n = 0;

	buf_u32(b, 0);
	for (uint32_t at = st->machines; at != MACHINE_NONE; n++) {
		const struct machine *m = &s->machines.machines[at];

		buf_add(b, m->part, EVENT_HASH_SIZE);
		buf_u32(b, m->position.epoch);
		buf_u64(b, m->position.number);
		buf_u8(b, m->state);
		buf_u32(b, m->attempt);
		buf_add(b, m->body, EVENT_HASH_SIZE);
		at = m->next;
	}
	buf_patch_u32(b, count_at, n);
	return n;
}

static void
save_flags(const struct sequencer *s, const struct table_stream *st,
    struct buf *b)
{
	if (!sequencer_log_open(s, st)) {
		buf_u8(b, st->flags & (uint8_t)~STREAM_LOGS_OPEN);
		return;
	}
	buf_u8(b, st->flags | STREAM_TIMED | STREAM_GRACED);
	buf_u64(b, (uint64_t)st->ended_ms);
	buf_u32(b, st->grace_ms);
}

size_t
sequencer_state_save(const struct sequencer *s, size_t *cursor, size_t max,
    struct buf *b)
{
	size_t n = 0, machines = 0;

	/* A thousand streams may have a thousand steps each. */
	for (; *cursor < s->table.used && n + machines < max; (*cursor)++) {
		const struct table_stream *st = &s->table.streams[*cursor];

		if (st->name == NULL)
			continue;
		buf_u32(b, (uint32_t)*cursor);
		buf_str16(b, st->name, st->name_len);
		buf_u64(b, st->seq);
		buf_u64(b, st->last);
		buf_u64(b, st->gone);
		save_flags(s, st, b);
		machines += save_machines(s, st, b);
		n++;
	}
	return n;
}

size_t
sequencer_state_save_logs(const struct sequencer *s, uint32_t *cursor,
    size_t max, struct buf *b)
{
	const struct log_count *count;
	size_t n;

	for (n = 0; n < max; n++) {
		const struct table_stream *st;

		count = log_lines_next(&s->logs, cursor);
		if (count == NULL)
			break;
		st = &s->table.streams[count->stream];
		buf_str16(b, st->name, st->name_len);
		buf_u32(b, count->attempt);
		buf_u64(b, count->last);
	}
	return n;
}

size_t
sequencer_state_save_grace(const struct sequencer *s, uint32_t *type,
    struct buf *b)
{
	size_t n = 0;

	for (; *type < STREAM_TYPE_MAX; (*type)++, n++) {
		buf_u32(b, *type);
		buf_u32(b, s->log_grace_ms[*type]);
	}
	return n;
}

/* --- loading ------------------------------------------------------------- */

void
sequencer_state_load_begin(struct sequencer *s)
{
	trail_clear(&s->trail);
	s->n_numbers = 0;
}

int
sequencer_state_load_trail(struct sequencer *s, size_t n, struct rd *r)
{
	uint64_t position = rd_u64(r);

	for (size_t i = 0; i < n; i++) {
		uint32_t number = rd_u32(r);

		/* A smaller one than that which wrote it. */
		if (r->failed || trail_is_full(&s->trail))
			return -1;
		trail_add(&s->trail, position++, number);
	}
	return rd_done(r) ? 0 : -1;
}

static void
note_number(struct sequencer *s, uint32_t old, uint32_t now)
{
	while (s->n_numbers <= old) {
		if ((s->n_numbers & (s->n_numbers - 1)) == 0)
			s->numbers = xreallocarray(s->numbers,
			    MAX(s->n_numbers * 2, (size_t)1),
			    sizeof(*s->numbers));
		s->numbers[s->n_numbers++] = STREAM_TABLE_NONE;
	}
	s->numbers[old] = now;
}

/* Tenant and key of a saved stream's name. */
static bool
split_name(struct slice name, struct slice *ret_tenant, struct slice *ret_key)
{
	const char *nul;

	if (name.n == 0 || name.n > STREAM_TABLE_NAME_MAX)
		return false;
	nul = memchr(name.p, '\0', name.n);
	if (nul == NULL)
		return false;
	*ret_tenant = (struct slice){ name.p, (size_t)(nul - name.p) };
	*ret_key = (struct slice){ nul + 1, name.n - ret_tenant->n - 1 };
	return true;
}

int
sequencer_state_load_log(struct sequencer *s, struct rd *r)
{
	struct slice name = rd_str16(r), tenant, key;
	uint32_t attempt = rd_u32(r);
	uint64_t last = rd_u64(r);
	struct table_stream *st;

	if (r->failed || attempt == 0 || last == 0 ||
	    !split_name(name, &tenant, &key))
		return -1;
	/* One that is not there came later: the journal will tell of it. */
	st = stream_table_find(&s->table, tenant, key);
	if (st != NULL)
		log_lines_note(&s->logs, &st->logs,
		    stream_table_number(&s->table, st), attempt, last);
	return 0;
}

int
sequencer_state_load_grace(struct sequencer *s, struct rd *r)
{
	uint32_t type = rd_u32(r), grace_ms = rd_u32(r);

	if (r->failed || type >= STREAM_TYPE_MAX)
		return -1;
	(void)sequencer_log_grace(s, (enum stream_type)type, grace_ms);
	return 0;
}

/* Of a file from before there was a time of the end, or of grace, the log is
 * over. */
static void
load_flags(struct table_stream *st, struct rd *r)
{
	uint8_t flags = rd_u8(r);

	if ((flags & STREAM_TIMED) != 0)
		st->ended_ms = (int64_t)rd_u64(r);
	if ((flags & STREAM_GRACED) != 0)
		st->grace_ms = rd_u32(r) & STREAM_GRACE_MAX;
	st->flags = flags & (uint8_t)~(STREAM_TIMED | STREAM_GRACED);
}

static int
load_machines(struct sequencer *s, struct table_stream *st, struct rd *r)
{
	static const uint8_t own[EVENT_HASH_SIZE];
	uint32_t n = rd_u32(r);

	if (r->failed || n > MACHINE_PARTS_MAX + 1)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		struct item item = { .flags = ITEM_PART };
		const void *part = rd_bytes(r, EVENT_HASH_SIZE), *body;

		item.position.epoch = rd_u32(r);
		item.position.number = rd_u64(r);
		item.state = rd_u8(r);
		item.attempt = rd_u32(r);
		body = rd_bytes(r, EVENT_HASH_SIZE);
		if (r->failed)
			return -1;
		memcpy(item.part, part, EVENT_HASH_SIZE);
		memcpy(item.body, body, EVENT_HASH_SIZE);
		if (memcmp(item.part, own, EVENT_HASH_SIZE) == 0)
			item.flags = ITEM_LIFECYCLE;
		sequencer_apply_machine(s, st, &item);
	}
	return 0;
}

int
sequencer_state_load(struct sequencer *s, struct rd *r)
{
	struct slice name, tenant, key;
	struct table_stream in = { 0 }, *st;
	uint32_t number = rd_u32(r);

	name = rd_str16(r);
	in.seq = rd_u64(r);
	in.last = rd_u64(r);
	in.gone = rd_u64(r);
	load_flags(&in, r);
	if (r->failed || number >= NUMBERS_MAX ||
	    !split_name(name, &tenant, &key))
		return -1;
	st = stream_table_get(&s->table, tenant, key);
	machine_table_drop(&s->machines, &st->machines);
	in.name = st->name;
	in.name_len = st->name_len;
	in.hash = st->hash;
	in.logs = st->logs;
	in.machines = MACHINE_NONE;
	*st = in;
	note_number(s, number, stream_table_number(&s->table, st));
	return load_machines(s, st, r);
}

void
sequencer_state_load_end(struct sequencer *s, bool complete)
{
	if (complete)
		trail_renumber(&s->trail, s->numbers, s->n_numbers);
	else
		trail_clear(&s->trail);
	free(s->numbers);
	s->numbers = NULL;
	s->n_numbers = 0;
}
