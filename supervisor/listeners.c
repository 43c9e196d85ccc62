/*
 * Which gateway accepts on which of the keeper's listeners. Each has its own;
 * that of one which is stopped, has failed, waits long for its restart or
 * drains goes to a sibling, and comes back when its owner is ready again.
 * Giving and taking touch no client: all hold the one socket, and who waits in
 * its queue is accepted by whoever has it then. A gateway that drains accepts
 * wherever no sibling serves: it tells its clients when to come back, which
 * nobody else would.
 */
#include <string.h>

#include "common/log.h"
#include "supervisor/supervisor.h"

/* A pause before a restart that clients may wait for in the queue. With a
 * longer one they are somebody else's. */
#define LISTENERS_PAUSE_MS 250

static struct child *
gateway(const struct supervisor *s, size_t index)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (strcmp(s->children[i]->role, "gateway") == 0 &&
		    index-- == 0)
			return s->children[i];
	return NULL;
}

static bool
has(const struct child *c, size_t index)
{
	return (c->listeners >> index & 1) != 0;
}

static void
give(struct supervisor *s, struct child *to, size_t index)
{
	struct buf b = BUF_EMPTY;

	if (has(to, index))
		return;
	msg_listener_encode(&b, (uint32_t)index);
	if (child_send(to, MSG_LISTENER, b.data, b.len,
	    s->keeper.fds[index])) {
		to->listeners |= UINT64_C(1) << index;
		if (to != gateway(s, index))
			log_info("%s: accepts for gateway/%zu, too", to->title,
			    index);
	}
	buf_free(&b);
}

static void
take(struct child *from, size_t index)
{
	struct buf b = BUF_EMPTY;

	msg_listener_encode(&b, (uint32_t)index);
	if (child_send(from, MSG_UNLISTEN, b.data, b.len, -1))
		from->listeners &= ~(UINT64_C(1) << index);
	buf_free(&b);
}

/* It will not serve for a while: by command, or because it died. */
static bool
is_away(const struct child *c)
{
	return c->drain || c->desired == CHILD_DOWN ||
	    c->state == CHILD_FAILED || (c->state == CHILD_BACKOFF &&
	    c->backoff.last_ms > LISTENERS_PAUSE_MS);
}

/* Who is to accept on a listener; NULL: nobody can now. */
static struct child *
accepter(const struct supervisor *s, size_t index)
{
	struct child *owner = gateway(s, index), *c;
	struct child *soon = NULL, *last = NULL;

	if (owner == NULL || !is_away(owner))
		return owner;
	for (size_t i = 0; (c = gateway(s, i)) != NULL; i++) {
		if (!is_away(c) && c->state == CHILD_READY)
			return c;
		/* In a short pause, too: whoever drains would turn away clients
		 * that need not wait long. */
		if (!is_away(c) && soon == NULL &&
		    (c->state == CHILD_STARTING || c->state == CHILD_BACKOFF))
			soon = c;
		if (c->state == CHILD_READY && (last == NULL || c == owner))
			last = c;
	}
	return soon != NULL ? soon : last;
}

/* A sibling that is ready has it. */
static bool
is_covered(const struct supervisor *s, size_t index, const struct child *to)
{
	struct child *c;

	for (size_t i = 0; (c = gateway(s, i)) != NULL; i++)
		if (c != to && c->state == CHILD_READY && has(c, index))
			return true;
	return false;
}

static void
settle(struct supervisor *s, size_t index)
{
	struct child *to = accepter(s, index), *c;

	if (to == NULL || (to->state != CHILD_STARTING &&
	    to->state != CHILD_READY))
		return;
	/* One that only starts holds its clients for a while, or turns them
	 * away: better than nobody. */
	if (to->state == CHILD_STARTING && is_covered(s, index, to))
		return;
	give(s, to, index);
	if (to->state != CHILD_READY)
		return;
	for (size_t i = 0; (c = gateway(s, i)) != NULL; i++)
		if (c != to && child_running(c) && has(c, index))
			take(c, index);
}

static void
settle_all(struct supervisor *s)
{
	/* When the whole service stops nobody takes over. */
	if (s->stop_phase != STOP_NOT)
		return;
	for (size_t i = 0; i < s->keeper.n; i++)
		settle(s, i);
}

void
listeners_changed(struct supervisor *s, struct child *c)
{
	/* A new process of one that drains does not serve either. */
	if (c->state == CHILD_STARTING && c->drain)
		child_drain(c, "drain by command");
	settle_all(s);
}

void
listeners_drain(struct supervisor *s, struct child *c)
{
	c->drain = true;
	settle_all(s);
	child_drain(c, "drain by command");
}
