#include "broker/requests.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/questions.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define REQUESTS_MAGIC 0x52455155u
#define RECEIVE_TURN   256u    /* requests per turn of the loop */

struct requests {
	uint32_t		 magic;
	struct sequencer	*sequencer;
	struct dedup		*dedup;
	struct publish_core	*core;
	requests_ready_cb	 ready_cb;
	void			*arg;
	int			 rep;
	struct event		*event;
	struct questions	*questions;
	bool			 paused;
	bool			 stopped;
	struct intake		 intakes[2];
	unsigned int		 collecting;   /* the other is under way */
};

/* --- one request --------------------------------------------------------- */

static void
reply_now(struct requests *r, struct bus_message *m, enum publish_status status,
    uint64_t batch, const struct dedup_answer *a)
{
	struct buf bytes = BUF_EMPTY;

	publish_answer_encode(&bytes, status, batch, a->first, a->count,
	    a->exceptions, a->list);
	(void)bus_reply(r->rep, m, bytes.data, bytes.len, NULL);
	buf_free(&bytes);
}

static bool
waits_already(struct requests *r, struct bus_message *m,
    const struct publish_request *q)
{
	return intake_replace(&r->intakes[0], m, q) ||
	    intake_replace(&r->intakes[1], m, q);
}

static void
take_register(struct requests *r, struct bus_message *m,
    const struct publish_request *q)
{
	const struct publish_outcome o = {
		.first = sequencer_tip(r->sequencer) };
	const struct dedup_answer none = { 0 };

	if (dedup_register(r->dedup, q->publisher, q->incarnation) ==
	    DEDUP_FENCED) {
		reply_now(r, m, PUBLISH_FENCED, q->batch, &none);
		return;
	}
	/* Answered behind what is under way: its tip includes that. */
	if (!waits_already(r, m, q))
		intake_add(&r->intakes[r->collecting], m, q, &o);
}

static void
take_events(struct requests *r, struct bus_message *m,
    const struct publish_request *q)
{
	struct dedup_answer a = { 0 };
	struct publish_outcome o;

	switch (dedup_batch(r->dedup, q->publisher, q->incarnation, q->batch,
	    &a)) {
	case DEDUP_FENCED:
		reply_now(r, m, PUBLISH_FENCED, q->batch, &a);
		return;
	case DEDUP_OLD:
		bus_message_free(m);
		return;
	case DEDUP_REPEAT:
		if (!waits_already(r, m, q))
			reply_now(r, m, PUBLISH_OK, q->batch, &a);
		return;
	case DEDUP_NEW:
		/* Of one that waits, but was refused whole, dedup knows
		 * nothing. */
		if (waits_already(r, m, q))
			return;
		break;
	}
	if (publish_batch(r->core, q, wall_unix_ms(), &o) < 0) {
		log_error("batch %" PRIu64 " of %.*s is malformed", q->batch,
		    (int)q->publisher.n, q->publisher.p);
		reply_now(r, m, PUBLISH_MALFORMED, q->batch, &a);
		return;
	}
	intake_add(&r->intakes[r->collecting], m, q, &o);
}

static void
take_request(struct requests *r, struct bus_message *m)
{
	const struct dedup_answer none = { 0 };
	struct publish_request q = { 0 };

	if (questions_is_one(m)) {
		questions_take(r->questions, m);
	} else if (publish_request_decode(m->bytes, m->n, &q) < 0) {
		log_error("request of %zu bytes is malformed", m->n);
		reply_now(r, m, PUBLISH_MALFORMED, q.batch, &none);
	} else if (q.op == PUBLISH_OP_REGISTER) {
		take_register(r, m, &q);
	} else {
		take_events(r, m, &q);
	}
}

/* --- the socket ---------------------------------------------------------- */

static void
requests_read_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct requests *r = arg;
	struct bus_message m;

	assert(r->magic == REQUESTS_MAGIC);
	for (unsigned int i = 0; i < RECEIVE_TURN; i++) {
		if (intake_is_full(&r->intakes[r->collecting])) {
			r->paused = true;
			(void)event_del(r->event);
			break;
		}
		if (bus_receive(r->rep, &m, NULL) != 1)
			break;
		take_request(r, &m);
	}
	r->ready_cb(r->arg);
}

struct requests *
requests_new(struct sequencer *s, struct dedup *d, struct publish_core *core,
    requests_ready_cb ready, void *arg, struct err *err)
{
	int rep = bus_open(BUS_REP, err);
	struct requests *r;

	if (rep < 0)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->magic = REQUESTS_MAGIC;
	r->sequencer = s;
	r->dedup = d;
	r->core = core;
	r->ready_cb = ready;
	r->arg = arg;
	r->rep = rep;
	return r;
}

void
requests_free(struct requests *r)
{
	if (r == NULL)
		return;
	assert(r->magic == REQUESTS_MAGIC);
	if (r->event != NULL)
		event_free(r->event);
	questions_free(r->questions);
	intake_clear(&r->intakes[0]);
	intake_clear(&r->intakes[1]);
	bus_close(r->rep);
	r->magic = 0;
	free(r);
}

int
requests_listen(struct requests *r, struct event_base *base,
    const char *bus_directory, struct err *err)
{
	char address[BUS_ADDRESS_SIZE];

	if (mkdir(bus_directory, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "bus directory %s",
		    bus_directory);
	if (bus_address(address, sizeof(address), bus_directory,
	    BUS_BROKER, err) < 0 || bus_bind(r->rep, address, err) < 0)
		return -1;
	r->questions = questions_new(base, r->sequencer, r->rep, err);
	if (r->questions == NULL)
		return -1;
	r->event = bus_event(base, r->rep, requests_read_cb, r);
	if (r->event == NULL || event_add(r->event, NULL) < 0)
		return err_set(err, "broker: event");
	return 0;
}

void
requests_stop(struct requests *r)
{
	r->stopped = true;
	if (r->event != NULL)
		(void)event_del(r->event);
}

void
requests_resume(struct requests *r)
{
	if (!r->paused || r->stopped ||
	    intake_is_full(&r->intakes[r->collecting]))
		return;
	r->paused = false;
	(void)event_add(r->event, NULL);
}

struct intake *
requests_collecting(struct requests *r)
{
	return &r->intakes[r->collecting];
}

void
requests_turn(struct requests *r)
{
	r->collecting ^= 1;
}

void
requests_answer(struct requests *r, struct intake *in)
{
	intake_answer(in, r->rep);
}
