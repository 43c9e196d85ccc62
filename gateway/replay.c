#include "gateway/replay.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/journal.h"
#include "common/journal_file.h"
#include "common/journal_index.h"
#include "common/log.h"
#include "common/xmalloc.h"
#include "gateway/audience.h"
#include "gateway/connection.h"
#include "gateway/flight.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_end.h"
#include "gateway/stream_kind.h"
#include "gateway/test_hooks.h"

#define REPLAY_SEGMENTS_MAX 64u

struct replay_reader {
	struct journal_reader	*journal;
	uint64_t		 after;     /* where it stands */
	uint64_t		 used;      /* turn, for the oldest to go */
};

struct replay {
	struct gateway		*gateway;
	struct event		*turn;
	struct audience_queue	 waiting;
	uint64_t		 turns;
	struct replay_reader	 readers[REPLAY_READERS];
	struct journal_index	 memory;    /* what every reader is given */
};

static void	replay_turn_cb(evutil_socket_t fd, short what, void *arg);

struct replay *
replay_new(struct gateway *g)
{
	struct replay *r = xcalloc(1, sizeof(*r));

	r->gateway = g;
	TAILQ_INIT(&r->waiting);
	r->memory = (struct journal_index)JOURNAL_INDEX_EMPTY;
	r->turn = evtimer_new(g->role->base, replay_turn_cb, r);
	if (r->turn == NULL)
		fatalx("event_new failed");
	return r;
}

void
replay_free(struct replay *r)
{
	size_t i;

	if (r == NULL)
		return;
	event_free(r->turn);
	for (i = 0; i < REPLAY_READERS; i++)
		journal_reader_free(r->readers[i].journal);
	journal_index_clear(&r->memory);
	free(r);
}

static void
soon(struct replay *r)
{
	struct timeval now = { 0, 0 };

	if (!event_pending(r->turn, EV_TIMEOUT, NULL))
		(void)event_add(r->turn, &now);
}

void
replay_add(struct replay *r, struct conn *c)
{
	audience_wait(&r->waiting, c);
	soon(r);
}

void
replay_remove(struct replay *r, struct conn *c)
{
	audience_wait_over(&r->waiting, c);
}

static void
close_readers(struct replay *r)
{
	size_t i;

	for (i = 0; i < REPLAY_READERS; i++) {
		journal_reader_free(r->readers[i].journal);
		r->readers[i] = (struct replay_reader){ 0 };
	}
}

void
replay_add_segment(struct replay *r, uint64_t first, int fd)
{
	int own;

	/* The broker tells of each again whenever a reader joins, and never
	 * that one went: its heartbeat says from where it still has them. */
	journal_index_forget(&r->memory, r->gateway->beat.oldest);
	if (r->memory.n == REPLAY_SEGMENTS_MAX) {
		log_warn("a memory segment of the journal was not kept: "
		    "there are %u", REPLAY_SEGMENTS_MAX);
		return;
	}
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own == -1) {
		log_warn("a memory segment of the journal was not kept: %s",
		    strerror(errno));
		return;
	}
	journal_index_add_memory(&r->memory, first,
	    journal_file_files_end(own), own);
	close_readers(r);
}

void
replay_retract(struct replay *r, uint64_t tip)
{
	journal_index_retract(&r->memory, tip);
	close_readers(r);
}

/* The reader that stands at `after`, or the one unused for longest. */
static struct replay_reader *
reader_for(struct replay *r, uint64_t after, struct err *err)
{
	struct replay_reader *best = &r->readers[0], *x;
	size_t i;
	int fd;

	for (i = 0; i < REPLAY_READERS; i++) {
		x = &r->readers[i];
		if (x->journal != NULL && x->after == after) {
			best = x;
			break;
		}
		if (x->used < best->used)
			best = x;
	}
	best->used = ++r->turns;
	best->after = after;
	if (best->journal != NULL)
		return best;
	best->journal = journal_reader_new(r->gateway->journal, err);
	if (best->journal == NULL)
		return NULL;
	for (i = 0; i < r->memory.n; i++) {
		fd = fcntl(r->memory.segments[i].memory_fd,
		    F_DUPFD_CLOEXEC, 3);
		if (fd != -1)
			journal_reader_add_segment(best->journal,
			    r->memory.segments[i].first, fd);
	}
	return best;
}

static void
take_item(struct conn *c, const struct item *item, struct buf *frame)
{
	struct stream *s = &c->stream;

	buf_reset(frame);
	if (sse_event(frame, item) == -1)
		return;
	stream_add_event(c, frame->data, frame->len);
	s->events++;
	s->event_ms = gateway_now_ms();
	c->gateway->metrics.replayed++;
	c->gateway->metrics.events_delivered++;
}

/* One record's items that the client wants, into its `out`. */
static void
take_record(struct conn *c, const void *bytes, size_t n)
{
	struct stream *s = &c->stream;
	struct record_header header;
	struct record_exception exception;
	struct buf frame = BUF_EMPTY;
	struct item item;
	struct rd rd;
	uint32_t i;

	/* The reader checked it: what cannot be read is a bug. */
	if (record_decode(bytes, n, &header, &rd, NULL) == -1)
		return;
	for (i = 0; i < header.exceptions; i++)
		if (record_exception_decode(&rd, &exception) == -1)
			return;
	for (i = 0; i < header.count && c->out.len < STREAM_FILL &&
	    !s->over; i++) {
		if (record_item_decode(&rd, &header, i, &item) == -1)
			break;
		if (item.position.number <= s->cursor.number)
			continue;
		/* From "-1" it may still be of an epoch before. */
		s->cursor = item.position;
		if (hub_wants(s->sub, item.tenant, item.key,
		    item.event_type))
			take_item(c, &item, &frame);
		stream_end_replayed(c, &item);
	}
	buf_free(&frame);
}

/* Whether the ring has all that this client still wants. */
static bool
ring_has_rest(struct gateway *g, const struct stream *s)
{
	(void)hub_next(g->hub, s->sub, s->cursor.number);
	return s->cursor.number >= s->sub->lost_through ||
	    s->cursor.number + 1 >= ring_oldest(g->ring);
}

/* Reads for one client until its `out` is filled, slice or time are used up, or
 * the ring has the rest; one record at least. */
static void
read_journal(struct replay *r, struct conn *c, int64_t until)
{
	struct gateway *g = r->gateway;
	struct stream *s = &c->stream;
	struct err err = { 0 };
	struct replay_reader *x = reader_for(r, s->cursor.number, &err);
	enum journal_next next = JOURNAL_ERROR;
	const void *bytes;
	uint64_t first;
	size_t n, read = 0;

	while (x != NULL && read < REPLAY_SLICE && !s->over &&
	    c->out.len < STREAM_FILL) {
		next = journal_reader_next(x->journal, s->cursor.number,
		    ring_tip(g->ring).number, &bytes, &n, &first, &err);
		if (next != JOURNAL_RECORD)
			break;
		read += n;
		take_record(c, bytes, n);
		x->after = s->cursor.number;
		if (ring_has_rest(g, s) || gateway_now_ms() >= until)
			break;
	}
	if (s->over) {
		/* The flush that follows ends it. */
	} else if (ring_has_rest(g, s)) {
		if (test_hooks_has_bug("ring-switch"))
			s->cursor.number++;
		stream_go_on(c);
	} else if (x == NULL || next == JOURNAL_ERROR) {
		log_warn("replay: %s; its client gets a gap", err.text);
		stream_lost(c, SSE_EVICTED);
	} else if ((next == JOURNAL_LOST || next == JOURNAL_END) &&
	    s->cursor.epoch != ring_tip(g->ring).epoch) {
		stream_lost(c, SSE_EPOCH_CHANGED);
	} else if (next == JOURNAL_LOST || next == JOURNAL_END) {
		/* END: the ring had what this reader does not see, as in a
		 * memory segment that was not kept. Never a silent hole. */
		stream_lookback(c);
	}
}

/* One client's turn. */
static void
serve(struct replay *r, struct conn *c, int64_t until)
{
	struct stream *s = &c->stream;

	/* It goes on when it can be written to. */
	if (c->want_write)
		return;
	if (s->phase == STREAM_REPLAY && s->snapshot == NULL &&
	    c->out.len == c->out_off) {
		/* A step back of its list is a slice, too. */
		if (ring_has_rest(r->gateway, s))
			stream_go_on(c);
		else
			read_journal(r, c, until);
	}
	(void)stream_flush(c);
}

struct turn {
	struct replay	*replay;
	int64_t		 until;
};

static bool
serve_one(struct conn *c, void *arg)
{
	const struct turn *t = arg;

	serve(t->replay, c, t->until);
	return gateway_now_ms() < t->until;
}

static void
begin_flights(struct gateway *g, const struct hub_subscription *sub)
{
	flights_begin(g->flights, sub);
}

/* Subscription by subscription, since their clients stand at few places: what
 * one is sent was gathered for all of them (flight). */
static void
replay_turn_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct replay *r = arg;
	struct turn t = { r, gateway_now_ms() + REPLAY_TURN_MS };

	while (gateway_now_ms() < t.until && !TAILQ_EMPTY(&r->waiting))
		audience_turn(r->gateway, &r->waiting, begin_flights,
		    serve_one, &t);
	if (!TAILQ_EMPTY(&r->waiting))
		soon(r);
}
