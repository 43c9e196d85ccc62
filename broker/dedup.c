#include "broker/dedup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/idem_keys.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define DEDUP_MAGIC 0x44454455u

struct publisher_row {
	char			*name;
	uint64_t		 incarnation;
	uint64_t		 batch;        /* 0: none yet */
	struct position		 first;
	uint64_t		 count;
	uint32_t		 exceptions;
	struct record_exception	*list;
	uint64_t		 used_at;      /* by a counter, not a clock */
};

struct dedup {
	uint32_t		 magic;
	struct publisher_row	*publishers;
	size_t			 n_publishers;
	uint64_t		 use;
	uint64_t		 fences;
	struct idem_keys	*keys;
	int64_t			 window_ms;
	/* The last group's keys took the place of these. */
	struct idem_key		 dropped[EVENT_BATCH_MAX];
	size_t			 n_dropped;
};

struct dedup *
dedup_new(int64_t window_ms, uint32_t max_keys, uint64_t hash_seed)
{
	struct dedup *d = xcalloc(1, sizeof(*d));

	d->magic = DEDUP_MAGIC;
	d->window_ms = window_ms;
	d->keys = idem_keys_new(max_keys, hash_seed);
	return d;
}

void
dedup_free(struct dedup *d)
{
	if (d == NULL)
		return;
	assert(d->magic == DEDUP_MAGIC);
	for (size_t i = 0; i < d->n_publishers; i++) {
		free(d->publishers[i].name);
		free(d->publishers[i].list);
	}
	free(d->publishers);
	idem_keys_free(d->keys);
	d->magic = 0;
	free(d);
}

/* --- publishers ---------------------------------------------------------- */

static struct publisher_row *
row_find(struct dedup *d, struct slice name)
{
	for (size_t i = 0; i < d->n_publishers; i++) {
		if (slice_is(name, d->publishers[i].name))
			return &d->publishers[i];
	}
	return NULL;
}

static struct publisher_row *
row_get(struct dedup *d, struct slice name)
{
	struct publisher_row *row = row_find(d, name);
	size_t oldest = 0;

	if (row != NULL)
		return row;
	if (d->n_publishers < DEDUP_PUBLISHERS_MAX) {
		d->publishers = xreallocarray(d->publishers,
		    d->n_publishers + 1, sizeof(*d->publishers));
		row = &d->publishers[d->n_publishers++];
	} else {
		for (size_t i = 1; i < d->n_publishers; i++) {
			if (d->publishers[i].used_at <
			    d->publishers[oldest].used_at)
				oldest = i;
		}
		row = &d->publishers[oldest];
		free(row->name);
		free(row->list);
	}
	*row = (struct publisher_row){ .name = slice_dup(name) };
	return row;
}

static void
row_renew(struct dedup *d, struct publisher_row *row, uint64_t incarnation)
{
	if (incarnation <= row->incarnation)
		return;
	d->fences++;
	row->incarnation = incarnation;
	row->batch = 0;
	free(row->list);
	row->list = NULL;
	row->exceptions = 0;
}

enum dedup_verdict
dedup_register(struct dedup *d, struct slice publisher, uint64_t incarnation)
{
	struct publisher_row *row = row_get(d, publisher);

	row->used_at = ++d->use;
	if (incarnation < row->incarnation)
		return DEDUP_FENCED;
	row_renew(d, row, incarnation);
	return DEDUP_NEW;
}

uint64_t
dedup_fences(const struct dedup *d)
{
	return d->fences;
}

const char *
dedup_publisher(const struct dedup *d, size_t i, uint64_t *ret_incarnation)
{
	if (i >= d->n_publishers)
		return NULL;
	*ret_incarnation = d->publishers[i].incarnation;
	return d->publishers[i].name;
}

enum dedup_verdict
dedup_batch(struct dedup *d, struct slice publisher, uint64_t incarnation,
    uint64_t batch, struct dedup_answer *ret)
{
	const struct publisher_row *row;

	if (dedup_register(d, publisher, incarnation) == DEDUP_FENCED)
		return DEDUP_FENCED;
	row = row_find(d, publisher);
	if (batch > row->batch)
		return DEDUP_NEW;
	if (batch < row->batch)
		return DEDUP_OLD;
	*ret = (struct dedup_answer){ row->first, row->count,
	    row->exceptions, row->list };
	return DEDUP_REPEAT;
}

void
dedup_answered(struct dedup *d, struct slice publisher, uint64_t incarnation,
    uint64_t batch, const struct dedup_answer *a)
{
	struct publisher_row *row = row_get(d, publisher);

	row->used_at = ++d->use;
	row_renew(d, row, incarnation);
	if (incarnation < row->incarnation || batch < row->batch)
		return;
	row->batch = batch;
	row->first = a->first;
	row->count = a->count;
	free(row->list);
	row->list = a->exceptions == 0 ? NULL :
	    xmemdup(a->list, a->exceptions * sizeof(*a->list));
	row->exceptions = a->exceptions;
}

/* --- idempotency keys ---------------------------------------------------- */

void
dedup_undo(struct dedup *d, struct position first)
{
	const struct idem_key *key;

	while ((key = idem_keys_newest(d->keys)) != NULL &&
	    key->position.number >= first.number)
		idem_keys_drop_newest(d->keys);
	while (d->n_dropped > 0) {
		key = &d->dropped[--d->n_dropped];
		if (key->position.number < first.number)
			idem_keys_restore_oldest(d->keys, key);
	}
}

/* At the limit the oldest key makes room; it comes back with dedup_undo: what
 * is refused must not make others' keys be forgotten. */
static void
enter(struct dedup *d, const struct item *item, struct position at,
    int64_t now_ms)
{
	struct idem_key row = { .position = at, .time_ms = now_ms };

	memcpy(row.idem, item->idem, EVENT_HASH_SIZE);
	memcpy(row.body, item->body, EVENT_HASH_SIZE);
	if (idem_keys_full(d->keys))
		d->dropped[d->n_dropped++] = *idem_keys_oldest(d->keys);
	idem_keys_push(d->keys, &row);
}

static int
refuse(struct dedup *d, struct position first, enum record_code code,
    size_t item, struct position position, struct record_exception *ret)
{
	dedup_undo(d, first);
	ret->code = code;
	ret->item = (uint32_t)item;
	ret->position = position;
	ret->state = 0;
	return -1;
}

int
dedup_judge(struct dedup *d, const struct item *items, size_t n,
    struct position first, int64_t now_ms, struct record_exception *ret)
{
	struct position known_at = { 0, 0 }, last = { 0, 0 };
	size_t known = 0, entered = 0, first_known = 0;

	assert(n <= EVENT_BATCH_MAX);
	d->n_dropped = 0;
	for (size_t i = 0; i < n; i++) {
		struct position at = { first.epoch, first.number + i };
		const struct idem_key *old;

		if ((items[i].flags & ITEM_IDEMPOTENT) == 0) {
			entered++;
			continue;
		}
		old = idem_keys_find(d->keys, items[i].idem);
		if (old == NULL) {
			enter(d, &items[i], at, now_ms);
			entered++;
			continue;
		}
		if (memcmp(old->body, items[i].body, EVENT_HASH_SIZE) != 0 ||
		    old->position.number >= first.number)
			return refuse(d, first, RECORD_KEY_CONFLICT, i,
			    old->position.number >= first.number ?
			    (struct position){ 0, 0 } : old->position, ret);
		if (known++ == 0) {
			known_at = old->position;
			first_known = i;
		}
		last = old->position;
	}
	if (known == 0)
		return 0;
	if (entered > 0)
		return refuse(d, first, RECORD_KEY_CONFLICT, first_known,
		    known_at, ret);
	(void)refuse(d, first, RECORD_DUPLICATE, 0, known_at, ret);
	ret->last = last;
	return -1;
}

void
dedup_replay(struct dedup *d, const struct item *item, int64_t time_ms)
{
	struct idem_key row = { .position = item->position,
		.time_ms = time_ms }, *old;

	if ((item->flags & ITEM_IDEMPOTENT) == 0)
		return;
	memcpy(row.idem, item->idem, EVENT_HASH_SIZE);
	memcpy(row.body, item->body, EVENT_HASH_SIZE);
	old = idem_keys_find(d->keys, item->idem);
	if (old == NULL)
		idem_keys_push(d->keys, &row);
	else if (old->position.number <= row.position.number)
		*old = row;
}

void
dedup_expire(struct dedup *d, int64_t now_ms, size_t max)
{
	const struct idem_key *key;

	for (; max > 0; max--) {
		key = idem_keys_oldest(d->keys);
		if (key == NULL || key->time_ms > now_ms - d->window_ms)
			break;
		idem_keys_drop_oldest(d->keys);
	}
}

size_t
dedup_keys(const struct dedup *d)
{
	return idem_keys_count(d->keys);
}

/* --- state files --------------------------------------------------------- */

size_t
dedup_save_publishers(const struct dedup *d, size_t *cursor, size_t max,
    struct buf *b)
{
	size_t n = 0;

	for (; *cursor < d->n_publishers && n < max; (*cursor)++, n++) {
		const struct publisher_row *row = &d->publishers[*cursor];

		buf_str16(b, row->name, strlen(row->name));
		buf_u64(b, row->incarnation);
		buf_u64(b, row->batch);
		buf_u32(b, row->first.epoch);
		buf_u64(b, row->first.number);
		buf_u64(b, row->count);
		buf_u32(b, row->exceptions);
		for (uint32_t i = 0; i < row->exceptions; i++)
			record_exception_encode(b, &row->list[i]);
	}
	return n;
}

int
dedup_load_publisher(struct dedup *d, struct rd *r)
{
	struct record_exception *list;
	struct dedup_answer a = { 0 };
	struct slice name = rd_str16(r);
	uint64_t incarnation = rd_u64(r), batch = rd_u64(r);

	a.first.epoch = rd_u32(r);
	a.first.number = rd_u64(r);
	a.count = rd_u64(r);
	a.exceptions = rd_u32(r);
	if (r->failed || name.n > PUBLISHER_NAME_MAX ||
	    a.exceptions > EVENT_BATCH_MAX)
		return -1;
	list = xcalloc(a.exceptions, sizeof(*list));
	for (uint32_t i = 0; i < a.exceptions; i++)
		(void)record_exception_decode(r, &list[i]);
	a.list = list;
	if (!r->failed)
		dedup_answered(d, name, incarnation, batch, &a);
	free(list);
	return r->failed ? -1 : 0;
}

size_t
dedup_save_keys(const struct dedup *d, uint64_t *cursor, size_t max,
    struct buf *b)
{
	const struct idem_key *row;
	size_t n;

	for (n = 0; n < max; n++) {
		row = idem_keys_next(d->keys, cursor);
		if (row == NULL)
			break;
		buf_add(b, row->idem, EVENT_HASH_SIZE);
		buf_add(b, row->body, EVENT_HASH_SIZE);
		buf_u32(b, row->position.epoch);
		buf_u64(b, row->position.number);
		buf_u64(b, (uint64_t)row->time_ms);
	}
	return n;
}

int
dedup_load_key(struct dedup *d, struct rd *r)
{
	const void *idem = rd_bytes(r, EVENT_HASH_SIZE);
	const void *body = rd_bytes(r, EVENT_HASH_SIZE);
	struct item item = { .flags = ITEM_IDEMPOTENT };
	int64_t time_ms;

	item.position.epoch = rd_u32(r);
	item.position.number = rd_u64(r);
	time_ms = (int64_t)rd_u64(r);
	if (r->failed)
		return -1;
	memcpy(item.idem, idem, EVENT_HASH_SIZE);
	memcpy(item.body, body, EVENT_HASH_SIZE);
	dedup_replay(d, &item, time_ms);
	return 0;
}
