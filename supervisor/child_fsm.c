#include "supervisor/child_fsm.h"

#include <assert.h>

static const char *const states[CHILD_STATE_MAX] = {
	[CHILD_STOPPED]  = "stopped",
	[CHILD_STARTING] = "starting",
	[CHILD_READY]    = "ready",
	[CHILD_STOPPING] = "stopping",
	[CHILD_HUNG]     = "hung",
	[CHILD_KILLED]   = "killed",
	[CHILD_BACKOFF]  = "backoff",
	[CHILD_FAILED]   = "failed",
};

static const char *const events[CHILD_EVENT_MAX] = {
	[CHILD_EV_UP]      = "up",
	[CHILD_EV_DOWN]    = "down",
	[CHILD_EV_RESTART] = "restart",
	[CHILD_EV_READY]   = "ready",
	[CHILD_EV_TIMEOUT] = "timeout",
	[CHILD_EV_HUNG]    = "hung",
	[CHILD_EV_EXIT]    = "exit",
	[CHILD_EV_DEATH]   = "death",
	[CHILD_EV_CIRCUIT] = "circuit",
};

static const char *const actions[CHILD_ACTION_MAX] = {
	[CHILD_DO_NOTHING] = "",
	[CHILD_DO_SPAWN]   = "spawn",
	[CHILD_DO_WELCOME] = "welcome",
	[CHILD_DO_STOP]    = "stop",
	[CHILD_DO_ABORT]   = "abort",
	[CHILD_DO_KILL]    = "kill",
	[CHILD_DO_DELAY]   = "delay",
	[CHILD_DO_OPEN]    = "open",
	[CHILD_DO_REST]    = "rest",
};

/* A cell: next state and action; STAY: nothing changes. */
#define TO(state, action) { CHILD_##state, CHILD_DO_##action }
#define STAY(state)       TO(state, NOTHING)

static const struct child_step table[CHILD_STATE_MAX][CHILD_EVENT_MAX] = {
	[CHILD_STOPPED] = {
		[CHILD_EV_UP]      = TO(STARTING, SPAWN),
		[CHILD_EV_DOWN]    = STAY(STOPPED),
		[CHILD_EV_RESTART] = TO(STARTING, SPAWN),
		[CHILD_EV_READY]   = STAY(STOPPED),
		[CHILD_EV_TIMEOUT] = STAY(STOPPED),
		[CHILD_EV_HUNG]    = STAY(STOPPED),
		[CHILD_EV_EXIT]    = STAY(STOPPED),
		[CHILD_EV_DEATH]   = STAY(STOPPED),
		[CHILD_EV_CIRCUIT] = STAY(STOPPED),
	},
	[CHILD_STARTING] = {
		[CHILD_EV_UP]      = STAY(STARTING),
		[CHILD_EV_DOWN]    = TO(STOPPING, STOP),
		[CHILD_EV_RESTART] = TO(STOPPING, STOP),
		[CHILD_EV_READY]   = TO(READY, WELCOME),
		[CHILD_EV_TIMEOUT] = TO(HUNG, ABORT),
		[CHILD_EV_HUNG]    = TO(HUNG, ABORT),
		[CHILD_EV_EXIT]    = TO(STOPPED, REST),
		[CHILD_EV_DEATH]   = TO(BACKOFF, DELAY),
		[CHILD_EV_CIRCUIT] = TO(FAILED, OPEN),
	},
	[CHILD_READY] = {
		[CHILD_EV_UP]      = STAY(READY),
		[CHILD_EV_DOWN]    = TO(STOPPING, STOP),
		[CHILD_EV_RESTART] = TO(STOPPING, STOP),
		[CHILD_EV_READY]   = STAY(READY),
		[CHILD_EV_TIMEOUT] = STAY(READY),
		[CHILD_EV_HUNG]    = TO(HUNG, ABORT),
		[CHILD_EV_EXIT]    = TO(STOPPED, REST),
		[CHILD_EV_DEATH]   = TO(BACKOFF, DELAY),
		[CHILD_EV_CIRCUIT] = TO(FAILED, OPEN),
	},
	[CHILD_STOPPING] = {
		[CHILD_EV_UP]      = STAY(STOPPING),
		[CHILD_EV_DOWN]    = STAY(STOPPING),
		[CHILD_EV_RESTART] = STAY(STOPPING),
		[CHILD_EV_READY]   = STAY(STOPPING),
		[CHILD_EV_TIMEOUT] = TO(KILLED, KILL),
		[CHILD_EV_HUNG]    = STAY(STOPPING),
		[CHILD_EV_EXIT]    = TO(STOPPED, REST),
		[CHILD_EV_DEATH]   = TO(STOPPED, REST),
		[CHILD_EV_CIRCUIT] = TO(STOPPED, REST),
	},
	[CHILD_HUNG] = {
		[CHILD_EV_UP]      = STAY(HUNG),
		[CHILD_EV_DOWN]    = STAY(HUNG),
		[CHILD_EV_RESTART] = STAY(HUNG),
		[CHILD_EV_READY]   = STAY(HUNG),
		[CHILD_EV_TIMEOUT] = TO(KILLED, KILL),
		[CHILD_EV_HUNG]    = STAY(HUNG),
		[CHILD_EV_EXIT]    = TO(STOPPED, REST),
		[CHILD_EV_DEATH]   = TO(BACKOFF, DELAY),
		[CHILD_EV_CIRCUIT] = TO(FAILED, OPEN),
	},
	[CHILD_KILLED] = {
		[CHILD_EV_UP]      = STAY(KILLED),
		[CHILD_EV_DOWN]    = STAY(KILLED),
		[CHILD_EV_RESTART] = STAY(KILLED),
		[CHILD_EV_READY]   = STAY(KILLED),
		[CHILD_EV_TIMEOUT] = TO(KILLED, KILL),
		[CHILD_EV_HUNG]    = STAY(KILLED),
		[CHILD_EV_EXIT]    = TO(STOPPED, REST),
		[CHILD_EV_DEATH]   = TO(BACKOFF, DELAY),
		[CHILD_EV_CIRCUIT] = TO(FAILED, OPEN),
	},
	[CHILD_BACKOFF] = {
		[CHILD_EV_UP]      = STAY(BACKOFF),
		[CHILD_EV_DOWN]    = TO(STOPPED, REST),
		[CHILD_EV_RESTART] = TO(STARTING, SPAWN),
		[CHILD_EV_READY]   = STAY(BACKOFF),
		[CHILD_EV_TIMEOUT] = TO(STARTING, SPAWN),
		[CHILD_EV_HUNG]    = STAY(BACKOFF),
		[CHILD_EV_EXIT]    = STAY(BACKOFF),
		[CHILD_EV_DEATH]   = STAY(BACKOFF),
		[CHILD_EV_CIRCUIT] = STAY(BACKOFF),
	},
	[CHILD_FAILED] = {
		[CHILD_EV_UP]      = STAY(FAILED),
		[CHILD_EV_DOWN]    = TO(STOPPED, REST),
		[CHILD_EV_RESTART] = TO(STARTING, SPAWN),
		[CHILD_EV_READY]   = STAY(FAILED),
		[CHILD_EV_TIMEOUT] = TO(STARTING, SPAWN),
		[CHILD_EV_HUNG]    = STAY(FAILED),
		[CHILD_EV_EXIT]    = STAY(FAILED),
		[CHILD_EV_DEATH]   = STAY(FAILED),
		[CHILD_EV_CIRCUIT] = STAY(FAILED),
	},
};

struct child_step
child_fsm_step(enum child_state state, enum child_event event)
{
	assert((unsigned)state < CHILD_STATE_MAX &&
	    (unsigned)event < CHILD_EVENT_MAX);
	return table[state][event];
}

const char *
child_state_name(enum child_state state)
{
	assert((unsigned)state < CHILD_STATE_MAX);
	return states[state];
}

const char *
child_event_name(enum child_event event)
{
	assert((unsigned)event < CHILD_EVENT_MAX);
	return events[event];
}

const char *
child_action_name(enum child_action action)
{
	assert((unsigned)action < CHILD_ACTION_MAX);
	return actions[action];
}

void
child_fsm_dot(FILE *out)
{
	(void)fputs("digraph child {\n\trankdir=LR;\n", out);
	for (int s = 0; s < CHILD_STATE_MAX; s++)
		for (int e = 0; e < CHILD_EVENT_MAX; e++) {
			struct child_step step = table[s][e];

			if ((int)step.next == s &&
			    step.action == CHILD_DO_NOTHING)
				continue;
			(void)fprintf(out, "\t%s -> %s [label=\"%s / %s\"];\n",
			    states[s], states[step.next], events[e],
			    actions[step.action]);
		}
	(void)fputs("}\n", out);
}
