#include "watcher/list_gate.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/macros.h"
#include "common/timer.h"
#include "common/xmalloc.h"

#define LIST_GATE_MAGIC 0x45544147u   /* "GATE" */

struct list_gate {
	uint32_t		 magic;
	unsigned		 held;
	struct list_pass	*first;     /* that wait, oldest first */
	struct event		*turn;
};

static void
grant(struct list_gate *g, struct list_pass *pass)
{
	g->held++;
	pass->held = true;
	pass->granted(pass->arg);
}

/* One at a time: who is granted may return it at once. */
static void
list_gate_turn_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_gate *g = arg;
	struct list_pass *pass = g->first;

	assert(g->magic == LIST_GATE_MAGIC);
	if (pass == NULL || g->held == LIST_GATE_MAX)
		return;
	event_active(g->turn, EV_TIMEOUT, 0);
	g->first = pass->next;
	pass->waits = false;
	grant(g, pass);
}

void
list_gate_ask(struct list_gate *g, struct list_pass *pass)
{
	struct list_pass **link = &g->first;

	assert(g->magic == LIST_GATE_MAGIC);
	assert(!pass->held && !pass->waits);
	if (g->held < LIST_GATE_MAX && g->first == NULL) {
		grant(g, pass);
		return;
	}
	while (*link != NULL)
		link = &(*link)->next;
	pass->next = NULL;
	pass->waits = true;
	*link = pass;
	event_active(g->turn, EV_TIMEOUT, 0);
}

void
list_gate_return(struct list_gate *g, struct list_pass *pass)
{
	struct list_pass **link = &g->first;

	assert(g->magic == LIST_GATE_MAGIC);
	if (pass->held) {
		pass->held = false;
		g->held--;
		event_active(g->turn, EV_TIMEOUT, 0);
	} else if (pass->waits) {
		while (*link != pass)
			link = &(*link)->next;
		*link = pass->next;
		pass->waits = false;
	}
}

struct list_gate *
list_gate_new(struct event_base *base)
{
	struct list_gate *g = xcalloc(1, sizeof(*g));

	g->magic = LIST_GATE_MAGIC;
	g->turn = timer_new(base, list_gate_turn_cb, g);
	return g;
}

void
list_gate_free(struct list_gate *g)
{
	if (g == NULL)
		return;
	assert(g->held == 0 && g->first == NULL);
	event_free(g->turn);
	g->magic = 0;
	free(g);
}
