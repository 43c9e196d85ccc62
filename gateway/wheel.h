/*
 * wheel: deadlines of many connections in slots of WHEEL_TICK_MS, instead of a
 * timer object each. Pure: times are given.
 *
 * A deadline is a promise to look at the id not later than a tick after it;
 * ids may also be looked at earlier (deadlines beyond the wheel's span are),
 * and then set theirs again. Members are small numbers, 0 <= id < count.
 */
#ifndef SLUICE_WHEEL_H
#define SLUICE_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_MS 50
#define WHEEL_SLOTS   1024u

struct wheel;

struct wheel	*wheel_new(uint32_t count, int64_t now_ms);
void		 wheel_free(struct wheel *w);
/* Replaces the id's deadline. */
void		 wheel_set(struct wheel *w, uint32_t id, int64_t due_ms);
void		 wheel_remove(struct wheel *w, uint32_t id);
/* Takes off every id whose slot has passed and calls back for it; the callback
 * may set and remove any id. */
void		 wheel_advance(struct wheel *w, int64_t now_ms,
		    void (*cb)(uint32_t id, void *arg), void *arg);

#endif
