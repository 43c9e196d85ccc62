#include "watcher/list_compare.h"

#include <assert.h>
#include <stdlib.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/timer.h"
#include "common/xmalloc.h"
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
	bool				 hurried;   /* the last time: */
	struct mono			 hurried_at;
};

/* In that time, up to twice of it. */
static void
arm_spread(struct event *timer, int64_t ms)
{
	timer_arm(timer, ms + (int64_t)(arc4random() % (uint64_t)(ms + 1)));
}

static void
drop(struct list_compare *c)
{
	kube_api_cancel(c->request);
	c->request = NULL;
	(void)evtimer_del(c->limit);
	list_pages_reset(&c->list);
	list_gate_return(c->env->gate, &c->pass);
}

void
list_compare_start(struct list_compare *c)
{
	int64_t ms;

	if (c == NULL)
		return;
	ms = c->env->conf->watch.compare_ms;
	drop(c);
	inv_compare_clear(&c->compare);
	arm_spread(c->next, ms);
}

/* It was so lately; then it may be under way, and is not to be put off. */
static bool
hurried(const struct list_compare *c)
{
	return c->hurried && mono_diff_ms(mono_now(), c->hurried_at) <
	    c->env->conf->watch.compare_ms / LIST_COMPARE_SOON_EVERY;
}

void
list_compare_soon(struct list_compare *c)
{
	if (c == NULL || hurried(c) || c->compare.n > 0 ||
	    evtimer_pending(c->next, NULL) == 0 ||
	    inventory_counts(c->env->inv)->objects[c->kind] >
	    LIST_COMPARE_SOON_MAX)
		return;
	c->hurried = true;
	c->hurried_at = mono_now();
	arm_spread(c->next, c->env->conf->watch.compare_ms /
	    LIST_COMPARE_SOON);
}

void
list_compare_cancel(struct list_compare *c)
{
	if (c == NULL)
		return;
	drop(c);
	(void)evtimer_del(c->next);
	inv_compare_clear(&c->compare);
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
	list_compare_start(c);
	if (differs)
		c->ops->differs(c->arg);
}

/* What cannot be compared now is at the next turn: the watch is not the worse
 * for it. */
static void
list_compare_done_cb(const struct kube_result *result, void *arg)
{
	struct list_compare *c = arg;
	struct err err = { 0 };
	bool more;

	assert(c->magic == LIST_COMPARE_MAGIC);
	c->request = NULL;
	if (result->curl != CURLE_OK || result->status != 200 ||
	    list_pages_end(&c->list, &more, &err) < 0 ||
	    c->list.oversized > 0) {
		list_compare_start(c);
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
		list_compare_start(c);
}

/* --- turns ---------------------------------------------------------------- */

static void
list_compare_granted(void *arg)
{
	struct list_compare *c = arg;
	const char *namespace = c->place->namespace;

	assert(c->magic == LIST_COMPARE_MAGIC);
	if (!c->compare.again)
		inv_compare_begin(&c->compare, c->env->inv, c->kind,
		    namespace == NULL ? SLICE_NONE : slice_str(namespace));
	request(c);
}

static void
list_compare_next_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_compare *c = arg;

	assert(c->magic == LIST_COMPARE_MAGIC);
	if (!c->ops->watches(c->arg) || (c->compare.n > 0 &&
	    !inv_compare_again(&c->compare, c->env->inv)))
		list_compare_start(c);
	else
		list_gate_ask(c->env->gate, &c->pass);
}

static void
list_compare_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_compare *c = arg;

	assert(c->magic == LIST_COMPARE_MAGIC);
	list_compare_start(c);
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
