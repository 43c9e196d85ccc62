#include "store/run_progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "store/projection.h"

#define SOURCE "/store"

/* Names, in the order of enum run_count. */
static const char *const names[RUN_COUNT_MAX] = { "queued", "running",
	"succeeded", "failed", "canceled" };
/* The end of such an idempotency key, which stands as the body's hash, too. A
 * publisher's are hashes of two texts: they would have to be the same in all
 * their 128 bits, and so end. */
static const uint8_t tag[4] = { 'r', 'u', 'n', 0 };

void
run_progress_clear(struct run_progress *p)
{
	free(p->tenant);
	free(p->key);
	*p = (struct run_progress){ .tenant = NULL };
}

struct run_progress
run_progress_copy(const struct run_progress *p)
{
	struct run_progress copy = *p;

	copy.tenant = xstrdup(p->tenant);
	copy.key = xstrdup(p->key);
	return copy;
}

enum run_count
run_progress_count(enum lifecycle_state job)
{
	if (job == LIFECYCLE_SUCCEEDED)
		return RUN_SUCCEEDED;
	if (job == LIFECYCLE_FAILED || job == LIFECYCLE_TIMED_OUT)
		return RUN_FAILED;
	if (job == LIFECYCLE_CANCELED)
		return RUN_CANCELED;
	if (job == LIFECYCLE_LEASED || job == LIFECYCLE_RUNNING)
		return RUN_RUNNING;
	return RUN_QUEUED;
}

uint64_t
run_progress_known(const struct run_progress *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < RUN_COUNT_MAX; i++)
		sum += p->counts[i];
	return sum;
}

uint64_t
run_progress_total(const struct run_progress *p)
{
	return MAX(p->own_total, run_progress_known(p));
}

void
run_progress_move(struct run_progress *p, enum run_count from,
    enum run_count to, struct position by)
{
	if (from == to)
		return;
	/* A row that was damaged must not make 2^64 - 1 of nothing. */
	if (from != RUN_COUNT_MAX && p->counts[from] > 0)
		p->counts[from]--;
	p->counts[to]++;
	p->changed = by;
}

/* --- the event ------------------------------------------------------------ */

static void
add_data(struct buf *b, const struct run_progress *p)
{
	buf_addc(b, '{');
	buf_json_member(b, "run_id", stream_key_name(slice_str(p->key)));
	buf_addf(b, ",\"state\":\"%s\"", lifecycle_word(p->state));
	if (p->previous == LIFECYCLE_NONE)
		buf_adds(b, ",\"previous_state\":null");
	else
		buf_addf(b, ",\"previous_state\":\"%s\"",
		    lifecycle_word(p->previous));
	buf_addf(b, ",\"total_jobs\":%" PRIu64, run_progress_total(p));
	for (int i = 0; i < RUN_COUNT_MAX; i++)
		buf_addf(b, ",\"%s\":%" PRIu64, names[i], p->counts[i]);
	buf_addc(b, '}');
}

static void
key_of(struct position changed, uint8_t ret[EVENT_HASH_SIZE])
{
	for (size_t i = 0; i < 4; i++)
		ret[i] = (uint8_t)(changed.epoch >> (8 * i));
	for (size_t i = 0; i < 8; i++)
		ret[4 + i] = (uint8_t)(changed.number >> (8 * i));
	memcpy(ret + 12, tag, sizeof(tag));
}

void
run_event_make(struct run_event *e, const struct run_progress *p,
    int64_t now_unix_ms)
{
	char when[MONO_RFC3339_SIZE];
	struct buf *f = &e->frame;

	*e = (struct run_event){ .frame = BUF_EMPTY };
	buf_adds(f, "\"type\":\"run\",");
	buf_json_member(f, "stream_key", slice_str(p->key));
	buf_addf(f, ",\"event_type\":\"run.progress\",\"timestamp\":\"%s\","
	    "\"source\":\"" SOURCE "\",\"version\":1,",
	    wall_format(now_unix_ms, when));
	buf_json_member(f, "tenant", slice_str(p->tenant));
	buf_adds(f, ",\"terminal\":false,\"data\":");
	e->item.data_off = (uint32_t)f->len;
	add_data(f, p);
	buf_addc(f, '}');
	e->item.flags = ITEM_GUARDED | ITEM_IDEMPOTENT;
	e->item.guard = p->guard;
	e->item.tenant = slice_str(p->tenant);
	e->item.key = slice_str(p->key);
	e->item.event_type = slice_str("run.progress");
	e->item.frame = (struct slice){ (const char *)f->data, f->len };
	key_of(p->changed, e->item.idem);
	/* Whatever its state was: the counts are the same. */
	key_of(p->changed, e->item.body);
}

void
run_event_clear(struct run_event *e)
{
	buf_free(&e->frame);
	e->item = (struct item){ .group = 0 };
}

bool
run_event_told(const struct item *item, struct position *ret)
{
	struct position p = { 0, 0 };

	if ((item->flags & ITEM_IDEMPOTENT) == 0 ||
	    !slice_is(item->event_type, "run.progress") ||
	    memcmp(item->idem + 12, tag, sizeof(tag)) != 0 ||
	    memcmp(item->idem, item->body, EVENT_HASH_SIZE) != 0)
		return false;
	for (size_t i = 0; i < 4; i++)
		p.epoch |= (uint32_t)item->idem[i] << (8 * i);
	for (size_t i = 0; i < 8; i++)
		p.number |= (uint64_t)item->idem[4 + i] << (8 * i);
	*ret = p;
	return true;
}
