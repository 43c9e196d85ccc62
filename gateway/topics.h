/*
 * topics: which subscriptions name a key or a prefix of keys: tenant and
 * selector -> ids, and the topics that a key falls under. Keys are found by
 * hash; prefixes too, since a prefix ends at a segment (":" or "/"), so that a
 * key costs one look-up per segment, however many prefixes there are.
 *
 * Pure. The hub owns it, and what an id stands for.
 */
#ifndef SLUICE_TOPICS_H
#define SLUICE_TOPICS_H

#include "common/event.h"

struct topics;

struct topics	*topics_new(void);
void		 topics_free(struct topics *t);
/* `selector` was checked: a key, or a prefix with its star. Each id only once
 * with one selector. */
void		 topics_add(struct topics *t, struct slice tenant,
		    struct slice selector, uint32_t id);
/* Of what was never added: nothing. */
void		 topics_remove(struct topics *t, struct slice tenant,
		    struct slice selector, uint32_t id);
/* Calls back for each id of each topic that `key` falls under: an id of
 * several of them comes several times. The callback changes no topic. */
void		 topics_match(struct topics *t, struct slice tenant,
		    struct slice key, void (*cb)(uint32_t id, void *arg),
		    void *arg);

#endif
