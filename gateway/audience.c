#include "gateway/audience.h"

#include "gateway/hub.h"
#include "gateway/snapshot.h"

void
audience_join(struct conn *c, struct hub_subscription *sub)
{
	struct connections *cs = c->gateway->connections;
	struct stream *s = &c->stream;

	s->sub = sub;
	s->prev = CONN_NONE;
	s->next = sub->first_client;
	if (s->next != CONN_NONE)
		connections_get(cs, s->next)->stream.prev = c->id;
	sub->first_client = c->id;
	conn_row_subscribe(c->row, sub->id + 1);
}

/* One reference less; before the last, what only the gateway can free. */
static void
give_back(struct gateway *g, struct hub_subscription *sub)
{
	if (sub->clients == 1)
		snapshot_forget(g, sub);
	(void)hub_release(g->hub, sub);
}

void
audience_leave(struct conn *c)
{
	struct connections *cs = c->gateway->connections;
	struct stream *s = &c->stream;

	if (s->prev != CONN_NONE)
		connections_get(cs, s->prev)->stream.next = s->next;
	else
		s->sub->first_client = s->next;
	if (s->next != CONN_NONE)
		connections_get(cs, s->next)->stream.prev = s->prev;
	if (s->sub->turn == c->id)
		s->sub->turn = s->next;
	s->next = s->prev = CONN_NONE;
	give_back(c->gateway, s->sub);
	s->sub = NULL;
	conn_row_subscribe(c->row, 0);
}

void
audience_each(struct gateway *g, struct hub_subscription *sub,
    void (*cb)(struct conn *c, void *arg), void *arg)
{
	uint32_t id = sub->first_client, next;
	struct conn *c;

	/* The last client may go, and the subscription with it. */
	sub->clients++;
	for (; id != CONN_NONE; id = next) {
		c = connections_get(g->connections, id);
		next = c->stream.next;
		cb(c, arg);
	}
	give_back(g, sub);
}

void
audience_pass(struct gateway *g, struct hub_subscription *sub,
    bool (*cb)(struct conn *c, void *arg), void *arg)
{
	struct conn *c;
	bool more = true;

	if (sub->turn == CONN_NONE)
		sub->turn = sub->first_client;
	sub->clients++;
	while (more && sub->turn != CONN_NONE) {
		c = connections_get(g->connections, sub->turn);
		sub->turn = c->stream.next;
		more = cb(c, arg);
	}
	give_back(g, sub);
}
