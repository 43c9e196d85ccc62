#include "common/query_wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

/* --- questions ----------------------------------------------------------- */

void
query_wire_head(struct buf *b, const struct query_head *head)
{
	buf_u8(b, (uint8_t)head->op);
	buf_u64(b, head->asker);
	buf_u64(b, head->ticket);
	buf_u32(b, head->deadline_ms);
}

int
query_wire_head_decode(struct rd *r, struct query_head *ret)
{
	uint8_t op = rd_u8(r);

	ret->asker = rd_u64(r);
	ret->ticket = rd_u64(r);
	ret->deadline_ms = rd_u32(r);
	if (r->failed || (op != QUERY_SNAPSHOT && op != QUERY_JSON &&
	    op != QUERY_LAST && op != QUERY_HISTORY && op != QUERY_OPEN_LOGS))
		return -1;
	ret->op = (enum query_op)op;
	return 0;
}

static void
put_streams(struct buf *b, struct slice tenant, const struct slice *selectors,
    size_t n)
{
	size_t i;

	buf_str16(b, tenant.p, tenant.n);
	buf_u16(b, (uint16_t)n);
	for (i = 0; i < n; i++)
		buf_str16(b, selectors[i].p, selectors[i].n);
}

void
query_wire_snapshot(struct buf *b, struct position wait, struct slice tenant,
    const struct slice *selectors, size_t n)
{
	assert(n <= QUERY_SELECTORS_MAX);
	buf_u32(b, wait.epoch);
	buf_u64(b, wait.number);
	put_streams(b, tenant, selectors, n);
}

void
query_wire_page(struct buf *b, struct position wait, struct slice tenant,
    struct slice selector, struct slice after)
{
	query_wire_snapshot(b, wait, tenant, &selector, 1);
	buf_str16(b, after.p, after.n);
}

int
query_wire_wait_decode(struct rd *r, struct position *ret)
{
	ret->epoch = rd_u32(r);
	ret->number = rd_u64(r);
	return r->failed ? -1 : 0;
}

int
query_wire_snapshot_decode(struct rd *r, struct slice *ret_tenant,
    struct slice **ret_selectors, size_t *ret_n, struct slice *ret_after)
{
	struct slice tenant = rd_str16(r), after = SLICE_NONE, *selectors;
	size_t i, n = rd_u16(r);

	if (r->failed || n > QUERY_SELECTORS_MAX)
		return -1;
	selectors = xcalloc(n + 1, sizeof(*selectors));
	for (i = 0; i < n; i++)
		selectors[i] = rd_str16(r);
	if (n == 1 && !rd_done(r))
		after = rd_str16(r);
	if (!rd_done(r)) {
		free(selectors);
		return -1;
	}
	*ret_tenant = tenant;
	*ret_selectors = selectors;
	*ret_n = n;
	*ret_after = after;
	return 0;
}

void
query_wire_json(struct buf *b, struct slice json)
{
	buf_str32(b, json.p, json.n);
}

void
query_wire_history(struct buf *b, struct position wait,
    const struct query_history_ask *ask)
{
	size_t i;

	assert(ask->n_types <= QUERY_HISTORY_TYPES);
	buf_u32(b, wait.epoch);
	buf_u64(b, wait.number);
	buf_str16(b, ask->tenant.p, ask->tenant.n);
	buf_str16(b, ask->key.p, ask->key.n);
	buf_u8(b, ask->behind);
	buf_u32(b, ask->after.epoch);
	buf_u64(b, ask->after.number);
	buf_u32(b, ask->limit);
	buf_u16(b, (uint16_t)ask->n_types);
	for (i = 0; i < ask->n_types; i++)
		buf_str16(b, ask->types[i].p, ask->types[i].n);
}

int
query_wire_history_decode(struct rd *r, struct query_history_ask *ret)
{
	size_t i;

	*ret = (struct query_history_ask){ .limit = 0 };
	ret->tenant = rd_str16(r);
	ret->key = rd_str16(r);
	ret->behind = rd_u8(r) != 0;
	ret->after.epoch = rd_u32(r);
	ret->after.number = rd_u64(r);
	ret->limit = rd_u32(r);
	ret->n_types = rd_u16(r);
	if (r->failed || ret->limit == 0 || ret->limit > QUERY_HISTORY_LIMIT ||
	    ret->n_types > QUERY_HISTORY_TYPES)
		return -1;
	for (i = 0; i < ret->n_types; i++)
		ret->types[i] = rd_str16(r);
	return rd_done(r) ? 0 : -1;
}

void
query_wire_last(struct buf *b, struct slice tenant,
    const struct slice *selectors, size_t n)
{
	assert(n <= QUERY_LAST_SELECTORS_MAX);
	put_streams(b, tenant, selectors, n);
}

int
query_wire_last_decode(struct rd *r, struct slice *ret_tenant,
    struct slice ret_selectors[QUERY_LAST_SELECTORS_MAX], size_t *ret_n)
{
	struct slice tenant = rd_str16(r);
	size_t i, n = rd_u16(r);

	if (r->failed || n > QUERY_LAST_SELECTORS_MAX)
		return -1;
	for (i = 0; i < n; i++)
		ret_selectors[i] = rd_str16(r);
	if (!rd_done(r))
		return -1;
	*ret_tenant = tenant;
	*ret_n = n;
	return 0;
}

void
query_wire_open_logs(struct buf *b, uint64_t from)
{
	buf_u64(b, from);
}

int
query_wire_open_logs_decode(struct rd *r, uint64_t *ret_from)
{
	*ret_from = rd_u64(r);
	return rd_done(r) ? 0 : -1;
}

/* --- answers ------------------------------------------------------------- */

bool
query_wire_answer_ok(struct slice answer)
{
	return answer.n > 0 && answer.p[0] == 0;
}

int
query_wire_answer_snapshot(struct slice answer, struct query_snapshot *ret)
{
	struct rd r = rd_init(answer.p, answer.n);
	struct query_snapshot s;

	(void)rd_u8(&r);
	s.as_of.epoch = rd_u32(&r);
	s.as_of.number = rd_u64(&r);
	s.complete = rd_u8(&r) != 0;
	s.count = rd_u32(&r);
	s.items = r;
	if (r.failed)
		return -1;
	*ret = s;
	return 0;
}

int
query_wire_answer_json(struct slice answer, struct slice *ret)
{
	struct rd r = rd_init(answer.p, answer.n);
	struct slice json;

	(void)rd_u8(&r);
	json = rd_str32(&r);
	if (!rd_done(&r))
		return -1;
	*ret = json;
	return 0;
}

void
query_wire_answer_history(struct buf *b, const struct query_history *history)
{
	size_t i;

	assert(history->n_gaps <= QUERY_HISTORY_GAPS);
	buf_u32(b, history->as_of.epoch);
	buf_u64(b, history->as_of.number);
	buf_u8(b, history->more);
	buf_u32(b, history->end.epoch);
	buf_u64(b, history->end.number);
	buf_u16(b, (uint16_t)history->n_gaps);
	for (i = 0; i < history->n_gaps; i++) {
		buf_u8(b, (uint8_t)history->gaps[i].reason);
		buf_u64(b, history->gaps[i].from);
		buf_u64(b, history->gaps[i].to);
	}
	buf_u32(b, history->count);
}

int
query_wire_answer_history_decode(struct slice answer,
    struct query_history *ret)
{
	struct rd r = rd_init(answer.p, answer.n);
	uint8_t reason;
	size_t i;

	(void)rd_u8(&r);
	*ret = (struct query_history){ .count = 0 };
	ret->as_of.epoch = rd_u32(&r);
	ret->as_of.number = rd_u64(&r);
	ret->more = rd_u8(&r) != 0;
	ret->end.epoch = rd_u32(&r);
	ret->end.number = rd_u64(&r);
	ret->n_gaps = rd_u16(&r);
	if (r.failed || ret->n_gaps > QUERY_HISTORY_GAPS)
		return -1;
	for (i = 0; i < ret->n_gaps; i++) {
		reason = rd_u8(&r);
		if (reason >= QUERY_GAP_REASON_MAX)
			return -1;
		ret->gaps[i].reason = (enum query_gap_reason)reason;
		ret->gaps[i].from = rd_u64(&r);
		ret->gaps[i].to = rd_u64(&r);
	}
	ret->count = rd_u32(&r);
	ret->items = r;
	return r.failed ? -1 : 0;
}

void
query_wire_answer_last(struct buf *b, const struct query_last *last)
{
	buf_u8(b, 0);
	buf_u32(b, last->as_of.epoch);
	buf_u64(b, last->as_of.number);
	buf_u64(b, last->last);
	buf_u64(b, last->oldest);
	buf_u64(b, last->gone);
	buf_u64(b, last->ended);
	buf_u8(b, last->state);
	assert(last->n <= QUERY_LAST_SELECTORS_MAX);
	buf_u16(b, (uint16_t)last->n);
	for (size_t i = 0; i < last->n; i++) {
		buf_u8(b, (uint8_t)last->streams[i].how);
		buf_u8(b, last->streams[i].state);
		buf_u32(b, last->streams[i].last.epoch);
		buf_u64(b, last->streams[i].last.number);
		buf_u64(b, (uint64_t)last->streams[i].until_ms);
	}
}

static int
read_stream(struct rd *r, struct query_stream *ret)
{
	uint8_t how = rd_u8(r);

	ret->how = (enum query_how)how;
	ret->state = rd_u8(r);
	ret->last.epoch = rd_u32(r);
	ret->last.number = rd_u64(r);
	ret->until_ms = (int64_t)rd_u64(r);
	return r->failed || how >= QUERY_HOW_MAX || ret->until_ms < 0 ? -1 : 0;
}

int
query_wire_answer_last_decode(struct slice answer, struct query_last *ret)
{
	struct rd r = rd_init(answer.p, answer.n);
	struct query_last last;
	size_t i;

	(void)rd_u8(&r);
	last.as_of.epoch = rd_u32(&r);
	last.as_of.number = rd_u64(&r);
	last.last = rd_u64(&r);
	last.oldest = rd_u64(&r);
	last.gone = rd_u64(&r);
	last.ended = rd_u64(&r);
	last.state = rd_u8(&r);
	last.n = rd_u16(&r);
	if (r.failed || last.n > QUERY_LAST_SELECTORS_MAX)
		return -1;
	for (i = 0; i < last.n; i++)
		if (read_stream(&r, &last.streams[i]) == -1)
			return -1;
	if (!rd_done(&r))
		return -1;
	*ret = last;
	return 0;
}

void
query_wire_answer_open_logs(struct buf *b, const struct query_open_logs *page)
{
	buf_u8(b, 0);
	buf_u32(b, page->as_of.epoch);
	buf_u64(b, page->as_of.number);
	buf_u64(b, page->next);
	buf_u32(b, page->count);
}

void
query_wire_open_log(struct buf *b, const struct query_open_log *log)
{
	buf_str16(b, log->tenant.p, log->tenant.n);
	buf_str16(b, log->key.p, log->key.n);
	buf_u8(b, log->state);
	buf_u32(b, log->last.epoch);
	buf_u64(b, log->last.number);
	buf_u64(b, (uint64_t)log->until_ms);
}

int
query_wire_answer_open_logs_decode(struct slice answer,
    struct query_open_logs *ret)
{
	struct rd r = rd_init(answer.p, answer.n);

	(void)rd_u8(&r);
	ret->as_of.epoch = rd_u32(&r);
	ret->as_of.number = rd_u64(&r);
	ret->next = rd_u64(&r);
	ret->count = rd_u32(&r);
	ret->logs = r;
	return r.failed ? -1 : 0;
}

int
query_wire_open_log_decode(struct rd *r, struct query_open_log *ret)
{
	ret->tenant = rd_str16(r);
	ret->key = rd_str16(r);
	ret->state = rd_u8(r);
	ret->last.epoch = rd_u32(r);
	ret->last.number = rd_u64(r);
	ret->until_ms = (int64_t)rd_u64(r);
	return r->failed || ret->until_ms < 0 ? -1 : 0;
}

void
query_wire_answer_error_encode(struct buf *b, uint16_t status,
    const char *json)
{
	buf_u8(b, 1);
	buf_u16(b, status);
	buf_str32(b, json, strlen(json));
}

int
query_wire_answer_error(struct slice answer, uint16_t *ret_status,
    struct slice *ret_json)
{
	struct rd r = rd_init(answer.p, answer.n);
	struct slice json;
	uint16_t status;

	(void)rd_u8(&r);
	status = rd_u16(&r);
	json = rd_str32(&r);
	if (!rd_done(&r) || status == 0)
		return -1;
	*ret_status = status;
	*ret_json = json;
	return 0;
}
