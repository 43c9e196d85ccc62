/*
 * store_answer: what the store answers about one cluster, brought into the
 * inventory: what streams show, and which workflow nodes are bound to which
 * objects. Pure (it changes the inventory it is given).
 *
 * An answer is read with the same distrust as any input: what does not belong
 * to this cluster, or names a kind this version does not follow, says nothing.
 */
#ifndef SLUICE_STORE_ANSWER_H
#define SLUICE_STORE_ANSWER_H

#include <stdbool.h>

#include "common/event.h"
#include "watcher/inventory.h"

/* A stream's last event: a resource's status or a workflow node's. */
void	store_answer_item(struct inventory *inv, const char *cluster,
	    const struct item *item);

/* What could not be taken of the bindings, for one line in the log. */
struct store_answer_refused {
	unsigned	unusable;   /* rows with a name missing or impossible */
	char		which[160];   /* the first of them: workflow and node */
	unsigned	crowded;      /* object has INV_OBJECT_BINDINGS_MAX */
	char		example[128]; /* the first of the crowded */
};

/* {"bindings": [{kind, namespace, name, tenant, workflow, node}, ...]}: what
 * is not named there is unbound. A row that cannot be used is left out, so
 * that it is in the way of no other: no stream can have that workflow's name,
 * and the store would refuse any question that has it. False when the answer
 * is none; then nothing has changed. */
bool	store_answer_bindings(struct inventory *inv, struct slice json,
	    struct store_answer_refused *ret);

#endif
