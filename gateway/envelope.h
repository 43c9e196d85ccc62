/*
 * envelope: one published event checked against the contract (sections 1 and
 * 2) and made into an item. Pure: JSON, a time and a tenant in; an item, or
 * every problem with its path, out.
 *
 * Which state of its machine it names is read here (event_state); whether that
 * may follow the present one is judged when it is known.
 */
#ifndef SLUICE_ENVELOPE_H
#define SLUICE_ENVELOPE_H

#include "common/event.h"
#include "gateway/event_state.h"
#include "gateway/json_tree.h"

#define ENVELOPE_TEXT_MAX      256u    /* source, correlation_id */
#define ENVELOPE_LINE_NO_MAX   9007199254740991.0   /* 2^53 - 1 */
#define ENVELOPE_FUTURE_MAX_MS (5 * 60 * 1000)

/* Told each problem: the member's path, and what is wrong with it. */
typedef void (*envelope_problem_cb)(const char *path, const char *problem,
    void *arg);

/* Of the event as received (words of states in it become the contract's);
 * `publisher` is the source of one that names none (a URI reference). On
 * success (0) the item's slices point into `frame`, which the caller frees, and
 * where `event` does. Otherwise the number of problems told. */
unsigned int	envelope_item(const struct json_value *event,
		    struct slice tenant, struct slice publisher,
		    int64_t now_unix_ms, struct buf *frame, struct item *ret,
		    struct event_state *ret_state,
		    envelope_problem_cb cb, void *arg);

#endif
