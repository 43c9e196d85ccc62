#include "broker/test_room.h"

#ifdef TEST_HOOKS

#include <stdlib.h>

#include "broker/machine_table.h"
#include "common/log.h"

void
test_room_take(struct sequencer *s)
{
	const char *steps = getenv("SLUICE_TEST_STEPS");
	unsigned long n;
	char *end;

	if (steps == NULL)
		return;
	n = strtoul(steps, &end, 10);
	if (end == steps || *end != '\0' || n > MACHINE_ALL_PARTS_MAX)
		fatalx("SLUICE_TEST_STEPS=%s: give a number of steps, at most "
		    "%u", steps, MACHINE_ALL_PARTS_MAX);
	log_warn("room for %lu steps of all streams, as a test wants it", n);
	sequencer_limit_parts(s, (uint32_t)n);
}

#endif
