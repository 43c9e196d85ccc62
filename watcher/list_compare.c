#include "watcher/list_compare.h"

#include <assert.h>
#include <stdlib.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/compare_turn.h"
#include "watcher/inv_compare.h"
#include "watcher/list_pages.h"

#define LIST_COMPARE_MAGIC 0x504d4f43u   /* "COMP" */

struct list_compare {
	uint32_t			 magic;
	const struct watch_env		*env;
	const struct request_place	*place;
	unsigned			 kind;
	const struct list_compare_ops	*ops;
	void				*arg;
	struct event			*next;     /* list; its grace is over */
	struct event			*limit;    /* of the request */
	struct list_pass		 pass;
	struct kube_request		*request;
	struct list_pages		 list;
	struct inv_compare		 compare;
	struct compare_turn		 turn;
};

static void
drop(struct list_compare *c)
{
	kube_api_cancel(c->request);
	c->request = NULL;
	(void)evtimer_del(c->limit);
	list_pages_reset(&c->list);
	list_gate_return(c->env->gate, &c->pass);
}

static bool
under_way(const struct list_compare *c)
{
	return c->request != NULL || c->pass.waits || c->pass.held ||
	    c->compare.n > 0;
}

static void
arm_next(struct list_compare *c)
{
	timer_arm(c->next, compare_turn_next(&c->turn,
	    c->env->conf->watch.compare_ms, c->ops->watches(c->arg),
	    mono_now(), arc4random()));
}

/* What was begun is of no use any more; the turn after it is armed. */
static void
begin_anew(struct list_compare *c)
{
	drop(c);
	inv_compare_clear(&c->compare);
	arm_next(c);
}

static void
failed(struct list_compare *c)
{
	compare_turn_failed(&c->turn);
	begin_anew(c);
}

void
list_compare_start(struct list_compare *c)
{
	if (c == NULL)
		return;
	compare_turn_listed(&c->turn);
	begin_anew(c);
}

void
list_compare_outage(struct list_compare *c)
{
	if (c != NULL)
		compare_turn_outage(&c->turn,
		    inventory_counts(c->env->inv)->objects[c->kind]);
}

void
list_compare_open(struct list_compare *c)
{
	if (c != NULL && compare_turn_open(&c->turn) && !under_way(c))
		arm_next(c);
}

void
list_compare_cancel(struct list_compare *c)
{
	if (c == NULL)
		return;
	drop(c);
	(void)evtimer_del(c->next);
	inv_compare_clear(&c->compare);
	compare_turn_off(&c->turn);
}

/* --- the list ------------------------------------------------------------- */

static void
list_compare_item_cb(const struct kube_object *object, void *arg)
{
	struct list_compare *c = arg;

	inv_compare_item(&c->compare, c->env->inv, object);
}

static bool
list_compare_data_cb(const char *p, size_t n, void *arg)
{
	struct list_compare *c = arg;
	struct err err = { 0 };

	assert(c->magic == LIST_COMPARE_MAGIC);
	return list_pages_feed(&c->list, p, n, list_compare_item_cb, c,
	    &err) == 0;
}

static void	request(struct list_compare *c);

static void
suspects(struct list_compare *c)
{
	drop(c);
	timer_arm(c->next, MIN(c->env->conf->watch.compare_ms / 2,
	    LIST_COMPARE_GRACE_MS));
}

static void
compared(struct list_compare *c)
{
	bool differs;

	if (!c->compare.again && inv_compare_end(&c->compare, c->env->inv,
	    slice_str(c->list.version))) {
		suspects(c);
		return;
	}
	differs = inv_compare_differs(&c->compare, c->env->inv);
	compare_turn_whole(&c->turn, mono_now());
	begin_anew(c);
	/* It has to be found once more, when the watch is back. */
	if (differs && !c->ops->differs(c->arg))
		compare_turn_outage(&c->turn, 0);
}

/* What cannot be compared now is at another turn: the watch is not the worse
 * for it. */
static void
list_compare_done_cb(const struct kube_result *result, void *arg)
{
	struct list_compare *c = arg;
	struct err err = { 0 };
	bool more;

	assert(c->magic == LIST_COMPARE_MAGIC);
	c->request = NULL;
	c->ops->ended(c->arg);
	if (result->curl != CURLE_OK || result->status != 200 ||
	    list_pages_end(&c->list, &more, &err) < 0 ||
	    c->list.oversized > 0) {
		failed(c);
		return;
	}
	if (more)
		request(c);
	else
		compared(c);
}

static void
request(struct list_compare *c)
{
	const struct request_list list = { WATCH_VERSION_ZERO, "",
		c->list.token, false };
	struct kube_get get = {
		.accept = KINDS_METADATA_ACCEPT,
		.sealed = c->place->kind->metadata,
		.data = list_compare_data_cb,
		.done = list_compare_done_cb,
		.arg = c,
	};
	struct buf path = BUF_EMPTY;
	struct err err = { 0 };

	request_path_list(&path, c->place, &list);
	get.path = buf_cstr(&path);
	timer_arm(c->limit, c->env->conf->watch.slow_list_ms);
	c->request = kube_api_get(c->env->api, &get, &err);
	buf_free(&path);
	if (c->request == NULL)
		failed(c);
}

/* --- turns ---------------------------------------------------------------- */

static void
list_compare_granted(void *arg)
{
	struct list_compare *c = arg;
	const char *namespace = c->place->namespace;

	assert(c->magic == LIST_COMPARE_MAGIC);
	if (!c->compare.again) {
		compare_turn_begin(&c->turn);
		inv_compare_begin(&c->compare, c->env->inv, c->kind,
		    namespace == NULL ? SLICE_NONE : slice_str(namespace));
	}
	request(c);
}

static void
list_compare_next_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_compare *c = arg;

	assert(c->magic == LIST_COMPARE_MAGIC);
	if (!c->ops->watches(c->arg)) {
		compare_turn_shut(&c->turn);
		begin_anew(c);
	} else if (c->compare.n > 0 &&
	    !inv_compare_again(&c->compare, c->env->inv)) {
		compare_turn_whole(&c->turn, mono_now());
		begin_anew(c);
	} else {
		list_gate_ask(c->env->gate, &c->pass);
	}
}

static void
list_compare_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_compare *c = arg;

	assert(c->magic == LIST_COMPARE_MAGIC);
	failed(c);
	c->ops->ended(c->arg);
}

struct list_compare *
list_compare_new(const struct watch_env *env, unsigned kind,
    const struct request_place *place, const struct list_compare_ops *ops,
    void *arg)
{
	struct list_compare *c;

	if (env->conf->watch.compare_ms == 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->magic = LIST_COMPARE_MAGIC;
	c->env = env;
	c->kind = kind;
	c->place = place;
	c->ops = ops;
	c->arg = arg;
	c->pass = (struct list_pass){ .granted = list_compare_granted,
		.arg = c };
	c->list.metadata_only = true;
	c->next = timer_new(env->base, list_compare_next_cb, c);
	c->limit = timer_new(env->base, list_compare_limit_cb, c);
	return c;
}

void
list_compare_free(struct list_compare *c)
{
	if (c == NULL)
		return;
	list_compare_cancel(c);
	event_free(c->next);
	event_free(c->limit);
	c->magic = 0;
	free(c);
}
