/*
 * list_gate: at most LIST_GATE_MAX lists of one cluster at a time: all kinds
 * that list at once are a storm to the API server (k8s-watch.md A 13). Who may
 * not begin waits his turn. Beside it the supervisor bounds how many clusters
 * begin to list. Runs in the watcher's loop.
 */
#ifndef SLUICE_LIST_GATE_H
#define SLUICE_LIST_GATE_H

#include <event2/event.h>
#include <stdbool.h>

#define LIST_GATE_MAX 3u

struct list_gate;

/* Owned by who asks; all zero but for the first two is a good start. */
struct list_pass {
	void			(*granted)(void *arg);
	void			*arg;
	struct list_pass	*next;
	bool			 waits;
	bool			 held;
};

struct list_gate *list_gate_new(struct event_base *base);
/* Every pass must have been returned. */
void	list_gate_free(struct list_gate *g);

/* `granted` is called, once: now, or from the loop. The pass is neither held
 * nor waiting. */
void	list_gate_ask(struct list_gate *g, struct list_pass *pass);
/* Gives it back, or no longer waits; does nothing when it did neither. */
void	list_gate_return(struct list_gate *g, struct list_pass *pass);

#endif
