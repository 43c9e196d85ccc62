#include "gateway/conn_row.h"

#include <stdatomic.h>
#include <string.h>

#include "gateway/flight.h"

/* A parameter more is a place more in the row, and another version; but for
 * those of SSE_END, whose row is adrift. */
_Static_assert(sizeof(struct sse_control) == 104,
    "struct sse_control and struct conn_row belong together");
_Static_assert(SSE_KIND_MAX <= UINT8_MAX && SSE_REASON_MAX <= UINT8_MAX,
    "they are kept in a byte");

/* --- writing -------------------------------------------------------------- */

/* The process may be killed between any two stores: who reads the row then
 * sees the odd number. Only the compiler must keep the order, since a reader
 * comes after the writer's end. */
static void
change_begin(struct conn_row *r)
{
	r->generation |= 1u;
	atomic_signal_fence(memory_order_seq_cst);
}

static void
change_end(struct conn_row *r)
{
	atomic_signal_fence(memory_order_seq_cst);
	r->generation++;
}

void
conn_row_header_init(struct conn_row_header *h, uint32_t rows,
    uint64_t incarnation)
{
	*h = (struct conn_row_header){
		.magic = CONN_ROW_MAGIC,
		.version = CONN_ROW_VERSION,
		.header_size = sizeof(struct conn_row_header),
		.row_size = sizeof(struct conn_row),
		.rows = rows,
		.incarnation = incarnation,
	};
}

bool
conn_row_header_good(const struct conn_row_header *h, size_t bytes)
{
	return bytes >= sizeof(*h) && h->magic == CONN_ROW_MAGIC &&
	    h->version == CONN_ROW_VERSION &&
	    h->header_size == sizeof(struct conn_row_header) &&
	    h->row_size == sizeof(struct conn_row) &&
	    h->rows <= (bytes - sizeof(*h)) / sizeof(struct conn_row);
}

void
conn_row_begin(struct conn_row *r, uint64_t connection)
{
	change_begin(r);
	memset(&r->subscription, 0, sizeof(*r) - offsetof(struct conn_row,
	    subscription));
	r->connection = connection;
	change_end(r);
}

void
conn_row_subscribe(struct conn_row *r, uint32_t subscription)
{
	change_begin(r);
	r->subscription = subscription;
	r->place = subscription == 0 ? CONN_ROW_FREE : CONN_ROW_ADRIFT;
	change_end(r);
}

void
conn_row_anchor(struct conn_row *r, struct position base, uint64_t bytes)
{
	change_begin(r);
	r->base_number = base.number;
	r->base_epoch = base.epoch;
	r->base_bytes = bytes;
	r->control_kind = SSE_NONE;
	r->place = CONN_ROW_ANCHORED;
	change_end(r);
}

void
conn_row_control(struct conn_row *r, struct position base, uint64_t bytes,
    const struct sse_control *control, bool anchored)
{
	change_begin(r);
	r->base_number = base.number;
	r->base_epoch = base.epoch;
	r->base_bytes = bytes;
	r->place = anchored && control->kind != SSE_END ? CONN_ROW_ANCHORED :
	    CONN_ROW_ADRIFT;
	r->control_kind = (uint8_t)control->kind;
	r->control_reason = (uint8_t)control->reason;
	r->id_number = control->id.number;
	r->id_epoch = control->id.epoch;
	r->tip_number = control->tip.number;
	r->tip_epoch = control->tip.epoch;
	r->oldest_number = control->oldest.number;
	r->oldest_epoch = control->oldest.epoch;
	r->ts_unix_ms = control->ts_unix_ms;
	r->n = control->n;
	r->heartbeat_ms = (uint32_t)control->heartbeat_ms;
	r->idle_timeout_ms = control->idle_timeout_ms;
	r->retry_ms = (uint32_t)control->retry_ms;
	change_end(r);
}

void
conn_row_adrift(struct conn_row *r)
{
	/* One byte: nobody sees half of it. */
	r->place = CONN_ROW_ADRIFT;
	atomic_signal_fence(memory_order_seq_cst);
}

/* --- reading -------------------------------------------------------------- */

struct sse_control
conn_row_frame(const struct conn_row *r)
{
	return (struct sse_control){
		.kind = (enum sse_kind)r->control_kind,
		.reason = (enum sse_reason)r->control_reason,
		.id = { r->id_epoch, r->id_number },
		.tip = { r->tip_epoch, r->tip_number },
		.oldest = { r->oldest_epoch, r->oldest_number },
		.ts_unix_ms = r->ts_unix_ms,
		.n = r->n,
		.heartbeat_ms = r->heartbeat_ms,
		.idle_timeout_ms = r->idle_timeout_ms,
		.retry_ms = r->retry_ms,
	};
}

/* The control frame's bytes; 0 without one. */
static size_t
control_bytes(const struct conn_row *r, const struct hub_subscription *s,
    struct buf *b)
{
	struct sse_control control = conn_row_frame(r);
	struct buf keys = BUF_EMPTY;

	if (control.kind == SSE_OPEN)
		hub_keys_json(&keys, s);
	if (control.kind != SSE_NONE && sse_control(b, &control,
	    (struct slice){ (const char *)keys.data, keys.len }) == -1)
		buf_reset(b);
	buf_free(&keys);
	return b->len;
}

/* `left` bytes of the events behind *cursor were taken. */
static bool
resume_events(struct hub *h, struct hub_subscription *s,
    const struct ring *ring, uint64_t left, struct position *cursor,
    struct buf *rest)
{
	uint64_t positions[64];
	struct ring_frame f;
	size_t n = 1, i, seen;

	for (seen = 0; left > 0 && n > 0 && seen < CONN_ROW_AHEAD; seen += n) {
		n = hub_list(h, s, cursor->number, positions,
		    NELEM(positions));
		for (i = 0; i < n && left > 0; i++) {
			if (!ring_get(ring, positions[i], &f) ||
			    flight_is_special(s, &f))
				return false;
			cursor->number = positions[i];
			if (left < f.n)
				buf_add(rest, f.chunk + left, f.n - left);
			left -= MIN(left, f.n);
		}
	}
	return left == 0;
}

bool
conn_row_resume(const struct conn_row *r, uint64_t sent, struct hub *h,
    const struct ring *ring, struct position *ret_cursor, struct buf *rest)
{
	struct hub_subscription *s = r->subscription == 0 ? NULL :
	    hub_get(h, r->subscription - 1);
	struct position cursor = { r->base_epoch, r->base_number };
	struct buf control = BUF_EMPTY;
	uint64_t left;
	size_t n;
	bool known;

	if ((r->generation & 1u) != 0 || r->place != CONN_ROW_ANCHORED ||
	    s == NULL || sent < r->base_bytes ||
	    cursor.epoch != ring_tip(ring).epoch)
		return false;
	(void)hub_next(h, s, cursor.number);
	if (cursor.number < s->lost_through)
		return false;
	left = sent - r->base_bytes;
	n = control_bytes(r, s, &control);
	known = true;
	if (left < n)
		buf_add(rest, control.data + left, n - left);
	else
		known = resume_events(h, s, ring, left - n, &cursor, rest);
	buf_free(&control);
	if (known)
		*ret_cursor = cursor;
	return known;
}
