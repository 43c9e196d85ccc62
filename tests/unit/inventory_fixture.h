/*
 * What the tests of an inventory share: an empty one, `inv`, for each test
 * that is listed as CASE(test). Include it after cmocka.h.
 */
#ifndef SLUICE_INVENTORY_FIXTURE_H
#define SLUICE_INVENTORY_FIXTURE_H

#include "watcher/inventory.h"

/* The pods' place in the table of kinds. */
#define POD ((unsigned)kinds_find(slice_str("pod")))

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static struct inventory *inv;

static int
setup(void **state)
{
	(void)state;
	inv = inventory_new(0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	inventory_free(inv);
	return 0;
}

/* A whole list of the kind begins; list_ends(): nothing else exists. */
static inline uint32_t
list_begins(unsigned kind)
{
	return inventory_list_begin(inv, kind, SLICE_NONE);
}

static inline void
list_ends(unsigned kind, uint32_t mark)
{
	inventory_list_end(inv, kind, SLICE_NONE, mark);
}

#endif
