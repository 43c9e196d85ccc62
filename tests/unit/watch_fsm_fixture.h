/*
 * What the unit tests of watch_fsm share: one kind's machine, and its steps.
 */
#ifndef SLUICE_WATCH_FSM_FIXTURE_H
#define SLUICE_WATCH_FSM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/watch_fsm.h"
#include "watcher/watch_words.h"

static struct watch_fsm f;

static UNUSED struct watch_step
step(enum watch_input input)
{
	struct watch_facts facts = { .random = 200 };

	return watch_fsm_step(&f, input, &facts);
}

/* Nothing was wrong for long enough. */
static UNUSED struct watch_step
calm(enum watch_input input)
{
	struct watch_facts facts = { .random = 200, .calm_ms = 120000 };

	return watch_fsm_step(&f, input, &facts);
}

static UNUSED void
begin_watching(void)
{
	watch_fsm_init(&f, 5000, 60000, 300000);
	assert_int_equal(step(WATCH_IN_START).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_ZERO);
	assert_int_equal(step(WATCH_IN_PAGE).action, WATCH_DO_PAGE);
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
}

#endif
