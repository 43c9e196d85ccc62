/*
 * test_room: less room than a broker has, for tests that want to see it used
 * up. Process: the broker that `make hooks` builds with -DTEST_HOOKS
 * (build/hooks/sluice-broker); in every other nothing of it is left, no name of
 * a variable either, which a test looks at. Told by the environment:
 *
 *	SLUICE_TEST_STEPS=N	steps of all streams there is room for, in place
 *				of MACHINE_ALL_PARTS_MAX (machine_table), which
 *				is the most
 */
#ifndef SLUICE_TEST_ROOM_H
#define SLUICE_TEST_ROOM_H

#include "broker/sequencer.h"
#include "common/macros.h"

#ifdef TEST_HOOKS

/* At the start; what is no such number ends the process. */
void	test_room_take(struct sequencer *s);

#else

static inline void
test_room_take(struct sequencer *s UNUSED)
{
}

#endif
#endif
