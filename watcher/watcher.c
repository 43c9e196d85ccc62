/*
 * watcher: one cluster. Lists and watches every configured kind, judges each
 * object, publishes what changed. READY = registered with the broker, and the
 * first attempt of every list begun: a dead cluster does not make it fail.
 */
#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/role.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/cluster_access.h"
#include "watcher/cluster_objects.h"
#include "watcher/kind_set.h"
#include "watcher/list_slot.h"
#include "watcher/outbox.h"
#include "watcher/resident.h"
#include "watcher/watch_words.h"
#include "watcher/wiping.h"

#define WATCHER_MAGIC     0x57544352u   /* "WTCR" */
#define READY_ANYWAY_MS   3000   /* other clusters hold the list slots */
#define STOP_FLUSH_MS     1000
#define STOP_POLL_MS      10
#define STATUS_MS         1000
#define SETTLED_MS        5000   /* from bytes to giving memory back */

struct watcher {
	uint32_t		 magic;
	struct role		*role;
	struct cluster_access	*access;
	struct kube_api		*api;
	struct cluster_objects	*objects;
	struct outbox		*outbox;
	struct kind_set		*kinds;
	struct list_slot	*slot;
	struct event		*ready;
	struct event		*status;
	struct event		*stop;
	struct event		*settled;
	struct mono		 stop_limit;
	bool			 registered;
	bool			 started;    /* the kinds may list */
	bool			 ready_anyway;
	bool			 unsettled;   /* after `settled` was set */
};

static const struct conf_cluster *
find_cluster(const struct conf *conf, const char *id)
{
	size_t i;

	for (i = 0; i < conf->n_clusters; i++)
		if (strcmp(conf->clusters[i].id, id) == 0)
			return &conf->clusters[i];
	return NULL;
}

/* --- ready, status -------------------------------------------------------- */

static void
maybe_ready(struct watcher *w)
{
	if (w->registered && (w->started || w->ready_anyway))
		role_ready(w->role);
}

/* Not put off by further news: it comes every so often under load too, and
 * once more behind the last. */
static void
settle_soon(struct watcher *w)
{
	w->unsettled = evtimer_pending(w->settled, NULL) != 0;
	if (!w->unsettled)
		timer_arm(w->settled, SETTLED_MS);
}

static void
watcher_settled_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *w = arg;

	(void)fd;
	(void)what;
	assert(w->magic == WATCHER_MAGIC);
	resident_trim();
	/* What is under way takes memory again. */
	if (w->unsettled || !outbox_idle(w->outbox))
		settle_soon(w);
}

static void
say_status(struct watcher *w)
{
	const struct inventory *inv = cluster_objects_inventory(w->objects);
	struct kind_watch_view views[KINDS_MAX];
	unsigned n = kind_set_views(w->kinds, views);
	struct kind_set_summary s;
	const char *trouble;

	kind_set_summary(views, n, inventory_counts(inv)->objects, &s);
	trouble = outbox_trouble(w->outbox);
	role_status(w->role, s.state, "%s%s%s", s.text,
	    trouble[0] != '\0' ? "; " : "", trouble);
}

static void
watcher_status_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *w = arg;

	(void)fd;
	(void)what;
	assert(w->magic == WATCHER_MAGIC);
	say_status(w);
}

/* Soon, and once for many changes. */
static void
status_soon(struct watcher *w, int64_t ms)
{
	if (ms == 0 || !event_pending(w->status, EV_TIMEOUT, NULL))
		timer_arm(w->status, ms);
}

/* --- objects -------------------------------------------------------------- */

static void
watcher_due_cb(void *arg)
{
	struct watcher *w = arg;

	assert(w->magic == WATCHER_MAGIC);
	outbox_kick(w->outbox);
}

static bool
watcher_object_cb(struct kind_watch *kw, enum kube_event_type type,
    const struct kube_object *object, void *arg)
{
	struct watcher *w = arg;
	bool room;

	assert(w->magic == WATCHER_MAGIC);
	room = cluster_objects_event(w->objects, kind_watch_kind(kw), type,
	    object);
	outbox_kick(w->outbox);
	status_soon(w, STATUS_MS);
	return room;
}

static uint32_t
watcher_list_begin_cb(struct kind_watch *kw, struct slice namespace,
    void *arg)
{
	struct watcher *w = arg;

	assert(w->magic == WATCHER_MAGIC);
	return cluster_objects_list_begin(w->objects, kind_watch_kind(kw),
	    namespace);
}

static void
watcher_list_end_cb(struct kind_watch *kw, struct slice namespace,
    uint32_t mark, void *arg)
{
	struct watcher *w = arg;

	assert(w->magic == WATCHER_MAGIC);
	cluster_objects_list_end(w->objects, kind_watch_kind(kw), namespace,
	    mark);
	outbox_kick(w->outbox);
}

static void
watcher_changed_cb(struct kind_watch *kw, void *arg)
{
	struct watcher *w = arg;
	struct kind_watch_view v = kind_watch_view(kw);

	assert(w->magic == WATCHER_MAGIC);
	if (v.delay_ms > 0)
		log_warn("%s: %s%s%s, asking again in %lld ms%s%s",
		    kinds[v.kind].name, v.reason, v.message[0] != '\0' ?
		    ": " : "", v.message, (long long)v.delay_ms,
		    v.audit[0] != '\0' ? ", Audit-Id " : "", v.audit);
	else
		log_info("%s: %s%s%s", kinds[v.kind].name,
		    watch_words_shown(v.state), v.reason[0] != '\0' ? ", " : "",
		    v.reason);
	outbox_watcher_state(w->outbox, &v);
	if (kind_set_tried(w->kinds))
		list_slot_return(w->slot);
	status_soon(w, 0);
}

/* Health shall look for itself, before its next turn. */
static void
check_now(struct watcher *w)
{
	struct msg_bindings m = { .version = 0 };
	struct buf b = BUF_EMPTY;

	(void)snprintf(m.cluster, sizeof(m.cluster), "%s", w->role->instance);
	msg_bindings_encode(&b, &m);
	role_send(w->role, MSG_CHECK_NOW, b.data, b.len, -1);
	buf_free(&b);
}

static void
watcher_news_cb(struct kind_watch *kw, const struct watch_news *news,
    void *arg)
{
	struct watcher *w = arg;
	unsigned kind = kind_watch_kind(kw);

	assert(w->magic == WATCHER_MAGIC);
	switch (news->type) {
	case WATCH_NEWS_UNREACHABLE:
		check_now(w);
		break;
	case WATCH_NEWS_ENDED:
		settle_soon(w);
		break;
	case WATCH_NEWS_EXPIRED:
	case WATCH_NEWS_RECEIVED:
	case WATCH_NEWS_SKIPPED:
		figures_news(cluster_objects_figures(w->objects), kind,
		    news);
		settle_soon(w);
		break;
	case WATCH_NEWS_NOTICE:
		log_warn("%s: %s", kinds[kind].name, news->text);
		break;
	}
}

static const struct kind_watch_ops watcher_ops = {
	.object = watcher_object_cb,
	.list_begin = watcher_list_begin_cb,
	.list_end = watcher_list_end_cb,
	.changed = watcher_changed_cb,
	.news = watcher_news_cb,
};

static void
watcher_warned_cb(const char *text, void *arg)
{
	struct watcher *w = arg;

	assert(w->magic == WATCHER_MAGIC);
	log_warn("the API server warns: %s", text);
}

/* --- messages ------------------------------------------------------------- */

static void
watcher_begin_cb(void *arg)
{
	struct watcher *w = arg;

	assert(w->magic == WATCHER_MAGIC);
	w->started = true;
	kind_set_start(w->kinds);
	maybe_ready(w);
}

/* Though nothing may have been listed, the start needed memory. */
static void
watcher_returned_cb(void *arg)
{
	struct watcher *w = arg;

	assert(w->magic == WATCHER_MAGIC);
	settle_soon(w);
}

static const struct list_slot_ops slot_ops = {
	.begin = watcher_begin_cb,
	.returned = watcher_returned_cb,
};

/* The store must see every kind's state again, behind the objects. */
static void
resync(struct watcher *w)
{
	struct kind_watch_view views[KINDS_MAX];
	unsigned i, n = kind_set_views(w->kinds, views);

	log_info("publishing everything again, the store asked for it");
	outbox_resync(w->outbox);
	for (i = 0; i < n; i++)
		outbox_watcher_state(w->outbox, &views[i]);
}

static void
watcher_message(struct role *role, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	struct watcher *w = role->state;
	struct msg_bindings m;

	switch ((unsigned)type) {
	case MSG_CREDENTIAL:
		cluster_access_message(w->access, payload, n, fd);
		break;
	case MSG_LIST_SLOT:
		list_slot_message(w->slot, payload, n);
		break;
	case MSG_BINDINGS_CHANGED:
	case MSG_RESYNC:
		if (msg_bindings_decode(payload, n, &m) < 0)
			fatalx("supervisor: an unreadable %s",
			    msg_name(type));
		if (type == MSG_RESYNC)
			resync(w);
		else
			outbox_bindings_changed(w->outbox);
		status_soon(w, STATUS_MS);
		settle_soon(w);
		break;
	default:
		log_debug("%s is not for a watcher", msg_name(type));
		break;
	}
	if (fd != -1)
		(void)close(fd);
}

/* --- start and end -------------------------------------------------------- */

static void
watcher_registered_cb(void *arg)
{
	struct watcher *w = arg;

	assert(w->magic == WATCHER_MAGIC);
	w->registered = true;
	maybe_ready(w);
}

static void
watcher_ready_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *w = arg;

	(void)fd;
	(void)what;
	assert(w->magic == WATCHER_MAGIC);
	w->ready_anyway = true;
	maybe_ready(w);
}

static void
watcher_stop_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *w = arg;

	(void)fd;
	(void)what;
	assert(w->magic == WATCHER_MAGIC);
	if (outbox_idle(w->outbox) ||
	    mono_before(w->stop_limit, mono_now()))
		role_exit(w->role);
	else
		timer_arm(w->stop, STOP_POLL_MS);
}

static void
make_timers(struct watcher *w)
{
	struct event_base *base = w->role->base;

	w->ready = timer_new(base, watcher_ready_cb, w);
	w->status = timer_new(base, watcher_status_cb, w);
	w->stop = timer_new(base, watcher_stop_cb, w);
	w->settled = timer_new(base, watcher_settled_cb, w);
}

static int
open_cluster(struct watcher *w, struct err *err)
{
	const struct conf_cluster *cluster =
	    find_cluster(&w->role->conf, w->role->instance);

	if (cluster == NULL)
		(void)err_set(err, "the configuration has no cluster %s",
		    w->role->instance);
	else
		w->access = cluster_access_new(w->role, cluster, err);
	if (w->access == NULL) {
		err->code = EX_CONFIG;
		return -1;
	}
	log_info("watching %s",
	    cluster_access_credentials(w->access)->server);
	return 0;
}

static int
watcher_start(struct role *role, struct err *err)
{
	struct watcher *w = xcalloc(1, sizeof(*w));
	struct inventory *inv;

	role->state = w;
	w->magic = WATCHER_MAGIC;
	w->role = role;
	if (wiping_init(err) < 0 || open_cluster(w, err) < 0)
		return -1;
	make_timers(w);
	kinds_configure(&role->conf);
	w->objects = cluster_objects_new(role, watcher_due_cb, w);
	inv = cluster_objects_inventory(w->objects);
	w->api = kube_api_new(role->base, w->access, role->conf.watch.http2);
	kube_api_on_warning(w->api, watcher_warned_cb, w);
	w->kinds = kind_set_new(role->base, w->api, &role->conf, inv,
	    &watcher_ops, w);
	w->outbox = outbox_new(role, inv, cluster_objects_jobs(w->objects),
	    cluster_objects_figures(w->objects), watcher_registered_cb, w,
	    err);
	if (w->outbox == NULL)
		return -1;
	timer_arm(w->ready, READY_ANYWAY_MS);
	w->slot = list_slot_new(role, &slot_ops, w);
	role_status(role, "starting", "waiting for a slot to list");
	return 0;
}

/* The API server's connections first, then what is still to be said. */
static void
watcher_stop(struct role *role)
{
	struct watcher *w = role->state;

	list_slot_stop(w->slot);
	kind_set_stop(w->kinds);
	w->stop_limit = mono_add_ms(mono_now(), STOP_FLUSH_MS);
	event_active(w->stop, EV_TIMEOUT, 0);
}

static void
watcher_finish(struct role *role)
{
	struct watcher *w = role->state;

	list_slot_free(w->slot);
	kind_set_free(w->kinds);
	kube_api_free(w->api);
	outbox_free(w->outbox);
	cluster_objects_free(w->objects);
	event_free(w->ready);
	event_free(w->status);
	event_free(w->stop);
	event_free(w->settled);
	cluster_access_free(w->access);
	curl_global_cleanup();
	w->magic = 0;
	free(w);
}

static const struct role_ops watcher_role_ops = {
	.start = watcher_start,
	.stop = watcher_stop,
	.message = watcher_message,
	.finish = watcher_finish,
};

int
main(int argc, char **argv)
{
	return role_main("watcher", argc, argv, &watcher_role_ops);
}
