/*
 * conf_slot: the configuration one thread reads, while reloads bring others.
 * The thread goes over to the newest one when it is at rest, and the one before
 * is freed then: two are kept at most, however often it is reloaded. The slot
 * has no lock of its own; offer and take are called under the thread's mutex,
 * `now` is read by the thread alone.
 */
#ifndef SLUICE_CONF_SLOT_H
#define SLUICE_CONF_SLOT_H

#include <stdbool.h>

#include "common/conf.h"

struct conf_slot {
	const struct conf	*now;
	struct conf		*own;    /* `now`, unless it is the first */
	struct conf		*next;   /* offered, not taken yet; or NULL */
};

/* The first one stays the caller's and must outlive the slot. */
void	conf_slot_init(struct conf_slot *s, const struct conf *first);
/* Takes `conf` (of xcalloc); one that was offered before and not taken is
 * freed. */
void	conf_slot_offer(struct conf_slot *s, struct conf *conf);
/* By the thread, with nothing of `now` in use: true when `now` is another. */
bool	conf_slot_take(struct conf_slot *s);
/* Frees what it owns; by whom the thread has ended. */
void	conf_slot_clear(struct conf_slot *s);

#endif
