/*
 * child_fsm: the life of one child process as a table [state][event], every
 * cell filled. Pure: what was seen goes in, the next state and one action come
 * out; supervisor/child carries the action out. `sluiced --dot` draws it.
 *
 * What a child is wanted to be (up or down) is not part of the state: the
 * caller chooses the kind of exit by it, and gives CHILD_EV_UP again when a
 * child it wants has come to rest in CHILD_STOPPED.
 */
#ifndef SLUICE_CHILD_FSM_H
#define SLUICE_CHILD_FSM_H

#include <stdio.h>

enum child_state {
	CHILD_STOPPED,    /* no process, none is coming by itself */
	CHILD_STARTING,   /* forked; has not said READY */
	CHILD_READY,
	CHILD_STOPPING,   /* was told STOP */
	CHILD_HUNG,       /* got SIGABRT and SIGCONT */
	CHILD_KILLED,     /* got SIGKILL; not reaped yet */
	CHILD_BACKOFF,    /* died; waits for its restart */
	CHILD_FAILED,     /* circuit open: tried again rarely */
	CHILD_STATE_MAX
};

enum child_event {
	CHILD_EV_UP,           /* it is wanted */
	CHILD_EV_DOWN,         /* it is not wanted any more */
	CHILD_EV_RESTART,      /* the operator's command */
	CHILD_EV_READY,        /* it said READY */
	CHILD_EV_TIMEOUT,      /* the state's time is over */
	CHILD_EV_HUNG,         /* no PONG in time */
	CHILD_EV_EXIT,         /* ended, and that was ordered */
	CHILD_EV_DEATH,        /* ended, or could not be forked, unasked */
	CHILD_EV_CIRCUIT,      /* the same, and the circuit opens */
	CHILD_EVENT_MAX
};

enum child_action {
	CHILD_DO_NOTHING,
	CHILD_DO_SPAWN,        /* fork and exec; READY deadline */
	CHILD_DO_WELCOME,      /* is ready: no deadline any more */
	CHILD_DO_STOP,         /* send STOP; deadline */
	CHILD_DO_ABORT,        /* SIGABRT, SIGCONT; 2 s */
	CHILD_DO_KILL,         /* SIGKILL; again after a second */
	CHILD_DO_DELAY,        /* wait before the restart */
	CHILD_DO_OPEN,         /* wait for the circuit's retry */
	CHILD_DO_REST,         /* nothing runs, nothing is due */
	CHILD_ACTION_MAX
};

struct child_step {
	enum child_state	next;
	enum child_action	action;
};

struct child_step	 child_fsm_step(enum child_state state,
			    enum child_event event);
const char		*child_state_name(enum child_state state);
const char		*child_event_name(enum child_event event);
const char		*child_action_name(enum child_action action);
/* The table as a graphviz digraph. */
void			 child_fsm_dot(FILE *out);

#endif
