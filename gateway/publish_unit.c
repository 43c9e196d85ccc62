#include "gateway/publish_unit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/xmalloc.h"

#define UNIT_MAGIC 0x554e4954u   /* "UNIT" */

struct unit;

/* One machine's question. */
struct question {
	struct unit	*unit;
	size_t		 machine;
};

struct unit {
	TAILQ_ENTRY(unit)	 link;
	uint32_t		 magic;
	struct publisher	*publisher;
	struct transitions	*t;
	publish_unit_cb		 cb;
	void			*arg;
	struct question		*questions;
	size_t			 asked;      /* not answered yet */
	unsigned int		 tries;      /* guards that were lost */
	bool			 doubted;    /* a conflict of keys was */
	bool			 fresh;      /* judged on the broker's word */
	bool			 cut;        /* some found no room to ask */
	bool			 by_keys;    /* the last try of one refused */
};

struct guess {
	uint64_t		name;
	struct transitions_now	now;
};

TAILQ_HEAD(units, unit);

static struct units units = TAILQ_HEAD_INITIALIZER(units);
static struct guess guesses[PUBLISH_UNIT_GUESSES];

static void	go_on(struct unit *u);

static void
unit_free(struct unit *u)
{
	TAILQ_REMOVE(&units, u, link);
	transitions_free(u->t);
	free(u->questions);
	u->magic = 0;
	free(u);
}

void
publish_unit_finish(void)
{
	struct unit *u;

	while ((u = TAILQ_FIRST(&units)) != NULL)
		unit_free(u);
}

static void
finish(struct unit *u, struct publish_unit_result *result)
{
	publish_unit_cb cb = u->cb;
	void *arg = u->arg;

	result->lost = u->tries;
	unit_free(u);
	cb(result, arg);
}

/* --- guesses -------------------------------------------------------------- */

static struct guess *
guess_of(const struct unit *u, size_t machine)
{
	return &guesses[transitions_name(u->t, machine) %
	    PUBLISH_UNIT_GUESSES];
}

static void
guess_all(struct unit *u)
{
	for (size_t i = 0; i < transitions_machines(u->t); i++) {
		const struct guess *g = guess_of(u, i);

		if (g->name == transitions_name(u->t, i))
			transitions_know(u->t, i, &g->now);
	}
}

static void
remember(struct unit *u, size_t machine, const struct transitions_now *now)
{
	struct guess *g = guess_of(u, machine);

	g->name = transitions_name(u->t, machine);
	g->now = *now;
}

/* --- outcomes ------------------------------------------------------------- */

static void
refuse(struct unit *u)
{
	struct publish_unit_result r = { .code = RECORD_GUARD_LOST };

	r.item = transitions_refused(u->t, &r.verdict, &r.now);
	r.machine = transitions_kind(u->t, r.item);
	if (r.verdict == LIFECYCLE_ENDED)
		r.code = RECORD_ENDED;
	finish(u, &r);
}

static void
give_up(struct unit *u, enum record_code code, size_t item)
{
	struct publish_unit_result r = { .code = code, .item = item,
		.machine = transitions_kind(u->t, item),
		.verdict = LIFECYCLE_ACCEPT };

	finish(u, &r);
}

static void
no_room(struct unit *u)
{
	struct publish_unit_result r = { .code = RECORD_GUARD_LOST,
		.no_room = true };

	finish(u, &r);
}

static void
take_repeats(struct unit *u, struct publish_unit_result *r)
{
	struct position first, last;
	size_t n = transitions_repeats(u->t, &first, &last);

	r->duplicates += (uint32_t)n;
	if (first.epoch == 0)
		return;
	if (r->first.epoch == 0 || first.number < r->first.number)
		r->first = first;
	if (r->last.epoch == 0)
		r->last = last;
}

static void
succeed(struct unit *u, const struct publish_result *result)
{
	struct publish_unit_result r = { .code = RECORD_APPENDED,
		.first = result->position, .last = result->last };

	if (result->code == RECORD_DUPLICATE) {
		r.duplicates = result->count;
	} else {
		r.accepted = result->count;
		transitions_appended(u->t, result->position);
		for (size_t i = 0; i < transitions_machines(u->t); i++)
			if (transitions_now(u->t, i)->position.epoch != 0)
				remember(u, i, transitions_now(u->t, i));
	}
	if (!u->by_keys)
		take_repeats(u, &r);
	finish(u, &r);
}

/* --- asking --------------------------------------------------------------- */

static struct transitions_now
now_of(const struct publish_result *result)
{
	struct transitions_now now = {
		.position = result->position,
		.point.state = (enum lifecycle_state)(result->state &
		    ~LIFECYCLE_LOGS_OPEN),
		.point.attempt = result->attempt,
		.stream_over = result->code == RECORD_ENDED,
	};

	memcpy(now.point.body, result->body, EVENT_HASH_SIZE);
	return now;
}

static void
learn(struct unit *u, size_t machine, const struct publish_result *result)
{
	struct transitions_now now = now_of(result);

	transitions_know(u->t, machine, &now);
	remember(u, machine, &now);
}

static void
question_cb(const struct publish_result *result, void *arg)
{
	struct question *q = arg;
	struct unit *u = q->unit;

	assert(u->magic == UNIT_MAGIC);
	learn(u, q->machine, result);
	if (--u->asked > 0)
		return;
	if (u->cut) {
		no_room(u);
		return;
	}
	u->fresh = true;
	go_on(u);
}

/* Of every machine at once: one batch. False: there is no room to. */
static bool
ask(struct unit *u)
{
	size_t n = transitions_machines(u->t);

	if (u->questions == NULL)
		u->questions = xcalloc(n, sizeof(*u->questions));
	u->cut = false;
	for (size_t i = 0; i < n && !u->cut; i++) {
		struct item item = transitions_question(u->t, i);

		u->questions[i] = (struct question){ u, i };
		u->cut = publisher_submit(u->publisher, &item, 1,
		    question_cb, &u->questions[i]) == -1;
		u->asked += !u->cut;
	}
	return u->asked > 0;
}

static void
ask_again(struct unit *u)
{
	if (!ask(u))
		no_room(u);
}

/* --- handing over --------------------------------------------------------- */

static void
lost(struct unit *u, const struct publish_result *result)
{
	size_t machine = transitions_machine_of(u->t, result->item);

	if (result->code == RECORD_ENDED && machine == SIZE_MAX) {
		give_up(u, RECORD_ENDED,
		    transitions_index(u->t, result->item));
		return;
	}
	if (++u->tries > PUBLISH_UNIT_TRIES_MAX) {
		give_up(u, RECORD_GUARD_LOST,
		    transitions_index(u->t, result->item));
		return;
	}
	u->fresh = false;
	if (machine != SIZE_MAX && transitions_machines(u->t) == 1) {
		learn(u, machine, result);
		u->fresh = true;
	}
	go_on(u);
}

/* For another reason than its machine's state. */
static void
fail(struct unit *u, const struct publish_result *result)
{
	struct publish_unit_result r = { .code = result->code,
		.item = transitions_index(u->t, result->item),
		.now.position = result->position };

	finish(u, &r);
}

/* The keys are known in part: what has none may be a repeat. That is so, too,
 * when the machines were asked and the very same request came to be appended
 * since: keys are judged before guards. Once, or it would never end. */
static bool
doubt(struct unit *u)
{
	bool worth = !u->fresh || !u->doubted;

	u->doubted |= u->fresh;
	return worth && transitions_machines(u->t) > 0;
}

/* What is illegal and has no key of its own is so whatever the others' say. */
static bool
refused_without_key(const struct unit *u)
{
	return u->by_keys && !transitions_refused_has_key(u->t);
}

static void
group_cb(const struct publish_result *result, void *arg)
{
	struct unit *u = arg;

	assert(u->magic == UNIT_MAGIC);
	if (result->code == RECORD_APPENDED ||
	    result->code == RECORD_DUPLICATE)
		succeed(u, result);
	else if (u->by_keys && (result->code != RECORD_KEY_CONFLICT ||
	    refused_without_key(u)))
		refuse(u);
	else if (result->code == RECORD_GUARD_LOST ||
	    result->code == RECORD_ENDED)
		lost(u, result);
	else if (result->code == RECORD_KEY_CONFLICT && doubt(u))
		ask_again(u);
	else
		fail(u, result);
}

static int
hand_over(struct unit *u)
{
	const struct item *items;
	size_t n = transitions_group(u->t, &items);

	return publisher_submit(u->publisher, items, n, group_cb, u);
}

/* Does what follows from what the broker has said. */
static void
go_on(struct unit *u)
{
	struct publish_unit_result r = { .code = RECORD_APPENDED };
	enum transitions_verdict v = transitions_judge(u->t);

	if (!u->fresh) {
		ask_again(u);
	} else if (v == TRANSITIONS_REPEATED) {
		take_repeats(u, &r);
		finish(u, &r);
	} else if (v == TRANSITIONS_REFUSED && !transitions_has_keys(u->t)) {
		refuse(u);
	} else {
		u->by_keys = v == TRANSITIONS_REFUSED;
		if (hand_over(u) == -1)
			no_room(u);
	}
}

int
publish_unit_submit(struct publisher *p, struct transitions *t,
    publish_unit_cb cb, void *arg)
{
	struct unit *u = xcalloc(1, sizeof(*u));
	struct position first, last;
	int rc;

	u->magic = UNIT_MAGIC;
	u->publisher = p;
	u->t = t;
	u->cb = cb;
	u->arg = arg;
	TAILQ_INSERT_TAIL(&units, u, link);
	guess_all(u);
	/* A guess lets through; it neither refuses nor calls a repeat. */
	if (transitions_judge(t) == TRANSITIONS_GO &&
	    transitions_repeats(t, &first, &last) == 0)
		rc = hand_over(u);
	else
		rc = ask(u) ? 0 : -1;
	if (rc == -1)
		unit_free(u);
	return rc;
}
