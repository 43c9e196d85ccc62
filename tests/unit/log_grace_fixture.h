/*
 * What the unit tests of log_grace share: a gateway whose broker, clients and
 * clock are made up.
 */
#ifndef SLUICE_LOG_GRACE_FIXTURE_H
#define SLUICE_LOG_GRACE_FIXTURE_H

#include "tests/unit/ring_fixture.h"

#include "common/lifecycle.h"
#include "common/mono.h"
#include "common/role.h"
#include "gateway/audience.h"
#include "gateway/connection.h"
#include "gateway/flush.h"
#include "gateway/log_grace.h"
#include "gateway/open_logs.h"
#include "gateway/snapshot.h"
#include "gateway/stream_end.h"

#define TIP      100u
#define GRACE_MS 30000
#define LATER_MS 3600000        /* as a time from now */
#define OPEN     (3 | LIFECYCLE_LOGS_OPEN)

static struct role role;
static struct gateway gateway = { .magic = GATEWAY_MAGIC, .role = &role };
static struct log_grace *grace;
static struct conn client;
static struct hub_subscription *sub;
static struct buf told;           /* "job:a@9 " for each end */
static int64_t now_ms;
static bool busy, full;
static uint64_t tickets, cancelled;
/* The question of which are over: "-: job:a job:b ". */
static struct buf asked;
static size_t n_asked;
static query_last_cb last_cb;
/* The one of which there are. */
static uint64_t listing, listed_from;
static query_open_logs_cb page_cb;

/* --- what log_grace calls ------------------------------------------------- */

int64_t
gateway_now_ms(void)
{
	return now_ms;
}

uint64_t
query_last(struct query_client *c UNUSED, struct slice tenant,
    const struct slice *selectors, size_t n, int64_t deadline_ms,
    query_last_cb cb, void *arg)
{
	assert_null(last_cb);   /* one at a time */
	assert_ptr_equal(arg, grace);
	assert_in_range(n, 1, QUERY_LAST_SELECTORS_MAX);
	assert_int_equal(deadline_ms, LOG_GRACE_ASK_MS);
	if (full)
		return 0;
	buf_reset(&asked);
	buf_addf(&asked, "%.*s: ", (int)tenant.n, tenant.p);
	for (size_t i = 0; i < n; i++)
		buf_addf(&asked, "%.*s ", (int)selectors[i].n,
		    selectors[i].p);
	n_asked = n;
	last_cb = cb;
	return ++tickets;
}

uint64_t
query_open_logs(struct query_client *c UNUSED, uint64_t from,
    int64_t deadline_ms, query_open_logs_cb cb, void *arg)
{
	assert_int_equal(listing, 0);
	assert_ptr_equal(arg, grace);
	assert_int_equal(deadline_ms, LOG_GRACE_ASK_MS);
	if (full)
		return 0;
	listed_from = from;
	page_cb = cb;
	listing = ++tickets;
	return listing;
}

void
query_cancel(struct query_client *c UNUSED, uint64_t ticket)
{
	assert_int_equal(ticket, listing);
	cancelled = ticket;
	listing = 0;
}

bool
query_is_busy(const struct query_client *c UNUSED)
{
	return busy;
}

void
audience_each(struct gateway *g, struct hub_subscription *s,
    void (*cb)(struct conn *c, void *arg), void *arg)
{
	assert_ptr_equal(g, &gateway);
	assert_ptr_equal(s, sub);
	cb(&client, arg);
}

void
stream_end_by_grace(struct conn *c, struct slice key, uint8_t state,
    struct position last)
{
	assert_ptr_equal(c, &client);
	assert_int_equal(state, OPEN);
	buf_addf(&told, "%.*s@%d ", (int)key.n, key.p, (int)last.number);
}

void
snapshot_renew(struct hub_subscription *s)
{
	assert_ptr_equal(s, sub);
}

void
flush_go_on(struct flush *f UNUSED)
{
}

/* --- the gateway ---------------------------------------------------------- */

static UNUSED int
setup(void **state UNUSED)
{
	struct slice all = slice_str("job:*");
	struct err err;

	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		role.conf.streams[i].log_grace_ms = GRACE_MS;
	gateway.ring = ring_new(RING_BYTES_MIN, &err);
	assert_non_null(gateway.ring);
	gateway.hub = hub_new(gateway.ring);
	gateway.open_logs = open_logs_new();
	sub = hub_acquire(gateway.hub, slice_str("-"), &all, 1, NULL, 0);
	ring_advance(gateway.ring, (struct position){ EPOCH, TIP });
	grace = gateway.grace = log_grace_new(&gateway);
	now_ms = 1000000;
	busy = full = false;
	last_cb = NULL;
	listing = cancelled = tickets = 0;
	return 0;
}

static UNUSED int
teardown(void **state UNUSED)
{
	log_grace_free(grace);
	hub_release(gateway.hub, sub);
	hub_free(gateway.hub);
	ring_free(gateway.ring);
	open_logs_free(gateway.open_logs);
	buf_free(&told);
	buf_free(&asked);
	return 0;
}

/* -1: it is not open. */
static UNUSED int64_t
left_of(const char *tenant, const char *key)
{
	const struct open_log *log = open_logs_get(gateway.open_logs,
	    slice_str(tenant), slice_str(key));

	return log == NULL ? -1 : log->until_ms - now_ms;
}

static UNUSED void
open_log(const char *tenant, const char *key, int64_t until_ms)
{
	open_logs_add(gateway.open_logs, slice_str(tenant), slice_str(key),
	    OPEN, (struct position){ EPOCH, 90 }, until_ms);
}

/* The same of each that was asked about. */
static UNUSED void
answer(enum query_how how, uint64_t last, int64_t until_unix_ms)
{
	struct query_last word = { .as_of = { EPOCH, TIP }, .n = n_asked };
	query_last_cb cb = last_cb;

	assert_non_null(cb);
	for (size_t i = 0; i < n_asked; i++)
		word.streams[i] = (struct query_stream){ how, OPEN,
		    { EPOCH, last }, until_unix_ms };
	last_cb = NULL;
	cb(&word, NULL, grace);
}

static UNUSED const char *
text(struct buf *b)
{
	return buf_cstr(b);
}

#endif
