#include "broker/publish.h"

#include <assert.h>
#include <stdlib.h>

#include "common/xmalloc.h"

struct publish_core {
	struct sequencer	*sequencer;
	struct dedup		*dedup;
	/* Scratch of one batch, so that no item costs an allocation. */
	struct item		*items;
	bool			*appended;
	struct record_exception	*exceptions;
	struct buf		 record;
};

struct publish_core *
publish_core_new(struct sequencer *s, struct dedup *d)
{
	struct publish_core *c = xcalloc(1, sizeof(*c));

	c->sequencer = s;
	c->dedup = d;
	c->items = xcalloc(EVENT_BATCH_MAX, sizeof(*c->items));
	c->appended = xcalloc(EVENT_BATCH_MAX, sizeof(*c->appended));
	c->exceptions = xcalloc(EVENT_BATCH_MAX, sizeof(*c->exceptions));
	return c;
}

void
publish_core_free(struct publish_core *c)
{
	if (c == NULL)
		return;
	free(c->items);
	free(c->appended);
	free(c->exceptions);
	buf_free(&c->record);
	free(c);
}

int
publish_request_decode(const void *p, size_t n, struct publish_request *ret)
{
	struct publish_request q = { 0 };
	struct rd r = rd_init(p, n);
	uint8_t op = rd_u8(&r);

	q.publisher = rd_str16(&r);
	q.incarnation = rd_u64(&r);
	q.batch = rd_u64(&r);
	ret->batch = q.batch;
	if (r.failed || q.publisher.n == 0 ||
	    q.publisher.n > PUBLISHER_NAME_MAX || n > PUBLISH_REQUEST_MAX)
		return -1;
	for (size_t i = 0; i < q.publisher.n; i++) {
		if (q.publisher.p[i] <= ' ' || q.publisher.p[i] == 0x7f)
			return -1;
	}
	if (op == PUBLISH_OP_EVENTS || op == PUBLISH_OP_EVENTS_READ) {
		q.op = PUBLISH_OP_EVENTS;
		q.reads = op == PUBLISH_OP_EVENTS_READ;
		q.count = rd_u32(&r);
		if (r.failed || q.count == 0 || q.count > EVENT_BATCH_MAX)
			return -1;
		q.items = r;
	} else if (op == PUBLISH_OP_REGISTER) {
		q.op = PUBLISH_OP_REGISTER;
		if (!rd_done(&r))
			return -1;
	} else {
		return -1;
	}
	*ret = q;
	return 0;
}

/* All items of the request, groups in ascending order; -1 if malformed. */
static int
read_items(struct publish_core *c, const struct publish_request *q)
{
	struct rd r = q->items;

	for (uint32_t i = 0; i < q->count; i++) {
		if (item_decode(&r, &c->items[i], false) < 0)
			return -1;
		if (i > 0 && c->items[i].group < c->items[i - 1].group)
			return -1;
	}
	return rd_done(&r) ? 0 : -1;
}

/* One atomic group; true when it was appended. */
static bool
take_group(struct publish_core *c, struct item *items, size_t n,
    int64_t now_ms, struct record_exception *e)
{
	struct position first = sequencer_tip(c->sequencer);

	first.number++;
	*e = (struct record_exception){ .group = items[0].group };
	if (dedup_judge(c->dedup, items, n, first, now_ms, e) < 0)
		return false;
	if (sequencer_judge(c->sequencer, items, n, e) < 0) {
		dedup_undo(c->dedup, first);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		sequencer_append(c->sequencer, &items[i]);
	return true;
}

static void
make_record(struct publish_core *c, const struct publish_request *q,
    int64_t now_ms, const struct publish_outcome *o)
{
	const struct record_header h = {
		.epoch = o->first.epoch,
		.first = o->first.number,
		.time_unix_ms = now_ms,
		.publisher = q->publisher,
		.incarnation = q->incarnation,
		.batch = q->batch,
		.exceptions = o->exceptions,
	};

	record_begin(&c->record, &h, c->exceptions);
	for (uint32_t i = 0; i < q->count; i++) {
		if (!c->appended[i])
			continue;
		/* The guards have done their work. */
		c->items[i].flags &=
		    (uint16_t)~(ITEM_GUARDED | ITEM_LOG_NEXT);
		record_item(&c->record, &c->items[i]);
	}
	record_end(&c->record);
}

int
publish_batch(struct publish_core *c, const struct publish_request *q,
    int64_t now_ms, struct publish_outcome *ret)
{
	struct publish_outcome o = { .record = &c->record };
	uint32_t start = 0, end;

	assert(q->op == PUBLISH_OP_EVENTS);
	if (read_items(c, q) < 0)
		return -1;
	buf_reset(&c->record);
	sequencer_at(c->sequencer, now_ms);
	o.first = sequencer_tip(c->sequencer);
	for (; start < q->count; start = end) {
		bool taken;

		for (end = start + 1; end < q->count &&
		    c->items[end].group == c->items[start].group; end++)
			;
		taken = take_group(c, &c->items[start], end - start, now_ms,
		    &c->exceptions[o.exceptions]);
		for (uint32_t i = start; i < end; i++)
			c->appended[i] = taken;
		if (taken)
			o.count += end - start;
		else
			o.exceptions++;
	}
	o.list = c->exceptions;
	if (o.count != 0) {
		struct dedup_answer a;

		o.first.number++;
		make_record(c, q, now_ms, &o);
		a = (struct dedup_answer){ o.first, o.count, o.exceptions,
		    o.list };
		dedup_answered(c->dedup, q->publisher, q->incarnation,
		    q->batch, &a);
	}
	*ret = o;
	return 0;
}

/* --- the way back -------------------------------------------------------- */

int
publish_replay(struct publish_core *c, const void *record, size_t n,
    struct err *err)
{
	struct dedup_answer a;
	struct record_header h;
	struct item item;
	struct rd r;

	if (record_decode(record, n, &h, &r, err) < 0)
		return -1;
	if (h.exceptions > EVENT_BATCH_MAX)
		return err_set(err, "record has %u exceptions", h.exceptions);
	for (uint32_t i = 0; i < h.exceptions; i++) {
		if (record_exception_decode(&r, &c->exceptions[i]) < 0)
			return err_set(err, "record has a bad exception");
	}
	sequencer_at(c->sequencer, h.time_unix_ms);
	for (uint32_t i = 0; i < h.count; i++) {
		if (record_item_decode(&r, &h, i, &item) < 0)
			return err_set(err, "record has a bad item");
		sequencer_replay(c->sequencer, &item);
		dedup_replay(c->dedup, &item, h.time_unix_ms);
	}
	a = (struct dedup_answer){ { h.epoch, h.first }, h.count,
	    h.exceptions, c->exceptions };
	dedup_answered(c->dedup, h.publisher, h.incarnation, h.batch, &a);
	return 0;
}

static struct position
shifted(const struct publish_shift *shift, struct position p)
{
	if (p.epoch != shift->from.epoch || p.number < shift->from.number)
		return p;
	p.epoch = shift->to.epoch;
	p.number = p.number - shift->from.number + shift->to.number;
	return p;
}

void
publish_shift_exceptions(const struct publish_shift *shift,
    struct record_exception *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		list[i].position = shifted(shift, list[i].position);
		list[i].last = shifted(shift, list[i].last);
	}
}

int
publish_restamp(struct publish_core *c, const struct publish_shift *shift,
    const void *record, size_t n, struct buf *ret, struct err *err)
{
	struct position first;
	struct record_header h;
	struct item item;
	struct rd r;
	uint32_t count;

	if (record_decode(record, n, &h, &r, err) < 0)
		return -1;
	for (uint32_t i = 0; i < h.exceptions; i++)
		(void)record_exception_decode(&r, &c->exceptions[i]);
	publish_shift_exceptions(shift, c->exceptions, h.exceptions);
	first = shifted(shift, (struct position){ h.epoch, h.first });
	h.epoch = first.epoch;
	h.first = first.number;
	count = h.count;
	buf_reset(ret);
	record_begin(ret, &h, c->exceptions);
	for (uint32_t i = 0; i < count; i++) {
		if (record_item_decode(&r, &h, i, &item) < 0)
			return err_set(err, "record has a bad item");
		record_item(ret, &item);
	}
	record_end(ret);
	return publish_replay(c, ret->data, ret->len, err);
}

void
publish_answer_encode(struct buf *b, enum publish_status status,
    uint64_t batch, struct position first, uint64_t count,
    uint32_t exceptions, const struct record_exception *list)
{
	buf_u8(b, (uint8_t)status);
	buf_u64(b, batch);
	buf_u32(b, first.epoch);
	buf_u64(b, first.number);
	buf_u64(b, count);
	buf_u32(b, exceptions);
	for (uint32_t i = 0; i < exceptions; i++)
		record_exception_encode(b, &list[i]);
}
