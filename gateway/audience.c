#include "gateway/audience.h"

#include <assert.h>

#include "gateway/hub.h"
#include "gateway/snapshot.h"

static struct stream *
stream_at(const struct conn *c, uint32_t id)
{
	return &connections_get(c->gateway->connections, id)->stream;
}

/* Behind `after`; CONN_NONE: at the front. */
static void
link_in(struct conn *c, uint32_t after)
{
	struct stream *s = &c->stream;

	s->prev = after;
	s->next = after != CONN_NONE ? stream_at(c, after)->next :
	    s->sub->first_client;
	if (s->next != CONN_NONE)
		stream_at(c, s->next)->prev = c->id;
	else
		s->sub->last_client = c->id;
	if (after != CONN_NONE)
		stream_at(c, after)->next = c->id;
	else
		s->sub->first_client = c->id;
}

static void
link_out(struct conn *c)
{
	struct stream *s = &c->stream;

	if (s->prev != CONN_NONE)
		stream_at(c, s->prev)->next = s->next;
	else
		s->sub->first_client = s->next;
	if (s->next != CONN_NONE)
		stream_at(c, s->next)->prev = s->prev;
	else
		s->sub->last_client = s->prev;
	s->next = s->prev = CONN_NONE;
}

void
audience_join(struct conn *c, struct hub_subscription *sub)
{
	c->stream.sub = sub;
	link_in(c, sub->last_client);
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
	assert(!c->stream.replaying);
	link_out(c);
	give_back(c->gateway, c->stream.sub);
	c->stream.sub = NULL;
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

/* --- turns ---------------------------------------------------------------- */

void
audience_wait(struct audience_queue *q, struct conn *c)
{
	struct hub_subscription *sub = c->stream.sub;

	if (c->stream.replaying)
		return;
	c->stream.replaying = true;
	link_out(c);
	link_in(c, sub->last_waiting);
	sub->last_waiting = c->id;
	if (sub->waiting++ == 0)
		TAILQ_INSERT_TAIL(q, sub, turn);
}

void
audience_wait_over(struct audience_queue *q, struct conn *c)
{
	struct hub_subscription *sub = c->stream.sub;

	if (!c->stream.replaying)
		return;
	c->stream.replaying = false;
	if (sub->last_waiting == c->id)
		sub->last_waiting = c->stream.prev;
	link_out(c);
	link_in(c, sub->last_client);
	if (--sub->waiting == 0)
		TAILQ_REMOVE(q, sub, turn);
}

void
audience_turn(struct gateway *g, struct audience_queue *q,
    void (*begin)(struct gateway *g, const struct hub_subscription *sub),
    bool (*cb)(struct conn *c, void *arg), void *arg)
{
	struct hub_subscription *sub = TAILQ_FIRST(q);
	uint32_t n = sub->waiting;
	bool more = true;
	struct conn *c;

	TAILQ_REMOVE(q, sub, turn);
	TAILQ_INSERT_TAIL(q, sub, turn);
	sub->clients++;
	begin(g, sub);
	/* One that had its turn may end others' waiting, and its own. */
	while (more && n-- > 0 && sub->waiting > 0) {
		c = connections_get(g->connections, sub->first_client);
		audience_wait_over(q, c);
		more = cb(c, arg);
	}
	begin(g, NULL);
	give_back(g, sub);
}
