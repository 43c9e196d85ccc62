#include "watcher/kind_watch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/kind_parts.h"
#include "watcher/watch_words.h"

#define KIND_WATCH_MAGIC 0x4b494e44u   /* "KIND" */

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
	/* Once a part tells, also if it began meanwhile, what the whole brings
	 * is not looked at until its next list: either may be ahead of the
	 * other, and an object would go back to what it was. */
	bool				 deaf;
	char				 text[KIND_PARTS_TEXT_MAX];
	char				 said[KIND_PARTS_TEXT_MAX];
};

/* --- how it stands -------------------------------------------------------- */

static struct kind_watch_view
view_of(const struct kind_watch *kw, const struct list_watch_view *v)
{
	return (struct kind_watch_view){
		.kind = kw->kind,
		.state = v->state,
		.attempt = v->attempt,
		.delay_ms = v->delay_ms,
		.resource_version = v->resource_version,
		.reason = v->reason,
		.message = v->message,
		.audit = v->audit,
		.code = v->code,
		.listed = v->listed,
		.skipped = v->skipped,
		.tried = v->tried,
	};
}

static void
get_parts(const struct kind_watch *kw,
    struct kind_part parts[CONF_NAMESPACES_MAX])
{
	size_t i;

	for (i = 0; i < kw->n_parts; i++)
		parts[i] = (struct kind_part){
		    list_watch_namespace(kw->parts[i]),
		    list_watch_view(kw->parts[i]) };
}

/* The text lives in *kw until the parts change again. */
static void
describe(struct kind_watch *kw)
{
	struct kind_part parts[CONF_NAMESPACES_MAX];

	if (kw->n_parts == 0)
		return;
	get_parts(kw, parts);
	kind_parts_text(parts, kw->n_parts, kw->text);
}

unsigned
kind_watch_kind(const struct kind_watch *kw)
{
	return kw->kind;
}

struct kind_watch_view
kind_watch_view(const struct kind_watch *kw)
{
	struct kind_part parts[CONF_NAMESPACES_MAX];
	struct list_watch_view v;

	if (kw->n_parts == 0) {
		v = list_watch_view(kw->whole);
	} else {
		get_parts(kw, parts);
		v = kind_parts_view(parts, kw->n_parts);
		v.message = kw->text;
	}
	return view_of(kw, &v);
}

/* --- what the list_watches say -------------------------------------------- */

static struct slice
namespace_of(const struct list_watch *lw)
{
	const char *namespace = list_watch_namespace(lw);

	return namespace == NULL ? SLICE_NONE : slice_str(namespace);
}

/* A part that may be asked has told what there is, or is about to; it may tell
 * more at any moment, whatever it waits for just now. */
static bool
tells(const struct list_watch_view *v)
{
	if (v->state == WATCH_FORBIDDEN || v->state == WATCH_ABSENT ||
	    v->state == WATCH_FULL)
		return false;
	return v->listed || v->state == WATCH_LISTING ||
	    v->state == WATCH_STREAMING;
}

static bool
a_part_tells(const struct kind_watch *kw)
{
	struct list_watch_view v;
	size_t i;

	for (i = 0; i < kw->n_parts; i++) {
		v = list_watch_view(kw->parts[i]);
		if (tells(&v))
			return true;
	}
	return false;
}

static bool
deaf(const struct kind_watch *kw, const struct list_watch *lw)
{
	return lw == kw->whole && kw->deaf;
}

static bool
kind_watch_object_cb(struct list_watch *lw, enum kube_event_type type,
    const struct kube_object *object, void *arg)
{
	struct kind_watch *kw = arg;

	return deaf(kw, lw) || kw->ops->object(kw, type, object, kw->arg);
}

static uint32_t
kind_watch_list_begin_cb(struct list_watch *lw, void *arg)
{
	struct kind_watch *kw = arg;

	kw->deaf = lw != kw->whole || a_part_tells(kw);
	return kw->ops->list_begin(kw, namespace_of(lw), kw->arg);
}

static void
kind_watch_list_end_cb(struct list_watch *lw, uint32_t mark, void *arg)
{
	struct kind_watch *kw = arg;

	/* A kind that is not served has no parts either. */
	if (!deaf(kw, lw) || list_watch_view(lw).state == WATCH_ABSENT)
		kw->ops->list_end(kw, namespace_of(lw), mark, kw->arg);
}

/* With parts, what one of them says is worth a word only if it changes how
 * the kind stands. */
static void
kind_watch_changed_cb(struct list_watch *lw UNUSED, void *arg)
{
	struct kind_watch *kw = arg;
	struct kind_watch_view v;
	char now[sizeof(kw->said)];

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
 * alone may be allowed without it. Then the cluster is listed anew, so that it
 * begins with nothing older than what the parts told last. */
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
		list_watch_alone(kw->whole);
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
	kw->settle = timer_new(env->base, kind_watch_settle_cb, kw);
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
