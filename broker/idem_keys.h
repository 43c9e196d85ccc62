/*
 * idem_keys: the idempotency keys of a window, in the order they came, found
 * by hash; the oldest leaves when there are too many. Pure. Owned by dedup,
 * which judges by them.
 */
#ifndef SLUICE_IDEM_KEYS_H
#define SLUICE_IDEM_KEYS_H

#include <stdbool.h>

#include "common/event.h"

struct idem_key {
	uint8_t		idem[EVENT_HASH_SIZE];
	uint8_t		body[EVENT_HASH_SIZE];
	struct position	position;
	int64_t		time_ms;
};

struct idem_keys;

/* At most `max` keys (0: none is ever kept). */
struct idem_keys *idem_keys_new(uint32_t max, uint64_t hash_seed);
void	idem_keys_free(struct idem_keys *k);
size_t	idem_keys_count(const struct idem_keys *k);

/* The row of a key, to be read or changed but for `idem`, or NULL. */
struct idem_key *idem_keys_find(struct idem_keys *k,
	    const uint8_t idem[EVENT_HASH_SIZE]);
/* A key that is not there; copied. Rows found before may have moved. */
void	idem_keys_push(struct idem_keys *k, const struct idem_key *key);
/* The next push drops the oldest. */
bool	idem_keys_full(const struct idem_keys *k);
/* One that was dropped from the old end, in the reverse order; there must be
 * room. */
void	idem_keys_restore_oldest(struct idem_keys *k,
	    const struct idem_key *key);
/* NULL: there is none. */
const struct idem_key *idem_keys_oldest(const struct idem_keys *k);
const struct idem_key *idem_keys_newest(const struct idem_keys *k);
/* There must be one. */
void	idem_keys_drop_oldest(struct idem_keys *k);
void	idem_keys_drop_newest(struct idem_keys *k);
/* Walks from old to new, over changes in between: *cursor, 0 at first, is
 * moved behind the row that is returned; NULL at the end. */
const struct idem_key *idem_keys_next(const struct idem_keys *k,
	    uint64_t *cursor);

#endif
