#include "gateway/log_grace.h"

#include <assert.h>
#include <stdlib.h>

#include "common/lifecycle.h"
#include "common/log.h"
#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/audience.h"
#include "gateway/connection.h"
#include "gateway/flush.h"
#include "gateway/open_logs.h"
#include "gateway/snapshot.h"
#include "gateway/stream_end.h"
#include "gateway/stream_kind.h"
#include "gateway/test_hooks.h"

#define LOG_GRACE_MAGIC 0x47524143u   /* "GRAC" */

struct log_grace {
	uint32_t	 magic;
	struct gateway	*gateway;
	/* Which logs are open. */
	bool		 known;
	uint64_t	 listing;   /* a question's ticket; 0: none */
	/* Whether those whose time is over are: of one tenant. */
	uint64_t	 asking;
	char		*tenant;
	char		*keys[QUERY_LAST_SELECTORS_MAX];
	size_t		 n;
};

static void	ask_page(struct log_grace *l, uint64_t from);
static void	ask_about_due(struct log_grace *l);

struct log_grace *
log_grace_new(struct gateway *g)
{
	struct log_grace *l = xcalloc(1, sizeof(*l));

	l->magic = LOG_GRACE_MAGIC;
	l->gateway = g;
	return l;
}

static void
forget_asked(struct log_grace *l)
{
	while (l->n > 0)
		free(l->keys[--l->n]);
	free(l->tenant);
	l->tenant = NULL;
}

void
log_grace_free(struct log_grace *l)
{
	if (l == NULL)
		return;
	assert(l->magic == LOG_GRACE_MAGIC);
	forget_asked(l);
	l->magic = 0;
	free(l);
}

void
log_grace_reload(struct log_grace *l, const struct conf *fresh)
{
	struct conf *conf = &l->gateway->role->conf;

	for (size_t i = 0; i < NELEM(conf->streams); i++)
		conf->streams[i].log_grace_ms = fresh->streams[i].log_grace_ms;
	open_logs_all_due(l->gateway->open_logs, gateway_now_ms());
}

void
log_grace_note(struct log_grace *l, const struct item *item,
    int64_t time_unix_ms)
{
	struct gateway *g = l->gateway;
	const struct open_log *log = open_logs_get(g->open_logs, item->tenant,
	    item->key);
	int64_t grace = conf_stream(&g->role->conf,
	    stream_kind_of(item->key))->log_grace_ms, left;

	/* It may have been open for longer than the ring reaches back. */
	if (log != NULL && (item->flags & ITEM_TERMINAL) == 0)
		(void)ring_end_stream(g->ring, item->tenant, item->key,
		    log->state);
	open_logs_remove(g->open_logs, item->tenant, item->key);
	/* The line that closes a log may end its stream, too. */
	if ((item->flags & ITEM_TERMINAL) == 0 ||
	    (item->flags & ITEM_LAST) != 0 ||
	    (item->state & LIFECYCLE_LOGS_OPEN) == 0)
		return;
	if (test_hooks_has_bug("end-early")) {
		(void)ring_end_stream(g->ring, item->tenant, item->key,
		    item->state);
		return;
	}
	left = time_unix_ms + grace - wall_unix_ms();
	open_logs_add(g->open_logs, item->tenant, item->key, item->state,
	    item->position, gateway_now_ms() +
	    MAX(INT64_C(0), MIN(left, grace)));
}

/* --- the end -------------------------------------------------------------- */

struct closing {
	struct gateway	*gateway;
	struct slice	 key;
	uint8_t		 state;
	struct position	 last;
};

static void
tell_one(struct conn *c, void *arg)
{
	const struct closing *x = arg;

	stream_end_by_grace(c, x->key, x->state, x->last);
}

/* No client ends here: topics are being walked through. */
static void
tell_subscription(struct hub_subscription *sub, void *arg)
{
	const struct closing *x = arg;

	snapshot_renew(sub);
	audience_each(x->gateway, sub, tell_one, arg);
	hub_mark_dirty(x->gateway->hub, sub);
}

static void
close_log(struct gateway *g, struct slice tenant, struct slice key)
{
	const struct open_log *log = open_logs_get(g->open_logs, tenant, key);
	struct closing x = { g, key, log->state, log->position };
	uint64_t end = ring_end_stream(g->ring, tenant, key, x.state);
	struct ring_frame f;

	if (end > x.last.number && ring_get(g->ring, end, &f))
		x.last = f.position;
	open_logs_remove(g->open_logs, tenant, key);
	hub_each_of(g->hub, tenant, key, tell_subscription, &x);
	flush_go_on(g->flush);
}

/* --- whose time is over --------------------------------------------------- */

/* The log goes on with another time. */
static void
put_off(struct gateway *g, const struct open_log *log, int64_t until_ms)
{
	open_logs_add(g->open_logs, slice_str(log->tenant),
	    slice_str(log->key), log->state, log->position, until_ms);
}

/* Until the wall clock shows that time; asked again before, if that is long:
 * a clock may be set. */
static int64_t
own_time(int64_t until_unix_ms)
{
	int64_t left = until_unix_ms - wall_unix_ms();

	return gateway_now_ms() + MAX((int64_t)LOG_GRACE_LOOK_MS,
	    MIN(left, (int64_t)LOG_GRACE_AGAIN_MS));
}

/* This gateway has read what the broker told of. */
static bool
has_read(const struct gateway *g, struct position as_of, uint64_t last)
{
	struct position tip = ring_tip(g->ring);

	return as_of.epoch == tip.epoch && last <= tip.number;
}

static void
take_word(struct gateway *g, struct slice tenant, struct slice key,
    struct position as_of, const struct query_stream *word)
{
	const struct open_log *log = open_logs_get(g->open_logs, tenant, key);

	if (log == NULL)
		return;   /* its last line came meanwhile */
	if (word->how == QUERY_LOG_OPEN &&
	    open_logs_count(g->open_logs) <= OPEN_LOGS_MAX)
		put_off(g, log, own_time(word->until_ms));
	else if (!has_read(g, as_of, word->last.number) ||
	    (word->last.number != 0 &&
	    log->position.number > word->last.number))
		put_off(g, log, gateway_now_ms() + LOG_GRACE_LOOK_MS);
	/* Against the contract it has begun again, where events were lost. */
	else if (word->how == QUERY_GOES_ON)
		open_logs_remove(g->open_logs, tenant, key);
	/* ENDED; forgotten since; or one too many, which ends before. */
	else
		close_log(g, tenant, key);
}

static void
due_cb(const struct query_last *last, const struct err *err UNUSED, void *arg)
{
	struct log_grace *l = arg;

	assert(l->magic == LOG_GRACE_MAGIC);
	l->asking = 0;
	/* Without an answer they are due again, by what ask_about_due set. */
	for (size_t i = 0; last != NULL && i < MIN(l->n, last->n); i++)
		take_word(l->gateway, slice_str(l->tenant),
		    slice_str(l->keys[i]), last->as_of, &last->streams[i]);
	forget_asked(l);
	if (last != NULL)
		ask_about_due(l);
}

/* Takes what is due into the question; false: no more, or of somebody else. */
static bool
add_due(struct log_grace *l, int64_t now)
{
	struct gateway *g = l->gateway;
	struct open_log log;
	bool ours;

	if (l->n == QUERY_LAST_SELECTORS_MAX ||
	    !open_logs_take(g->open_logs, now, &log))
		return false;
	ours = l->n == 0 || slice_is(slice_str(log.tenant), l->tenant);
	/* It stays open while it is asked for. */
	put_off(g, &log, ours ? now + LOG_GRACE_ASK_MS : log.until_ms);
	if (!ours || l->n > 0)
		free(log.tenant);
	else
		l->tenant = log.tenant;
	if (ours)
		l->keys[l->n++] = log.key;
	else
		free(log.key);
	return ours;
}

static void
ask_about_due(struct log_grace *l)
{
	struct gateway *g = l->gateway;
	struct slice keys[QUERY_LAST_SELECTORS_MAX];
	int64_t now = gateway_now_ms();

	if (l->asking != 0 || query_is_busy(g->broker))
		return;
	while (add_due(l, now))
		continue;
	if (l->n == 0)
		return;
	for (size_t i = 0; i < l->n; i++)
		keys[i] = slice_str(l->keys[i]);
	l->asking = query_last(g->broker, slice_str(l->tenant), keys, l->n,
	    LOG_GRACE_ASK_MS, due_cb, l);
	if (l->asking == 0)
		forget_asked(l);
}

void
log_grace_look(struct log_grace *l)
{
	assert(l->magic == LOG_GRACE_MAGIC);
	ask_about_due(l);
}

/* --- which there are ------------------------------------------------------ */

/* One that this gateway has read the end of is known to it; what came of one
 * since the broker's word is not: it is asked for at once. */
static void
add_listed(struct gateway *g, struct position as_of,
    const struct query_open_log *told)
{
	const struct open_log *log = open_logs_get(g->open_logs, told->tenant,
	    told->key);
	uint64_t newest = ring_stream_last(g->ring, told->tenant, told->key);
	int64_t until = ring_tip(g->ring).number > as_of.number ?
	    gateway_now_ms() : own_time(told->until_ms);
	struct ring_frame f = { .position = told->last };

	if (log != NULL)
		put_off(g, log, until);
	else if (newest <= told->last.number ||
	    !ring_get(g->ring, newest, &f) || (!f.ends && !f.goes_on))
		open_logs_add(g->open_logs, told->tenant, told->key,
		    told->state, f.position, until);
}

static void
page_cb(const struct query_open_logs *page, const struct err *err, void *arg)
{
	struct log_grace *l = arg;
	struct query_open_log told;
	struct rd rd;

	assert(l->magic == LOG_GRACE_MAGIC);
	l->listing = 0;
	if (page == NULL) {
		/* With the next heartbeat again, from the beginning. */
		log_debug("which logs are open: %s", err->text);
		return;
	}
	rd = page->logs;
	for (uint32_t i = 0; i < page->count; i++) {
		if (query_wire_open_log_decode(&rd, &told) == -1)
			fatalx("the broker's answer cannot be read: are all "
			    "binaries of one build?");
		add_listed(l->gateway, page->as_of, &told);
	}
	l->known = page->next == 0;
	if (!l->known)
		ask_page(l, page->next);
}

static void
ask_page(struct log_grace *l, uint64_t from)
{
	l->listing = query_open_logs(l->gateway->broker, from,
	    LOG_GRACE_ASK_MS, page_cb, l);
}

bool
log_grace_knows(struct log_grace *l)
{
	assert(l->magic == LOG_GRACE_MAGIC);
	if (!l->known && l->listing == 0)
		ask_page(l, 0);
	return l->known;
}

void
log_grace_lost(struct log_grace *l)
{
	open_logs_all_due(l->gateway->open_logs, gateway_now_ms());
	l->known = false;
	/* The pages it has were told before: what ended in what is lost need
	 * not be on those that follow. */
	if (l->listing != 0)
		query_cancel(l->gateway->broker, l->listing);
	l->listing = 0;
}
