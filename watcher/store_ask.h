/*
 * store_ask: the watcher's questions to the store: which workflow nodes are
 * bound to its objects, and, at the start, after an absence and on RESYNC,
 * what the streams show at >= the broker's tip. The answers go into the
 * inventory (store_answer), and into the job streams where there are any.
 * Without one in STORE_ASK_MS the store counts as away: everything is published
 * as `sync`, and it is asked again every STORE_ASK_MS. One round of questions
 * at a time.
 *
 * Runs in the watcher's loop; the outbox owns it and acts on what it says.
 */
#ifndef SLUICE_STORE_ASK_H
#define SLUICE_STORE_ASK_H

#include "common/event.h"
#include "common/role.h"
#include "watcher/inventory.h"
#include "watcher/job_streams.h"

#define STORE_ASK_MS 5000

struct store_ask;

/* The inventory, or one of the three states below, has changed. */
typedef void (*store_ask_moved_cb)(void *arg);

/* NULL with *err when the bus cannot be had. `role`, `inv` and `jobs` (NULL:
 * there are none) must outlive it. */
struct store_ask *store_ask_new(struct role *role, struct inventory *inv,
    struct job_streams *jobs, store_ask_moved_cb moved, void *arg,
    struct err *err) MUST_CHECK;
void	store_ask_free(struct store_ask *a);

/* Registered with the broker, whose newest position is `tip`: the first round
 * begins. Before it nothing is asked. False: it has begun already (the broker
 * is another). */
bool	store_ask_start(struct store_ask *a, struct position tip);
/* The bindings have changed: another round, after the one under way. */
void	store_ask_bindings(struct store_ask *a);
/* RESYNC: likewise, with what the streams show. */
void	store_ask_compare(struct store_ask *a);
/* The broker has appended own events there: a question from here on waits for
 * them. `deleted`: the object, if it was announced as deleted among them; what
 * an answer under way says of it is no news. */
void	store_ask_appended(struct store_ask *a, struct position at,
	    const struct inv_object *deleted);

/* Objects may be published: the store has answered, or had its time. */
bool	store_ask_open(const struct store_ask *a);
/* It has not said what the streams show: what is published is `sync`. */
bool	store_ask_behind(const struct store_ask *a);
/* The answer to a RESYNC is awaited: what ends it for the store waits too. */
bool	store_ask_holding(const struct store_ask *a);
/* What of the bindings could not be used, one line; "" when all could. */
const char *store_ask_trouble(const struct store_ask *a);

#endif
