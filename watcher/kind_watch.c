#include "watcher/kind_watch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "watcher/watch_words.h"

#define KIND_WATCH_MAGIC 0x4b494e44u   /* "KIND" */
#define TEXT_MAX         512u

struct kind_watch {
	uint32_t			 magic;
	const struct watch_env		*env;
	const struct kind_watch_ops	*ops;
	void				*arg;
	unsigned			 kind;
	struct list_watch		*whole;     /* the cluster */
	struct list_watch		*parts[CONF_NAMESPACES_MAX];
	size_t				 n_parts;   /* 0: not needed */
	struct event			*settle;
	bool				 stopped;
	char				 text[TEXT_MAX];   /* of the view */
	char				 said[TEXT_MAX];   /* with parts */
};

/* --- how it stands -------------------------------------------------------- */

/* The higher, the more there is to say of it. */
static unsigned
severity(enum watch_state state)
{
	switch (state) {
	case WATCH_FORBIDDEN:
		return 5;
	case WATCH_ABSENT:
	case WATCH_FULL:
		return 4;
	case WATCH_WAIT_LIST:
	case WATCH_WAIT_WATCH:
		return 3;
	case WATCH_IDLE:
	case WATCH_LISTING:
	case WATCH_STREAMING:
	case WATCH_ASKING:
	case WATCH_REVIEWING:
		return 2;
	case WATCH_PROBING:
		return 1;
	case WATCH_WATCHING:
	case WATCH_STOPPED:
	case WATCH_STATE_MAX:
		break;
	}
	return 0;
}

static struct kind_watch_view
view_of(const struct kind_watch *kw, const struct list_watch *lw)
{
	struct list_watch_view v = list_watch_view(lw);

	return (struct kind_watch_view){
		.kind = kw->kind,
		.state = v.state,
		.attempt = v.attempt,
		.delay_ms = v.delay_ms,
		.resource_version = v.resource_version,
		.reason = v.reason,
		.message = v.message,
		.audit = v.audit,
		.code = v.code,
		.listed = v.listed,
		.skipped = v.skipped,
		.tried = v.tried,
	};
}

static const struct list_watch *
worst_part(const struct kind_watch *kw)
{
	const struct list_watch *worst = kw->parts[0];
	size_t i;

	for (i = 1; i < kw->n_parts; i++)
		if (severity(list_watch_view(kw->parts[i]).state) >
		    severity(list_watch_view(worst).state))
			worst = kw->parts[i];
	return worst;
}

/* The text lives in *kw until the parts change again. */
static void
describe(struct kind_watch *kw)
{
	const struct list_watch *worst;
	struct list_watch_view v;
	size_t i, n;

	if (kw->n_parts == 0)
		return;
	worst = worst_part(kw);
	v = list_watch_view(worst);
	if (v.state != WATCH_WATCHING) {
		(void)snprintf(kw->text, sizeof(kw->text),
		    "in namespace %s: %.400s", list_watch_namespace(worst),
		    v.message);
		return;
	}
	(void)snprintf(kw->text, sizeof(kw->text), "not allowed in the whole "
	    "cluster; watched in namespaces");
	for (i = 0; i < kw->n_parts; i++) {
		n = strlen(kw->text);
		(void)snprintf(kw->text + n, sizeof(kw->text) - n, "%s %s",
		    i == 0 ? "" : ",", list_watch_namespace(kw->parts[i]));
	}
}

unsigned
kind_watch_kind(const struct kind_watch *kw)
{
	return kw->kind;
}

struct kind_watch_view
kind_watch_view(const struct kind_watch *kw)
{
	struct kind_watch_view v;

	if (kw->n_parts == 0)
		return view_of(kw, kw->whole);
	v = view_of(kw, worst_part(kw));
	if (v.state == WATCH_WATCHING) {
		v.reason = "NamespacesOnly";
		v.code = 403;
	}
	/* It is served; what is missing is the right to see it. */
	if (strcmp(v.reason, "NotInNamespaces") == 0) {
		v.state = WATCH_FORBIDDEN;
		v.code = 403;
	}
	v.message = kw->text;
	v.tried = true;   /* the cluster was */
	return v;
}

/* --- what the list_watches say -------------------------------------------- */

static struct slice
namespace_of(const struct list_watch *lw)
{
	const char *namespace = list_watch_namespace(lw);

	return namespace == NULL ? SLICE_NONE : slice_str(namespace);
}

static bool
kind_watch_object_cb(enum kube_event_type type,
    const struct kube_object *object, void *arg)
{
	struct kind_watch *kw = arg;

	return kw->ops->object(kw, type, object, kw->arg);
}

static uint32_t
kind_watch_list_begin_cb(struct list_watch *lw, void *arg)
{
	struct kind_watch *kw = arg;

	return kw->ops->list_begin(kw, namespace_of(lw), kw->arg);
}

static void
kind_watch_list_end_cb(struct list_watch *lw, uint32_t mark, void *arg)
{
	struct kind_watch *kw = arg;

	kw->ops->list_end(kw, namespace_of(lw), mark, kw->arg);
}

/* With parts, what one of them says is worth a word only if it changes how
 * the kind stands. */
static void
kind_watch_changed_cb(struct list_watch *lw UNUSED, void *arg)
{
	struct kind_watch *kw = arg;
	struct kind_watch_view v;
	char now[TEXT_MAX];

	assert(kw->magic == KIND_WATCH_MAGIC);
	event_active(kw->settle, EV_TIMEOUT, 0);
	describe(kw);
	v = kind_watch_view(kw);
	(void)snprintf(now, sizeof(now), "%s %s %.480s",
	    watch_words_shown(v.state), v.reason, v.message);
	if (kw->n_parts > 0 && strcmp(now, kw->said) == 0)
		return;
	(void)snprintf(kw->said, sizeof(kw->said), "%s", now);
	kw->ops->changed(kw, kw->arg);
}

static void
kind_watch_open_cb(struct list_watch *lw UNUSED, void *arg)
{
	struct kind_watch *kw = arg;

	assert(kw->magic == KIND_WATCH_MAGIC);
	event_active(kw->settle, EV_TIMEOUT, 0);
}

static void
kind_watch_news_cb(const struct watch_news *news, void *arg)
{
	struct kind_watch *kw = arg;

	kw->ops->news(kw, news, kw->arg);
}

static const struct list_watch_ops part_ops = {
	.object = kind_watch_object_cb,
	.list_begin = kind_watch_list_begin_cb,
	.list_end = kind_watch_list_end_cb,
	.changed = kind_watch_changed_cb,
	.open = kind_watch_open_cb,
	.news = kind_watch_news_cb,
};

/* --- the cluster, or namespaces ------------------------------------------- */

static void
add_part(struct kind_watch *kw, const char *namespace)
{
	kw->parts[kw->n_parts++] = list_watch_new(kw->env, kw->kind,
	    namespace, &part_ops, kw);
}

static void
begin_parts(struct kind_watch *kw)
{
	const char *own = kube_api_namespace(kw->env->api);
	size_t i;

	for (i = 0; i < kw->env->conf->watch.n_namespaces; i++)
		add_part(kw, kw->env->conf->watch.namespaces[i]);
	if (kw->n_parts == 0 && own != NULL)
		add_part(kw, own);
	for (i = 0; i < kw->n_parts; i++)
		list_watch_start(kw->parts[i]);
}

static void
end_parts(struct kind_watch *kw)
{
	size_t i;

	for (i = 0; i < kw->n_parts; i++)
		list_watch_free(kw->parts[i]);
	kw->n_parts = 0;
	kw->said[0] = '\0';
}

/* The parts give way only to a watch of the cluster that is open: a list
 * alone may be allowed without it. */
static void
kind_watch_settle_cb(evutil_socket_t fd, short what, void *arg)
{
	struct kind_watch *kw = arg;
	struct list_watch_view v;

	(void)fd;
	(void)what;
	assert(kw->magic == KIND_WATCH_MAGIC);
	if (kw->stopped)
		return;
	v = list_watch_view(kw->whole);
	if (kw->n_parts == 0 && v.state == WATCH_FORBIDDEN) {
		begin_parts(kw);
	} else if (kw->n_parts > 0 && v.state == WATCH_WATCHING && v.open) {
		end_parts(kw);
		kw->ops->changed(kw, kw->arg);
	}
}

/* --- life ----------------------------------------------------------------- */

struct kind_watch *
kind_watch_new(const struct watch_env *env, unsigned kind,
    const struct kind_watch_ops *ops, void *arg)
{
	struct kind_watch *kw = xcalloc(1, sizeof(*kw));

	kw->magic = KIND_WATCH_MAGIC;
	kw->env = env;
	kw->ops = ops;
	kw->arg = arg;
	kw->kind = kind;
	kw->settle = evtimer_new(env->base, kind_watch_settle_cb, kw);
	if (kw->settle == NULL)
		abort();
	kw->whole = list_watch_new(env, kind, NULL, &part_ops, kw);
	return kw;
}

void
kind_watch_free(struct kind_watch *kw)
{
	if (kw == NULL)
		return;
	end_parts(kw);
	list_watch_free(kw->whole);
	event_free(kw->settle);
	kw->magic = 0;
	free(kw);
}

void
kind_watch_start(struct kind_watch *kw)
{
	list_watch_start(kw->whole);
}

void
kind_watch_stop(struct kind_watch *kw)
{
	kw->stopped = true;
	end_parts(kw);
	list_watch_stop(kw->whole);
}
