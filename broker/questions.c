#include "broker/questions.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "broker/stream_search.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define QUESTIONS_MAGIC 0x51554553u

struct question {
	struct bus_message	message;    /* for the answer */
	uint64_t		asker;
	uint64_t		ticket;
	struct mono		deadline;
	struct stream_search	search;
	bool			used;
};

struct questions {
	uint32_t		 magic;
	struct sequencer	*sequencer;
	uint32_t		 life;       /* never 0 */
	int			 rep;
	struct event		*slice;
	size_t			 turn;       /* whose slice is next */
	struct question		 all[QUESTIONS_ASKERS];
};

static void
question_free(struct question *q)
{
	if (!q->used)
		return;
	bus_message_free(&q->message);
	stream_search_end(&q->search);
	*q = (struct question){ .used = false };
}

/* An answer that cannot be sent is asked for again, or given up. */
static void
refuse(struct questions *qs, struct bus_message *m, uint16_t status,
    const char *json)
{
	struct buf b = BUF_EMPTY;

	query_wire_answer_error_encode(&b, status, json);
	(void)bus_reply(qs->rep, m, b.data, b.len, NULL);
	buf_free(&b);
}

static void
answer(struct questions *qs, struct question *q)
{
	struct buf b = BUF_EMPTY;

	query_wire_answer_last(&b, &q->search.answer);
	(void)bus_reply(qs->rep, &q->message, b.data, b.len, NULL);
	buf_free(&b);
	question_free(q);
}

/* --- slices -------------------------------------------------------------- */

static void
soon(struct questions *qs)
{
	const struct timeval pause = mono_timeval_ms(QUESTIONS_PAUSE_MS);

	if (!event_pending(qs->slice, EV_TIMEOUT, NULL))
		(void)event_add(qs->slice, &pause);
}

/* The next one in turn that still has somebody waiting; NULL: none. */
static struct question *
next_in_turn(struct questions *qs)
{
	for (size_t i = 0; i < QUESTIONS_ASKERS; i++) {
		struct question *q = &qs->all[qs->turn];

		qs->turn = (qs->turn + 1) % QUESTIONS_ASKERS;
		if (!q->used)
			continue;
		if (mono_before(mono_now(), q->deadline))
			return q;
		question_free(q);
	}
	return NULL;
}

static void
questions_slice_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct questions *qs = arg;
	struct question *q;

	assert(qs->magic == QUESTIONS_MAGIC);
	q = next_in_turn(qs);
	if (q == NULL)
		return;
	if (stream_search_step(&q->search, qs->sequencer, QUESTIONS_STEPS))
		answer(qs, q);
	soon(qs);
}

/* --- taking them --------------------------------------------------------- */

bool
questions_is_one(const struct bus_message *m)
{
	uint8_t op = m->n > 0 ? *(const uint8_t *)m->bytes : 0;

	return op == QUERY_LAST || op == QUERY_OPEN_LOGS;
}

/* The asker's own place, else a free one; NULL: there is none. */
static struct question *
place_for(struct questions *qs, uint64_t asker)
{
	struct question *place = NULL;

	for (size_t i = 0; i < QUESTIONS_ASKERS; i++) {
		struct question *q = &qs->all[i];

		if (q->used && q->asker == asker)
			return q;
		if (!q->used && place == NULL)
			place = q;
	}
	return place;
}

static void
malformed(struct questions *qs, struct bus_message *m)
{
	log_error("a question of %zu bytes is malformed", m->n);
	refuse(qs, m, 400, "{\"error\":\"the broker could not read the "
	    "question\",\"code\":\"bad_request\"}");
}

/* What a page says as `next`: an entry of the table, and in which life of the
 * broker. A start counts the streams anew, without the places of those that
 * were forgotten: by an entry of before, a page would pass some over. */
static uint64_t
page_next(const struct questions *qs, uint32_t entry)
{
	return (uint64_t)qs->life << 32 | entry;
}

static uint32_t
page_entry(const struct questions *qs, uint64_t from)
{
	return from >> 32 == qs->life ? (uint32_t)from : 0;
}

static void
tell_open_logs(struct questions *qs, struct bus_message *m, struct rd *rest)
{
	struct query_open_logs page = { .as_of =
	    sequencer_tip(qs->sequencer) };
	struct buf b = BUF_EMPTY, logs = BUF_EMPTY;
	size_t steps = QUESTIONS_STEPS;
	struct sequencer_stream found;
	struct query_open_log log;
	bool more = true;
	uint64_t from;
	uint32_t at;

	if (query_wire_open_logs_decode(rest, &from) == -1) {
		malformed(qs, m);
		return;
	}
	at = page_entry(qs, from);
	while (logs.len < QUERY_OPEN_LOGS_MAX &&
	    sequencer_next_open(qs->sequencer, &at, &steps, &log.tenant,
	    &log.key, &found, &more)) {
		log.state = found.state;
		log.last = found.last;
		log.until_ms = found.until_ms;
		query_wire_open_log(&logs, &log);
		page.count++;
	}
	page.next = more ? page_next(qs, at) : 0;
	query_wire_answer_open_logs(&b, &page);
	buf_add(&b, logs.data, logs.len);
	(void)bus_reply(qs->rep, m, b.data, b.len, NULL);
	buf_free(&b);
	buf_free(&logs);
}

static void
begin(struct questions *qs, struct question *q, struct bus_message *m,
    const struct query_head *head, struct rd *rest)
{
	question_free(q);
	if (stream_search_begin(&q->search, qs->sequencer, rest) == -1) {
		malformed(qs, m);
		return;
	}
	q->used = true;
	q->message = *m;
	q->asker = head->asker;
	q->ticket = head->ticket;
	q->deadline = mono_add_ms(mono_now(), head->deadline_ms);
	if (stream_search_step(&q->search, qs->sequencer, QUESTIONS_STEPS))
		answer(qs, q);
	else
		soon(qs);
}

void
questions_take(struct questions *qs, struct bus_message *m)
{
	struct rd r = rd_init(m->bytes, m->n);
	struct query_head head;
	struct question *q;

	if (query_wire_head_decode(&r, &head) == -1) {
		malformed(qs, m);
		return;
	}
	/* Not that of the last publish. */
	sequencer_at(qs->sequencer, wall_unix_ms());
	if (head.op == QUERY_OPEN_LOGS) {
		tell_open_logs(qs, m, &r);
		return;
	}
	q = place_for(qs, head.asker);
	if (q == NULL) {
		refuse(qs, m, 503, "{\"error\":\"the broker has too many "
		    "questions waiting\",\"code\":\"broker_busy\"}");
	} else if (q->used && q->ticket == head.ticket) {
		/* Sent again: the answer goes to the newest. */
		bus_message_free(&q->message);
		q->message = *m;
	} else {
		begin(qs, q, m, &head, &r);
	}
}

/* --- life ---------------------------------------------------------------- */

struct questions *
questions_new(struct event_base *base, struct sequencer *s, int rep,
    struct err *err)
{
	struct questions *qs = xcalloc(1, sizeof(*qs));

	qs->magic = QUESTIONS_MAGIC;
	qs->sequencer = s;
	qs->rep = rep;
	if (getrandom(&qs->life, sizeof(qs->life), 0) !=
	    (ssize_t)sizeof(qs->life)) {
		(void)err_errno(err, errno, "broker: getrandom");
		goto fail;
	}
	qs->life |= 1;
	qs->slice = evtimer_new(base, questions_slice_cb, qs);
	if (qs->slice == NULL) {
		(void)err_set(err, "broker: event");
		goto fail;
	}
	return qs;

fail:
	free(qs);
	return NULL;
}

void
questions_free(struct questions *qs)
{
	if (qs == NULL)
		return;
	assert(qs->magic == QUESTIONS_MAGIC);
	event_free(qs->slice);
	for (size_t i = 0; i < QUESTIONS_ASKERS; i++)
		question_free(&qs->all[i]);
	qs->magic = 0;
	free(qs);
}
