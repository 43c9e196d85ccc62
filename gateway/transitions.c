#include "gateway/transitions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/sip.h"
#include "common/xmalloc.h"
#include "gateway/test_hooks.h"

#define MACHINE_FLAGS (ITEM_LIFECYCLE | ITEM_PART)
/* Of one item: its part of the index, and what the heap adds. */
#define INDEX_BYTES_MAX (4 * sizeof(uint16_t))
#define HEAP_BYTES      (8 * 16)
#define NO_MACHINE    UINT32_MAX
#define NO_ROW        SIZE_MAX

struct machine {
	uint64_t		name;
	size_t			row;       /* its first event */
	struct transitions_now	known;     /* what the group is judged on */
	struct transitions_now	now;       /* behind what was judged */
};

struct row {
	struct item		item;      /* slices point into arena */
	struct event_state	state;
	enum lifecycle_verdict	verdict;
	enum lifecycle_state	before;
	struct transitions_now	at;        /* where it found its machine */
	uint32_t		machine;
	bool			ends;      /* its stream, in this group */
	bool			open;      /* but for its log */
};

struct transitions {
	struct row	*rows;
	size_t		 n;
	struct machine	*machines;
	size_t		 n_machines;
	size_t		 refused;      /* NO_ROW: none */
	size_t		 repeats;
	bool		 keys;
	char		*arena;
	struct item	*group;
	size_t		*indices;      /* of group's items in rows */
	size_t		 n_group;
	struct buf	 filled;
	uint16_t	*index;        /* machine + 1, by name */
	uint32_t	 mask;
};

/* Of names in a cache of guesses, where a collision costs a guard that is
 * lost; the key is the process's own. */
static uint64_t
name_of(const struct item *item)
{
	static struct sip_key key;
	static bool ready;
	struct buf b = BUF_EMPTY;
	uint64_t hash;

	if (!ready)
		sip_key_random(&key);
	ready = true;
	buf_str16(&b, item->tenant.p, item->tenant.n);
	buf_str16(&b, item->key.p, item->key.n);
	if ((item->flags & ITEM_PART) != 0)
		buf_add(&b, item->part, EVENT_HASH_SIZE);
	hash = sip_hash(&key, (struct slice){ (const char *)b.data, b.len });
	buf_free(&b);
	return hash;
}

static bool
same_stream(const struct item *a, const struct item *b)
{
	return slice_eq(a->key, b->key) && slice_eq(a->tenant, b->tenant);
}

static bool
same_machine(const struct item *a, const struct item *b)
{
	return (a->flags & ITEM_PART) == (b->flags & ITEM_PART) &&
	    same_stream(a, b) && ((a->flags & ITEM_PART) == 0 ||
	    memcmp(a->part, b->part, EVENT_HASH_SIZE) == 0);
}

bool
transitions_in(const struct item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((items[i].flags & MACHINE_FLAGS) != 0)
			return true;
	return false;
}

/* --- making --------------------------------------------------------------- */

static struct slice
keep(char **at, struct slice s)
{
	struct slice kept = { *at, s.n };

	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

static size_t
text_of(const struct item *item)
{
	return item->tenant.n + item->key.n + item->event_type.n +
	    item->subject.n + item->frame.n;
}

static void
copy_rows(struct transitions *t, const struct item *items,
    const struct event_state *states)
{
	size_t bytes = 1;
	char *at;

	for (size_t i = 0; i < t->n; i++)
		bytes += text_of(&items[i]);
	at = t->arena = xmalloc(bytes);
	for (size_t i = 0; i < t->n; i++) {
		struct row *r = &t->rows[i];

		r->item = items[i];
		r->state = states[i];
		r->machine = NO_MACHINE;
		r->item.tenant = keep(&at, items[i].tenant);
		r->item.key = keep(&at, items[i].key);
		r->item.event_type = keep(&at, items[i].event_type);
		r->item.subject = keep(&at, items[i].subject);
		r->item.frame = keep(&at, items[i].frame);
		t->keys |= (items[i].flags & ITEM_IDEMPOTENT) != 0;
	}
}

static void
find_machine(struct transitions *t, size_t i)
{
	struct row *r = &t->rows[i];
	uint64_t name = name_of(&r->item);
	uint32_t at = (uint32_t)name & t->mask, m;

	for (; (m = t->index[at]) != 0; at = (at + 1) & t->mask)
		if (t->machines[m - 1].name == name && same_machine(&r->item,
		    &t->rows[t->machines[m - 1].row].item))
			break;
	if (m == 0) {
		t->machines[t->n_machines] = (struct machine){ .name = name,
			.row = i };
		m = (uint32_t)++t->n_machines;
		t->index[at] = (uint16_t)m;
	}
	r->machine = m - 1;
}

struct transitions *
transitions_new(const struct item *items, const struct event_state *states,
    size_t n)
{
	struct transitions *t;

	assert(n > 0 && n <= EVENT_BATCH_MAX);
	t = xcalloc(1, sizeof(*t));
	t->n = n;
	t->rows = xcalloc(n, sizeof(*t->rows));
	t->machines = xcalloc(n, sizeof(*t->machines));
	t->group = xcalloc(n, sizeof(*t->group));
	t->indices = xcalloc(n, sizeof(*t->indices));
	t->refused = NO_ROW;
	for (t->mask = 1; t->mask < 2 * n; t->mask = 2 * t->mask + 1)
		continue;
	t->index = xcalloc(t->mask + 1, sizeof(*t->index));
	copy_rows(t, items, states);
	for (size_t i = 0; i < n; i++)
		if ((items[i].flags & MACHINE_FLAGS) != 0)
			find_machine(t, i);
	return t;
}

void
transitions_free(struct transitions *t)
{
	if (t == NULL)
		return;
	free(t->rows);
	free(t->machines);
	free(t->group);
	free(t->indices);
	free(t->index);
	free(t->arena);
	buf_free(&t->filled);
	free(t);
}

size_t
transitions_need(const struct item *items, size_t n)
{
	size_t bytes = n * (sizeof(struct transitions) + sizeof(struct row) +
	    sizeof(struct machine) + sizeof(struct item) + sizeof(size_t) +
	    INDEX_BYTES_MAX + HEAP_BYTES);

	/* Frames may have to be filled in: then they stand there twice. */
	for (size_t i = 0; i < n; i++)
		bytes += text_of(&items[i]) + items[i].frame.n;
	return bytes;
}

size_t
transitions_count(const struct transitions *t)
{
	return t->n;
}

bool
transitions_has_keys(const struct transitions *t)
{
	return t->keys;
}

/* --- machines ------------------------------------------------------------- */

size_t
transitions_machines(const struct transitions *t)
{
	return t->n_machines;
}

uint64_t
transitions_name(const struct transitions *t, size_t machine)
{
	return t->machines[machine].name;
}

struct item
transitions_question(const struct transitions *t, size_t machine)
{
	const struct item *first = &t->rows[t->machines[machine].row].item;
	struct item item = {
		.flags = (first->flags & MACHINE_FLAGS) | ITEM_GUARDED,
		.guard = ITEM_GUARD_NEVER,
		.tenant = first->tenant,
		.key = first->key,
		.event_type = first->event_type,
		.frame = slice_str("\"data\":{}}"),
		.data_off = 7,
	};

	memcpy(item.part, first->part, EVENT_HASH_SIZE);
	return item;
}

void
transitions_know(struct transitions *t, size_t machine,
    const struct transitions_now *now)
{
	t->machines[machine].known = *now;
}

const struct transitions_now *
transitions_now(const struct transitions *t, size_t machine)
{
	return &t->machines[machine].now;
}

size_t
transitions_machine_of(const struct transitions *t, size_t submitted)
{
	uint32_t m = submitted < t->n_group ?
	    t->rows[t->indices[submitted]].machine : NO_MACHINE;

	return m == NO_MACHINE ? SIZE_MAX : m;
}

enum lifecycle_machine
transitions_kind(const struct transitions *t, size_t item)
{
	return t->rows[item].state.machine;
}

/* --- judging -------------------------------------------------------------- */

/* An end of its stream stands before it in the group. */
static bool
ended_before(const struct transitions *t, size_t i)
{
	const struct row *r = &t->rows[i];

	for (size_t k = 0; k < i; k++) {
		const struct row *end = &t->rows[k];

		if (end->ends && same_stream(&end->item, &r->item) &&
		    (!end->open || r->machine != NO_MACHINE))
			return true;
	}
	return false;
}

/* The last line closes the log of what ended before it in the group. */
static void
close_log(struct transitions *t, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (t->rows[k].ends && same_stream(&t->rows[k].item,
		    &t->rows[i].item))
			t->rows[k].open = false;
}

static void
move(struct row *r, struct machine *m, const struct lifecycle_point *next)
{
	r->before = m->now.point.state;
	m->now.point = *next;
	m->now.position = (struct position){ 0, 0 };
	r->ends = (r->item.flags & ITEM_TERMINAL) != 0;
	r->open = (r->item.state & LIFECYCLE_LOGS_OPEN) != 0;
}

static enum lifecycle_verdict
judge_row(struct transitions *t, size_t i, bool ends)
{
	struct row *r = &t->rows[i];
	struct lifecycle_point next = { .attempt = r->item.attempt,
	    .state = (enum lifecycle_state)(r->item.state &
	    ~LIFECYCLE_LOGS_OPEN) };
	struct machine *m;
	enum lifecycle_verdict v;
	bool over;

	if (r->machine == NO_MACHINE)
		return ends && ended_before(t, i) ? LIFECYCLE_ENDED :
		    LIFECYCLE_ACCEPT;
	m = &t->machines[r->machine];
	memcpy(next.body, r->item.body, EVENT_HASH_SIZE);
	r->at = m->now;
	v = lifecycle_judge(r->state.machine, &m->now.point, &next,
	    r->state.previous);
	over = (r->item.flags & ITEM_PART) != 0 && (m->now.stream_over ||
	    (ends && ended_before(t, i)));
	if (over && v != LIFECYCLE_REPEAT) {
		r->at.stream_over = true;
		return LIFECYCLE_ENDED;
	}
	if (v == LIFECYCLE_ACCEPT)
		move(r, m, &next);
	return v;
}

enum transitions_verdict
transitions_judge(struct transitions *t)
{
	bool ends = false;

	t->refused = NO_ROW;
	t->repeats = 0;
	for (size_t i = 0; i < t->n_machines; i++)
		t->machines[i].now = t->machines[i].known;
	for (size_t i = 0; i < t->n; i++) {
		struct row *r = &t->rows[i];

		r->ends = false;
		r->verdict = judge_row(t, i, ends);
		ends |= r->ends;
		if ((r->item.flags & ITEM_LAST) != 0 && ends)
			close_log(t, i);
		if (r->verdict == LIFECYCLE_REPEAT)
			t->repeats++;
		else if (r->verdict != LIFECYCLE_ACCEPT &&
		    t->refused == NO_ROW)
			t->refused = i;
	}
	if (t->refused != NO_ROW)
		return TRANSITIONS_REFUSED;
	return t->repeats == t->n ? TRANSITIONS_REPEATED : TRANSITIONS_GO;
}

size_t
transitions_refused(const struct transitions *t,
    enum lifecycle_verdict *ret_verdict, struct transitions_now *ret_now)
{
	assert(t->refused != NO_ROW);
	*ret_verdict = t->rows[t->refused].verdict;
	*ret_now = t->rows[t->refused].at;
	return t->refused;
}

bool
transitions_refused_has_key(const struct transitions *t)
{
	assert(t->refused != NO_ROW);
	return (t->rows[t->refused].item.flags & ITEM_IDEMPOTENT) != 0;
}

static void
take(struct transitions *t, size_t i)
{
	const struct row *r = &t->rows[i];
	struct item *item = &t->group[t->n_group];

	*item = r->item;
	t->indices[t->n_group++] = i;
	if (r->machine == NO_MACHINE)
		return;
	item->flags |= ITEM_GUARDED;
	if (t->refused == NO_ROW && !test_hooks_has_bug("guards-lost"))
		item->guard = t->machines[r->machine].known.position;
	else
		item->guard = ITEM_GUARD_NEVER;
	if (r->verdict == LIFECYCLE_ACCEPT)
		event_state_fill(&t->filled, &r->item, &r->state, r->before);
	else
		buf_add(&t->filled, r->item.frame.p, r->item.frame.n);
	item->frame.n = t->filled.len;      /* where it ends; see group() */
}

size_t
transitions_group(struct transitions *t, const struct item **ret)
{
	size_t begin = 0;

	t->n_group = 0;
	buf_reset(&t->filled);
	for (size_t i = 0; i < t->n; i++)
		if (t->refused != NO_ROW ||
		    t->rows[i].verdict != LIFECYCLE_REPEAT)
			take(t, i);
	/* Only now does the buffer stay where it is. */
	for (size_t k = 0; k < t->n_group; k++) {
		struct item *item = &t->group[k];
		size_t end = item->frame.n;

		if (t->rows[t->indices[k]].machine == NO_MACHINE)
			continue;
		item->frame = (struct slice){
			(const char *)t->filled.data + begin, end - begin };
		begin = end;
	}
	*ret = t->group;
	return t->n_group;
}

size_t
transitions_index(const struct transitions *t, size_t submitted)
{
	return submitted < t->n_group ? t->indices[submitted] : 0;
}

size_t
transitions_repeats(const struct transitions *t, struct position *ret_first,
    struct position *ret_last)
{
	*ret_first = *ret_last = (struct position){ 0, 0 };
	for (size_t i = 0; i < t->n; i++) {
		const struct row *r = &t->rows[i];

		if (r->verdict != LIFECYCLE_REPEAT ||
		    r->at.position.epoch == 0)
			continue;
		if (ret_first->epoch == 0)
			*ret_first = r->at.position;
		*ret_last = r->at.position;
	}
	return t->repeats;
}

void
transitions_appended(struct transitions *t, struct position first)
{
	for (size_t k = 0; k < t->n_group; k++) {
		uint32_t m = t->rows[t->indices[k]].machine;

		if (m != NO_MACHINE)
			t->machines[m].now.position = (struct position){
				first.epoch, first.number + k };
	}
}
