#include "common/subscriber.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/bus.h"
#include "common/journal.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define SUBSCRIBER_MAGIC     0x53554253u
#define REPAIR_SLICE_BYTES   (512u * 1024)   /* per turn of the loop */
#define RECEIVE_SLICE        64u             /* messages per turn */
/* More at one time, and waking up is not what it costs. */
#define RECEIVE_PAUSE_BYTES  (64u * 1024)
/* How long heartbeats (100 ms) must agree before something strange is
 * believed: a dead broker's last messages may still come in, and after a pause
 * of our own they all come at once. */
#define STRANGE_MS           2000
/* ... and how long, and how often read, before what is announced, but in no
 * segment, counts as lost. */
#define LOST_MS              5000
#define LOST_READS           50u

struct subscriber {
	uint32_t			 magic;
	int				 socket;
	struct event			*receive;
	struct event			*repair;
	struct event			*pause;     /* its end */
	int64_t				 pause_ms;  /* 0: none are made */
	struct journal_reader		*reader;
	char				 path[BUS_ADDRESS_SIZE];
	const struct subscriber_ops	*ops;
	void				*arg;
	struct position			 at;        /* given to the owner */
	bool				 from_start; /* {0,0}: no gap before the
						      * first record */
	bool				 at_tip;    /* start is the first tip */
	uint64_t			 limit;     /* announced at most */
	uint64_t			 lost_next; /* journal goes on here */
	struct heartbeat		 heartbeat;
	bool				 beat;      /* heartbeat is due */
	struct mono			 strange;   /* since; 0: not */
	struct mono			 retracted; /* since; 0: not */
	struct mono			 stuck;     /* since; 0: not */
	uint64_t			 stuck_at;
	unsigned int			 stuck_reads;
	struct mono			 heard_at;
	struct err			 trouble;
};

/* --- giving -------------------------------------------------------------- */

static void
give_gap(struct subscriber *s, struct position next)
{
	if (!s->from_start)
		s->ops->gap(s->at, next, s->arg);
}

/* A checked record that follows (or, after a hole, goes on). */
static void
give(struct subscriber *s, const void *bytes, size_t n,
    const struct record_header *h)
{
	struct position first = { h->epoch, h->first };

	if (h->first > s->at.number + 1 ||
	    (s->at.epoch != 0 && s->at.epoch != h->epoch))
		give_gap(s, first);
	s->from_start = false;
	s->lost_next = 0;
	s->stuck.ns = 0;
	s->at.epoch = h->epoch;
	s->at.number = h->first + h->count - 1;
	s->ops->record(bytes, n, s->arg);
}

/* Nothing of the journal follows up to `tip`: go on from there. */
static void
skip_to(struct subscriber *s, struct position tip)
{
	give_gap(s, (struct position){ tip.epoch, tip.number + 1 });
	s->from_start = false;
	s->lost_next = 0;
	s->stuck.ns = 0;
	s->strange.ns = 0;
	s->trouble.text[0] = '\0';
	s->at = tip;
}

static void
caught_up(struct subscriber *s)
{
	const struct heartbeat hb = s->heartbeat;

	if (!s->beat || s->at.epoch != hb.tip.epoch ||
	    s->at.number < hb.tip.number)
		return;
	s->beat = false;
	s->ops->caught_up(&hb, s->arg);
}

/* --- repair from the file ------------------------------------------------- */

static void
repair_soon(struct subscriber *s)
{
	struct timeval now = { 0, 0 };

	if (!evtimer_pending(s->repair, NULL))
		(void)evtimer_add(s->repair, &now);
}

static bool
behind(const struct subscriber *s)
{
	return s->limit > s->at.number;
}

/* The journal has nothing (yet) after the cursor although it was announced. */
static void
repair_ended(struct subscriber *s)
{
	struct position tip = s->heartbeat.tip;
	uint64_t next = tip.number + 1;

	/* An epoch that is still empty (all that was before is known), or the
	 * start of a journal that is. */
	if (s->limit <= tip.number && (s->lost_next == next ||
	    (s->from_start && tip.epoch != 0 && s->heartbeat.oldest == next)))
		skip_to(s, tip);
}

/* The broker is in memory since the disk failed, in an epoch of its own. How
 * far the files before it count a memory segment tells, which comes another
 * way and perhaps later (journal.h). */
static bool
files_can_be_read(const struct subscriber *s)
{
	return (s->heartbeat.flags & HEARTBEAT_MEMORY) == 0 ||
	    s->at.epoch == s->heartbeat.tip.epoch ||
	    journal_reader_knows_memory(s->reader, s->at.number);
}

/* One record from the file; false when there is no more to do now. */
static bool
repair_one(struct subscriber *s, size_t *ret_n)
{
	struct record_header h;
	const void *bytes;
	uint64_t first, after;
	struct err err;
	struct rd rd;
	size_t n;

	if (!files_can_be_read(s))
		return false;
	after = s->lost_next != 0 ? s->lost_next - 1 : s->at.number;
	switch (journal_reader_next(s->reader, after, s->limit, &bytes, &n,
	    &first, &err)) {
	case JOURNAL_RECORD:
		s->trouble.text[0] = '\0';
		if (record_decode(bytes, n, &h, &rd, &err) < 0)
			return false;
		give(s, bytes, n, &h);
		*ret_n += n;
		return true;
	case JOURNAL_LOST:
		s->lost_next = first;
		if (first <= s->limit)
			return true;
		break;
	case JOURNAL_ERROR:
		s->trouble = err;
		s->lost_next = first != 0 ? first : s->lost_next;
		return false;
	case JOURNAL_END:
		break;
	}
	repair_ended(s);
	return false;
}

/* Announced, but neither on the bus nor in a segment for five seconds: a
 * memory segment that never came, or a file that cannot be read. Counted where
 * it was read in vain, since heartbeats alone prove nothing. */
static void
repair_failed(struct subscriber *s)
{
	if (s->stuck.ns == 0 || s->at.number != s->stuck_at) {
		s->stuck = mono_now();
		s->stuck_at = s->at.number;
		s->stuck_reads = 0;
	}
	if (++s->stuck_reads < LOST_READS ||
	    mono_diff_ms(mono_now(), s->stuck) < LOST_MS ||
	    s->heartbeat.tip.number <= s->at.number)
		return;
	s->limit = s->heartbeat.tip.number;
	skip_to(s, s->heartbeat.tip);
}

static void
subscriber_repair_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct subscriber *s = arg;
	size_t n = 0;

	assert(s->magic == SUBSCRIBER_MAGIC);
	while (behind(s) && n < REPAIR_SLICE_BYTES) {
		if (!repair_one(s, &n))
			break;
	}
	if (n >= REPAIR_SLICE_BYTES && behind(s))
		repair_soon(s);
	else if (n == 0 && behind(s))
		repair_failed(s);
	caught_up(s);
}

/* --- the bus ------------------------------------------------------------- */

static void
take_record(struct subscriber *s, const void *bytes, size_t n)
{
	struct record_header h;
	struct rd rd;
	uint64_t last;

	/* Before the first heartbeat, and the first of its epoch, nobody knows
	 * where to begin. */
	if (s->heartbeat.tip.epoch == 0 ||
	    record_decode(bytes, n, &h, &rd, NULL) < 0 ||
	    h.epoch != s->heartbeat.tip.epoch)
		return;
	last = h.first + h.count - 1;
	if (last <= s->at.number)
		return;
	if (!s->from_start && s->at.epoch == h.epoch &&
	    h.first == s->at.number + 1) {
		give(s, bytes, n, &h);
		s->limit = MAX(s->limit, last);
		return;
	}
	s->limit = MAX(s->limit, last);
	repair_soon(s);
}

/* Heartbeats have agreed long enough on what began `since`. */
static bool
believed(struct mono *since)
{
	if (since->ns == 0)
		*since = mono_now();
	return mono_diff_ms(mono_now(), *since) >= STRANGE_MS;
}

/* Our position is ahead of the tip, or of an epoch that is not the current
 * one with a lower tip: the journal was put back to an older state. Believed
 * only when heartbeat after heartbeat says so. */
static void
check_strange(struct subscriber *s, const struct heartbeat *hb)
{
	if (believed(&s->strange)) {
		s->limit = hb->tip.number;
		skip_to(s, hb->tip);
	}
}

/* Memory was told of, and yet the tip is below: the same, wherever we are. Not
 * from a broker in memory: what it told of segments may overtake the bus. */
static void
check_memory(struct subscriber *s, const struct heartbeat *hb)
{
	if ((hb->flags & HEARTBEAT_MEMORY) != 0 ||
	    !journal_reader_knows_memory(s->reader, hb->tip.number + 1)) {
		s->retracted.ns = 0;
	} else if (believed(&s->retracted)) {
		journal_reader_retract(s->reader, hb->tip.number);
		s->limit = MIN(s->limit, hb->tip.number);
		s->lost_next = 0;
		if (s->ops->retract != NULL)
			s->ops->retract(hb->tip.number, s->arg);
	}
}

static void
take_heartbeat(struct subscriber *s, const struct heartbeat *hb)
{
	s->heartbeat = *hb;
	s->beat = true;
	journal_reader_forget(s->reader, hb->oldest);
	check_memory(s, hb);
	if (s->at_tip) {
		s->at_tip = false;
		s->at = hb->tip;
		s->limit = hb->tip.number;
	}
	if (hb->tip.number > s->at.number) {
		s->limit = MAX(s->limit, hb->tip.number);
		s->strange.ns = 0;
		repair_soon(s);
	} else if (position_eq(hb->tip, s->at)) {
		s->strange.ns = 0;
		s->stuck.ns = 0;
	} else if (hb->tip.number == s->at.number && s->from_start) {
		skip_to(s, hb->tip);
	} else {
		check_strange(s, hb);
	}
	/* While a repair is due it tells, after it. */
	if (!evtimer_pending(s->repair, NULL))
		caught_up(s);
}

/* What is there, up to a slice of it; bytes of it, SIZE_MAX: there is more. */
static size_t
receive(struct subscriber *s)
{
	struct bus_message m;
	struct heartbeat hb;
	size_t bytes = 0;

	for (unsigned int i = 0; i < RECEIVE_SLICE; i++) {
		if (bus_receive(s->socket, &m, NULL) != 1)
			return bytes;
		s->heard_at = mono_now();
		bytes += m.n;
		if (heartbeat_decode(m.bytes, m.n, &hb) == 1)
			take_heartbeat(s, &hb);
		else
			take_record(s, m.bytes, m.n);
		bus_message_free(&m);
	}
	return SIZE_MAX;
}

static void
pause_begin(struct subscriber *s)
{
	struct timeval tv = mono_timeval_ms(s->pause_ms);

	(void)event_del(s->receive);
	(void)evtimer_add(s->pause, &tv);
}

static void
subscriber_receive_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct subscriber *s = arg;

	assert(s->magic == SUBSCRIBER_MAGIC);
	if (receive(s) <= RECEIVE_PAUSE_BYTES && s->pause_ms > 0)
		pause_begin(s);
}

/* As long as something comes in each pause, that is how it is read. */
static void
subscriber_pause_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct subscriber *s = arg;
	size_t bytes;

	assert(s->magic == SUBSCRIBER_MAGIC);
	bytes = receive(s);
	if (bytes > 0 && bytes <= RECEIVE_PAUSE_BYTES)
		pause_begin(s);
	else
		(void)event_add(s->receive, NULL);
}

/* --- interface ----------------------------------------------------------- */

static int
open_socket(struct subscriber *s, struct event_base *base,
    const char *bus_directory, const char *name, uint64_t incarnation,
    struct err *err)
{
	if (bus_address_reader(s->path, sizeof(s->path), bus_directory, name,
	    incarnation, err) < 0)
		return -1;
	s->socket = bus_open(BUS_SUB, err);
	if (s->socket < 0 || bus_bind(s->socket, s->path, err) < 0)
		return -1;
	s->receive = bus_event(base, s->socket, subscriber_receive_cb, s);
	s->repair = evtimer_new(base, subscriber_repair_cb, s);
	s->pause = evtimer_new(base, subscriber_pause_cb, s);
	if (s->receive == NULL || s->repair == NULL || s->pause == NULL ||
	    event_add(s->receive, NULL) < 0)
		return err_set(err, "subscriber: event");
	return 0;
}

struct subscriber *
subscriber_new(struct event_base *base, const char *bus_directory,
    const char *journal_directory, const char *name, uint64_t incarnation,
    struct position start, const struct subscriber_ops *ops, void *arg,
    struct err *err)
{
	struct subscriber *s = xcalloc(1, sizeof(*s));

	s->magic = SUBSCRIBER_MAGIC;
	s->socket = -1;
	s->ops = ops;
	s->arg = arg;
	s->heard_at = mono_now();
	s->at_tip = start.number == UINT64_MAX;
	s->from_start = start.number == 0;
	if (!s->at_tip && !s->from_start)
		s->at = start;
	s->reader = journal_reader_new(journal_directory, err);
	if (s->reader == NULL || open_socket(s, base, bus_directory, name,
	    incarnation, err) < 0) {
		subscriber_free(s);
		return NULL;
	}
	return s;
}

void
subscriber_free(struct subscriber *s)
{
	if (s == NULL)
		return;
	assert(s->magic == SUBSCRIBER_MAGIC);
	if (s->receive != NULL)
		event_free(s->receive);
	if (s->repair != NULL)
		event_free(s->repair);
	if (s->pause != NULL)
		event_free(s->pause);
	bus_close(s->socket);
	journal_reader_free(s->reader);
	s->magic = 0;
	free(s);
}

void
subscriber_pause(struct subscriber *s, int64_t ms)
{
	assert(s->magic == SUBSCRIBER_MAGIC);
	s->pause_ms = ms;
}

void
subscriber_drain(struct subscriber *s, int64_t ms)
{
	struct mono end = mono_add_ms(mono_now(), ms);

	assert(s->magic == SUBSCRIBER_MAGIC);
	do {
		if (receive(s) > 0)
			continue;
		if (!evtimer_pending(s->repair, NULL))
			return;
		(void)evtimer_del(s->repair);
		subscriber_repair_cb(-1, 0, s);
	} while (mono_before(mono_now(), end));
}

const char *
subscriber_path(const struct subscriber *s)
{
	assert(s->magic == SUBSCRIBER_MAGIC);
	return s->path;
}

struct heartbeat
subscriber_heartbeat(const struct subscriber *s)
{
	assert(s->magic == SUBSCRIBER_MAGIC);
	return s->heartbeat;
}

const char *
subscriber_trouble(const struct subscriber *s)
{
	assert(s->magic == SUBSCRIBER_MAGIC);
	return s->trouble.text[0] != '\0' ? s->trouble.text : NULL;
}

int64_t
subscriber_silence_ms(const struct subscriber *s)
{
	assert(s->magic == SUBSCRIBER_MAGIC);
	return mono_diff_ms(mono_now(), s->heard_at);
}

void
subscriber_add_segment(struct subscriber *s, uint64_t first, int fd)
{
	assert(s->magic == SUBSCRIBER_MAGIC);
	journal_reader_add_segment(s->reader, first, fd);
	if (behind(s))
		repair_soon(s);
}
