/*
 * questions: what gateways ask the broker (common/query_wire.h, QUERY_LAST and
 * QUERY_OPEN_LOGS), on the same socket as publishers' requests. Keys are
 * answered at once, and a page of open logs, which ends after QUESTIONS_STEPS
 * streams; a prefix is searched for in slices between the loop's other work.
 * Whether a log is open is judged by the wall clock of the question.
 *
 * Limits: one question per asker, which has but one on the wire: a newer one
 * takes its place; QUESTIONS_ASKERS of them; a slice of QUESTIONS_STEPS
 * comparisons, then the loop has QUESTIONS_PAUSE_MS for everything else. A
 * question nobody waits for any more is dropped.
 */
#ifndef SLUICE_QUESTIONS_H
#define SLUICE_QUESTIONS_H

#include <event2/event.h>

#include "broker/sequencer.h"
#include "common/bus.h"

#define QUESTIONS_ASKERS   32u
#define QUESTIONS_STEPS    4096u   /* some 0.2 ms */
#define QUESTIONS_PAUSE_MS 1

struct questions;

/* Of messages that came by the raw REP socket `rep`, which stays the
 * caller's, as the sequencer does. */
struct questions *questions_new(struct event_base *base,
	    struct sequencer *s, int rep, struct err *err) MUST_CHECK;
void	questions_free(struct questions *q);
/* Whether a message is a question at all, rather than a publisher's. */
bool	questions_is_one(const struct bus_message *m);
/* Takes the message; answers now or later. */
void	questions_take(struct questions *q, struct bus_message *m);

#endif
