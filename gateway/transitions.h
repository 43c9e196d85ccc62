/*
 * transitions: a group of items, some of them events of state machines, judged
 * in their order on where each machine stands (contract 3). Pure.
 *
 * Each machine is asked for once, however many of the group's events are its.
 * What is known of one may be out of date: then its guard is lost, and the
 * group is judged again on what the broker says (publish_unit). The group that
 * may be appended is without what is there already, has guards, and in each
 * previous_state that was null the state before.
 */
#ifndef SLUICE_TRANSITIONS_H
#define SLUICE_TRANSITIONS_H

#include "common/event.h"
#include "gateway/event_state.h"

/* Where a machine stands. */
struct transitions_now {
	struct position		position;   /* its guard */
	struct lifecycle_point	point;
	bool			stream_over;  /* of a step: its stream's end */
};

/* What the whole group comes to. */
enum transitions_verdict {
	TRANSITIONS_GO,         /* there is something to append */
	TRANSITIONS_REPEATED,   /* all of it is there already */
	TRANSITIONS_REFUSED
};

struct transitions;

/* One of the items is a machine's. */
bool	transitions_in(const struct item *items, size_t n);
/* Copies all it needs. */
struct transitions *transitions_new(const struct item *items,
	    const struct event_state *states, size_t n);
void	transitions_free(struct transitions *t);
/* At most so many bytes are held for these, together or each by itself. */
size_t	transitions_need(const struct item *items, size_t n);

size_t	transitions_count(const struct transitions *t);   /* of items */
bool	transitions_has_keys(const struct transitions *t);
/* --- machines ------------------------------------------------------------- */
size_t	transitions_machines(const struct transitions *t);
/* Tenant, key and part, as a number that is the same in every group. */
uint64_t transitions_name(const struct transitions *t, size_t machine);
/* An item that is never appended: its answer says where the machine stands. */
struct item transitions_question(const struct transitions *t, size_t machine);
void	transitions_know(struct transitions *t, size_t machine,
	    const struct transitions_now *now);
/* Which machine's event this is, of those that were submitted last. */
size_t	transitions_machine_of(const struct transitions *t, size_t submitted);

/* --- judging -------------------------------------------------------------- */
enum transitions_verdict transitions_judge(struct transitions *t);
/* After TRANSITIONS_REFUSED: the first that is, why, and where its machine
 * stood (with all before it). */
size_t	transitions_refused(const struct transitions *t,
	    enum lifecycle_verdict *ret_verdict,
	    struct transitions_now *ret_now);
bool	transitions_refused_has_key(const struct transitions *t);
/* The items to append, until the next change. Of a refused group all, and
 * guards that never hold: only their idempotency keys can answer. */
size_t	transitions_group(struct transitions *t, const struct item **ret);
/* Of those that were submitted last, the index in the whole group. */
size_t	transitions_index(const struct transitions *t, size_t submitted);
/* Repeats that are not among them, and where those stand. */
size_t	transitions_repeats(const struct transitions *t,
	    struct position *ret_first, struct position *ret_last);
/* The group stands from `first` on: where each of its machines is now. */
void	transitions_appended(struct transitions *t, struct position first);
const struct transitions_now *transitions_now(const struct transitions *t,
	    size_t machine);
enum lifecycle_machine transitions_kind(const struct transitions *t,
	    size_t item);

#endif
