/*
 * conn_row: where a stream's bytes stand, as plain data: one row of fixed
 * layout for each connection slot, without a pointer, so that the table can
 * live in memory that outlives the process (architecture 5) and be read by a
 * process built later. From a row, its subscription, the ring and the count of
 * bytes that the kernel took, the next byte of the stream is known. Pure.
 *
 * A table is one conn_row_header, then `rows` rows; row i is of slot i. Words
 * have the machine's byte order: memory does not leave the machine. A reader
 * that finds another magic, version or size than its own adopts nothing. Every
 * change of the layout, and of what a control frame looks like, is another
 * CONN_ROW_VERSION.
 *
 *	base      all of the subscription up to this position, and nothing
 *		  behind it, was within the first base_bytes of the
 *		  connection's bytes (counted from its accept, the heads of
 *		  answers included)
 *	control   the frame that begins at base_bytes; SSE_NONE: none. The
 *		  events behind base follow it
 *	place	  ADRIFT: what is being sent is not in the ring (the head, a
 *		  snapshot, events of the journal, events without ids, the
 *		  end): such a client is cut, and resumes by id
 *
 * What a row does not hold: the hub's numbers of subscriptions are of the
 * process that wrote it, and another process has others, or none. Who adopts a
 * table must be given the selectors and types by number, subscribe to them
 * first, and read each row with the number put in its place: until something
 * hands them over, conn_row_resume is true only in the writer's own process, as
 * the tests use it, and no program adopts anything.
 *
 * A row may lag behind: base is moved when a control frame is written and when
 * a flush has handed over all it had, always at a frame's end. It is written in
 * steps; while `generation` is odd it is not to be believed.
 */
#ifndef SLUICE_CONN_ROW_H
#define SLUICE_CONN_ROW_H

#include <stddef.h>

#include "gateway/hub.h"
#include "gateway/sse_frame.h"

#define CONN_ROW_MAGIC   0x31574f5243554c53ull   /* "SLUCROW1" */
#define CONN_ROW_VERSION 1u
#define CONN_ROW_AHEAD   4096u   /* events behind base that are looked at */

struct conn_row_header {
	uint64_t	magic;
	uint32_t	version;
	uint32_t	header_size;
	uint32_t	row_size;
	uint32_t	rows;
	uint64_t	incarnation;     /* who writes it */
	uint8_t		reserved[96];    /* zero */
};

enum conn_row_place {
	CONN_ROW_FREE,           /* no stream: all else is nothing */
	CONN_ROW_ADRIFT,
	CONN_ROW_ANCHORED
};

/* The first 64 bytes are all that an event changes. */
struct conn_row {
	uint32_t	generation;
	uint32_t	subscription;    /* hub id + 1; 0: none */
	uint64_t	connection;      /* id told in stream.open */
	uint64_t	base_number;
	uint64_t	base_bytes;
	uint32_t	base_epoch;
	uint8_t		place;           /* enum conn_row_place */
	uint8_t		control_kind;    /* enum sse_kind */
	uint8_t		control_reason;  /* enum sse_reason */
	uint8_t		reserved1;
	uint32_t	reserved2[5];
	/* The control frame's parameters (struct sse_control). */
	uint32_t	retry_ms;
	uint64_t	id_number;
	uint64_t	tip_number;
	uint64_t	oldest_number;
	int64_t		ts_unix_ms;
	uint64_t	n;
	uint32_t	id_epoch;
	uint32_t	tip_epoch;
	uint32_t	oldest_epoch;
	uint32_t	heartbeat_ms;
	int64_t		idle_timeout_ms;
};

#define CONN_ROW_AT(member, offset) \
	_Static_assert(offsetof(struct conn_row, member) == (offset), \
	    "the layout of CONN_ROW_VERSION 1")

_Static_assert(sizeof(struct conn_row_header) == 128, "CONN_ROW_VERSION 1");
_Static_assert(sizeof(struct conn_row) == 128, "CONN_ROW_VERSION 1");
CONN_ROW_AT(generation, 0);
CONN_ROW_AT(subscription, 4);
CONN_ROW_AT(connection, 8);
CONN_ROW_AT(base_number, 16);
CONN_ROW_AT(base_bytes, 24);
CONN_ROW_AT(base_epoch, 32);
CONN_ROW_AT(place, 36);
CONN_ROW_AT(control_kind, 37);
CONN_ROW_AT(control_reason, 38);
CONN_ROW_AT(retry_ms, 60);
CONN_ROW_AT(id_number, 64);
CONN_ROW_AT(tip_number, 72);
CONN_ROW_AT(oldest_number, 80);
CONN_ROW_AT(ts_unix_ms, 88);
CONN_ROW_AT(n, 96);
CONN_ROW_AT(id_epoch, 104);
CONN_ROW_AT(tip_epoch, 108);
CONN_ROW_AT(oldest_epoch, 112);
CONN_ROW_AT(heartbeat_ms, 116);
CONN_ROW_AT(idle_timeout_ms, 120);

/* --- writing -------------------------------------------------------------- */

void	conn_row_header_init(struct conn_row_header *h, uint32_t rows,
	    uint64_t incarnation);
/* Of this build, and so are the rows behind it, which all lie within the
 * table's `bytes`. */
bool	conn_row_header_good(const struct conn_row_header *h, size_t bytes);

/* The slot is a connection's; `connection` 0: nobody's any more. */
void	conn_row_begin(struct conn_row *r, uint64_t connection);
void	conn_row_subscribe(struct conn_row *r, uint32_t subscription);
/* All up to `base` was within the first `bytes`, and the ring's follows. */
void	conn_row_anchor(struct conn_row *r, struct position base,
	    uint64_t bytes);
/* The same, but this frame comes first. `anchored` false: what follows it is
 * not from the ring. */
void	conn_row_control(struct conn_row *r, struct position base,
	    uint64_t bytes, const struct sse_control *control, bool anchored);
/* What is sent from now on is not in the ring. */
void	conn_row_adrift(struct conn_row *r);

/* --- reading -------------------------------------------------------------- */

/* The control frame of a row, SSE_NONE without. */
struct sse_control conn_row_frame(const struct conn_row *r);
/* The kernel took `sent` bytes of this connection: appends to `rest` what is
 * missing of the frame that they end in (nothing at a frame's end), and says in
 * *ret_cursor behind which position the subscription goes on after it. False:
 * it cannot be known; the client must be cut and resumes by id. */
bool	conn_row_resume(const struct conn_row *r, uint64_t sent, struct hub *h,
	    const struct ring *ring, struct position *ret_cursor,
	    struct buf *rest) MUST_CHECK;

#endif
