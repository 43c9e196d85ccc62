#include "watcher/state_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/xmalloc.h"
#include "watcher/watch_words.h"

struct state_event {
	STAILQ_ENTRY(state_event)	 link;
	struct kind_watch_view		 view;
	char				*resource_version;
	char				*reason;
	uint64_t			 objects;
	int64_t				 at_unix_ms;
};

STAILQ_HEAD(state_events, state_event);

struct state_queue {
	struct state_events	 events;
	unsigned		 n;
	const char		*shown[KINDS_MAX];
};

struct state_queue *
state_queue_new(void)
{
	struct state_queue *q = xcalloc(1, sizeof(*q));

	STAILQ_INIT(&q->events);
	return q;
}

static void
drop_first(struct state_queue *q)
{
	struct state_event *ev = STAILQ_FIRST(&q->events);

	STAILQ_REMOVE_HEAD(&q->events, link);
	q->n--;
	free(ev->resource_version);
	free(ev->reason);
	free(ev);
}

void
state_queue_free(struct state_queue *q)
{
	if (q == NULL)
		return;
	while (!STAILQ_EMPTY(&q->events))
		drop_first(q);
	free(q);
}

void
state_queue_push(struct state_queue *q, const struct kind_watch_view *view,
    uint64_t objects, int64_t now_unix_ms)
{
	struct state_event *ev = xcalloc(1, sizeof(*ev));

	if (q->n == STATE_QUEUE_MAX)
		drop_first(q);
	ev->view = *view;
	ev->view.resource_version = ev->resource_version =
	    xstrdup(view->resource_version);
	ev->view.reason = ev->reason = xstrdup(view->reason);
	ev->view.message = ev->view.audit = "";   /* not in the event */
	ev->objects = objects;
	ev->at_unix_ms = now_unix_ms;
	STAILQ_INSERT_TAIL(&q->events, ev, link);
	q->n++;
}

bool
state_queue_empty(const struct state_queue *q)
{
	return q->n == 0;
}

void
state_queue_write(const struct state_queue *q, const char *cluster,
    struct payload *ret)
{
	const struct state_event *ev = STAILQ_FIRST(&q->events);

	assert(ev != NULL);
	payload_watcher_state(ret, cluster, &ev->view,
	    q->shown[ev->view.kind], ev->objects, ev->at_unix_ms);
}

void
state_queue_sent(struct state_queue *q)
{
	const struct state_event *ev = STAILQ_FIRST(&q->events);

	assert(ev != NULL);
	q->shown[ev->view.kind] = watch_words_shown(ev->view.state);
	drop_first(q);
}
