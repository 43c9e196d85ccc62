#include "common/publisher.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bus_request.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/publish_batch.h"
#include "common/xmalloc.h"

#define PUBLISHER_MAGIC     0x50554253u
#define PUBLISHER_KEEP_BYTES (64u * 1024)   /* of each buffer, for nothing */
#define ITEMS_MAX_BYTES     (RECORD_MAX - 1024u * 1024)

struct publisher {
	uint32_t		 magic;
	struct bus_request	 broker;
	struct event		*receive;
	struct event		*timer;     /* sends, and sends again */
	char			*name;
	uint64_t		 incarnation;
	uint64_t		 number;    /* of the batch under way */
	size_t			 max_bytes;
	size_t			 pending;
	struct publish_batch	*under_way;
	struct publish_batch	*first;     /* waiting, oldest first */
	struct publish_batch	*last;      /* still collecting */
	struct publish_batch	*spare;
	struct buf		 request;
	struct mono		 sent_at;
	bool			 waiting;   /* a request is on the wire */
	bool			 registered;
	bool			 fenced;
	bool			 reads;     /* answered by records */
	uint64_t		 missed;    /* the newest batch that the broker
					     * itself answered: its record has
					     * not come; 0: none is missed */
	publisher_ready_cb	 ready;
	publisher_fenced_cb	 fenced_cb;
	void			*arg;
};

/* --- batches ------------------------------------------------------------- */

static struct publish_batch *
batch_get(struct publisher *p)
{
	struct publish_batch *b = p->spare;

	if (b == NULL)
		return publish_batch_new();
	p->spare = NULL;
	publish_batch_reset(b);
	return b;
}

static void
batch_put(struct publisher *p, struct publish_batch *b)
{
	if (p->spare != NULL)
		publish_batch_free(b);
	else
		p->spare = b;
}

/* The batch that takes `count` more items of `bytes`. */
static struct publish_batch *
batch_for(struct publisher *p, size_t count, size_t bytes)
{
	struct publish_batch *b = p->last;

	if (b != NULL && publish_batch_takes(b, count, bytes))
		return b;
	b = batch_get(p);
	if (p->last != NULL)
		p->last->next = b;
	else
		p->first = b;
	p->last = b;
	return b;
}

/* Nothing is to be sent: what only a full batch needed is given back. */
static void
shrink(struct publisher *p)
{
	struct publish_batch *b = p->spare;

	if (b != NULL && b->items.size > PUBLISHER_KEEP_BYTES) {
		p->spare = NULL;
		publish_batch_free(b);
	}
	if (p->request.size > PUBLISHER_KEEP_BYTES)
		buf_free(&p->request);
}

/* --- sending ------------------------------------------------------------- */

static void
arm(struct publisher *p, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)evtimer_add(p->timer, &tv);
}

/* Puts the request on the wire. A send that finds no room is repeated by the
 * timer, which also sees when it must be sent again. */
static void
transmit(struct publisher *p)
{
	if (bus_request_put(&p->broker, p->request.data, p->request.len,
	    NULL) < 0)
		arm(p, BUS_REQUEST_RETRY_MS);
	else
		arm(p, BUS_REQUEST_LOOK_MS);
}

static void
request_begin(struct publisher *p, enum publish_op op)
{
	buf_reset(&p->request);
	buf_u8(&p->request, (uint8_t)op);
	buf_str16(&p->request, p->name, strlen(p->name));
	buf_u64(&p->request, p->incarnation);
	buf_u64(&p->request, p->number);
}

/* Whatever the first time was to be answered by, this is to be answered. */
static void
transmit_again(struct publisher *p)
{
	if (p->registered)
		p->request.data[0] = PUBLISH_OP_EVENTS;
	transmit(p);
}

static void
send_next(struct publisher *p)
{
	struct publish_batch *b = p->first;

	if (p->waiting || p->fenced)
		return;
	if (!p->registered) {
		request_begin(p, PUBLISH_OP_REGISTER);
	} else {
		if (b == NULL) {
			shrink(p);
			return;
		}
		p->first = b->next;
		if (p->first == NULL)
			p->last = NULL;
		b->next = NULL;
		p->under_way = b;
		p->number++;
		request_begin(p, p->reads && p->missed == 0 ?
		    PUBLISH_OP_EVENTS_READ : PUBLISH_OP_EVENTS);
		buf_u32(&p->request, b->count);
		buf_add(&p->request, b->items.data, b->items.len);
	}
	p->waiting = true;
	p->sent_at = mono_now();
	bus_request_begin(&p->broker);
	transmit(p);
}

static void
publisher_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct publisher *p = arg;

	assert(p->magic == PUBLISHER_MAGIC);
	if (p->fenced)
		return;
	if (!p->waiting)
		send_next(p);
	else if (bus_request_due(&p->broker, mono_now()))
		transmit_again(p);
	else
		arm(p, BUS_REQUEST_LOOK_MS);
}

/* --- answers ------------------------------------------------------------- */

/* The batch under way is in the journal. */
static void
take_results(struct publisher *p, struct publish_answer *a)
{
	struct publish_batch *b = p->under_way;

	p->waiting = false;
	(void)evtimer_del(p->timer);
	if (!p->registered) {
		p->registered = true;
		if (p->ready != NULL)
			p->ready(a->first, p->arg);
	} else if (b != NULL) {
		p->under_way = NULL;
		p->pending -= b->items.len;
		publish_batch_results(b, a);
		batch_put(p, b);
	}
	send_next(p);
}

/* One of them is of another build: sent again, it would be so for ever. */
NORETURN static void
not_understood(const struct publisher *p, const char *who, const char *what)
{
	fatalx("%s cannot read %s of batch %" PRIu64 " of %s: are all binaries "
	    "of one build?", who, what, p->number, p->name);
}

static void
take_answer(struct publisher *p, struct publish_answer *a)
{
	if (a->status == PUBLISH_FENCED) {
		p->fenced = true;
		(void)evtimer_del(p->timer);
		p->fenced_cb(p->arg);
		return;
	}
	/* A second answer to it, or of a broker that knows another batch. */
	if (!p->waiting || a->batch != p->number)
		return;
	if (a->status == PUBLISH_MALFORMED)
		not_understood(p, "the broker", "the events");
	/* It was appended, and our record did not come: no other is waited for
	 * before this one has. What appends nothing has no record. */
	if (p->reads && p->registered && a->count > 0)
		p->missed = a->batch;
	take_results(p, a);
}

static void
publisher_receive_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct publisher *p = arg;
	struct bus_message m;
	struct publish_answer a;

	assert(p->magic == PUBLISHER_MAGIC);
	while (bus_request_answer(&p->broker, &m, NULL) == 1) {
		if (publish_answer_decode(m.bytes, m.n, &a) == 0)
			take_answer(p, &a);
		else if (p->waiting)
			not_understood(p, "this process", "the answer");
		bus_message_free(&m);
	}
}

/* --- interface ----------------------------------------------------------- */

static int
open_socket(struct publisher *p, struct event_base *base,
    const char *bus_directory, struct err *err)
{
	if (bus_request_open(&p->broker, bus_directory, BUS_BROKER, err) < 0)
		return -1;
	p->receive = bus_event(base, p->broker.socket, publisher_receive_cb, p);
	p->timer = evtimer_new(base, publisher_timer_cb, p);
	if (p->receive == NULL || p->timer == NULL ||
	    event_add(p->receive, NULL) < 0)
		return err_set(err, "publisher: event");
	return 0;
}

struct publisher *
publisher_new(struct event_base *base, const char *bus_directory,
    const char *name, uint64_t incarnation, size_t max_bytes,
    publisher_ready_cb ready, publisher_fenced_cb fenced, void *arg,
    struct err *err)
{
	struct publisher *p;

	if (strlen(name) > PUBLISHER_NAME_MAX) {
		(void)err_set(err, "publisher name %s is too long", name);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	p->magic = PUBLISHER_MAGIC;
	p->name = xstrdup(name);
	p->incarnation = incarnation;
	p->max_bytes = max_bytes;
	p->ready = ready;
	p->fenced_cb = fenced;
	p->arg = arg;
	if (open_socket(p, base, bus_directory, err) < 0) {
		publisher_free(p);
		return NULL;
	}
	send_next(p);
	return p;
}

void
publisher_free(struct publisher *p)
{
	struct publish_batch *b, *next;

	if (p == NULL)
		return;
	assert(p->magic == PUBLISHER_MAGIC);
	if (p->receive != NULL)
		event_free(p->receive);
	if (p->timer != NULL)
		event_free(p->timer);
	bus_request_close(&p->broker);
	for (b = p->first; b != NULL; b = next) {
		next = b->next;
		publish_batch_free(b);
	}
	publish_batch_free(p->under_way);
	publish_batch_free(p->spare);
	buf_free(&p->request);
	free(p->name);
	p->magic = 0;
	free(p);
}

int
publisher_submit(struct publisher *p, const struct item *items, size_t count,
    publisher_result_cb cb, void *arg)
{
	size_t bytes = publish_batch_bytes(items, count), before;
	struct publish_batch *b;

	assert(p->magic == PUBLISHER_MAGIC);
	if (count == 0 || count > EVENT_BATCH_MAX ||
	    bytes > ITEMS_MAX_BYTES || p->fenced)
		return -1;
	if (p->pending != 0 && p->pending + bytes > p->max_bytes)
		return -1;
	b = batch_for(p, count, bytes);
	before = b->items.len;
	publish_batch_add(b, items, count, cb, arg);
	p->pending += b->items.len - before;
	/* From the loop, so that everything of this turn is one batch; and in
	 * this turn, since another is a system call. */
	if (!p->waiting && p->registered &&
	    !evtimer_pending(p->timer, NULL))
		event_active(p->timer, EV_TIMEOUT, 0);
	return 0;
}

void
publisher_reads(struct publisher *p)
{
	assert(p->magic == PUBLISHER_MAGIC);
	p->reads = true;
}

void
publisher_record(struct publisher *p, const void *bytes, size_t n)
{
	struct publish_answer a;
	struct record_header h;
	struct rd rd;

	assert(p->magic == PUBLISHER_MAGIC);
	if ((!p->waiting && p->missed == 0) || !p->registered || p->fenced ||
	    record_head(bytes, n, &h, &rd, NULL) < 0 ||
	    h.incarnation != p->incarnation ||
	    !slice_is(h.publisher, p->name))
		return;
	/* An older one says only that there are records: its process is still
	 * behind by those of the batches since. */
	if (h.batch >= p->missed)
		p->missed = 0;
	if (!p->waiting || h.batch != p->number)
		return;
	if (publish_answer_of_record(&h, rd, &a) < 0)
		not_understood(p, "this process", "the record");
	bus_request_served(&p->broker);
	take_results(p, &a);
}

size_t
publisher_pending(const struct publisher *p)
{
	assert(p->magic == PUBLISHER_MAGIC);
	return p->pending;
}

int64_t
publisher_stalled_ms(const struct publisher *p)
{
	assert(p->magic == PUBLISHER_MAGIC);
	return p->waiting ? mono_diff_ms(mono_now(), p->sent_at) : 0;
}
