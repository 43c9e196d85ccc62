#include "watcher/list_slot.h"

#include <assert.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/macros.h"
#include "common/timer.h"
#include "common/xmalloc.h"

#define LIST_SLOT_MAGIC 0x544f4c53u   /* "SLOT" */

struct list_slot {
	uint32_t			 magic;
	struct role			*role;
	const struct list_slot_ops	*ops;
	void				*arg;
	struct event			*patience;   /* of those who wait */
	bool				 begun;
	bool				 held;
	bool				 stopped;
};

static void
tell(struct list_slot *s, enum msg_slot what)
{
	struct buf b = BUF_EMPTY;

	msg_slot_encode(&b, what);
	role_send(s->role, MSG_LIST_SLOT, b.data, b.len, -1);
	buf_free(&b);
}

/* Twice what one list may take that hardly comes. */
static int64_t
patience_ms(const struct list_slot *s)
{
	return 2 * s->role->conf.watch.slow_list_ms;
}

void
list_slot_message(struct list_slot *s, const void *payload, size_t n)
{
	enum msg_slot what;

	assert(s->magic == LIST_SLOT_MAGIC);
	if (msg_slot_decode(payload, n, &what) < 0 || what != MSG_SLOT_GRANT)
		fatalx("supervisor: an unreadable LIST_SLOT");
	if (s->stopped) {
		tell(s, MSG_SLOT_RETURN);
		return;
	}
	if (s->begun)
		return;
	s->begun = s->held = true;
	timer_arm(s->patience, patience_ms(s));
	s->ops->begin(s->arg);
}

void
list_slot_return(struct list_slot *s)
{
	assert(s->magic == LIST_SLOT_MAGIC);
	if (!s->held)
		return;
	s->held = false;
	(void)evtimer_del(s->patience);
	tell(s, MSG_SLOT_RETURN);
	s->ops->returned(s->arg);
}

/* A cluster whose lists hardly come must not keep all others waiting. */
static void
list_slot_patience_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_slot *s = arg;

	assert(s->magic == LIST_SLOT_MAGIC);
	log_warn("the first lists take long; other clusters begin theirs");
	list_slot_return(s);
}

void
list_slot_stop(struct list_slot *s)
{
	assert(s->magic == LIST_SLOT_MAGIC);
	s->stopped = true;
}

struct list_slot *
list_slot_new(struct role *role, const struct list_slot_ops *ops, void *arg)
{
	struct list_slot *s = xcalloc(1, sizeof(*s));

	s->magic = LIST_SLOT_MAGIC;
	s->role = role;
	s->ops = ops;
	s->arg = arg;
	s->patience = timer_new(role->base, list_slot_patience_cb, s);
	tell(s, MSG_SLOT_ASK);
	return s;
}

void
list_slot_free(struct list_slot *s)
{
	if (s == NULL)
		return;
	event_free(s->patience);
	s->magic = 0;
	free(s);
}
