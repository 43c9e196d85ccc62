#include "gateway/conn_list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/identity.h"

#define ID_DIGITS_MAX 16

bool
conn_list_id_parse(struct slice text, uint64_t *ret)
{
	uint64_t v = 0;

	if (text.n == 0 || text.n > ID_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

/* --- one row -------------------------------------------------------------- */

static const char *
state_name(const struct conn *c)
{
	switch (c->stream.phase) {
	case STREAM_JUDGE:
	case STREAM_LOOKBACK:
		return "judging";
	case STREAM_SNAPSHOT:
		return "snapshot";
	case STREAM_BLIND:
		return "without_snapshot";
	case STREAM_REPLAY:
		return "replay";
	case STREAM_LIVE:
		return c->stream.snapshot != NULL ? "snapshot" : "live";
	case STREAM_NONE:
	case STREAM_ENDING:
		break;
	}
	return "ending";
}

/* How many positions, of all streams there are, stand between what was handed
 * to the socket and the tip; 0 when none of them is this client's. */
static uint64_t
lag(struct conn *c)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	struct position tip = ring_tip(g->ring);

	if (s->cursor.epoch != tip.epoch || s->cursor.number >= tip.number)
		return 0;
	if (s->phase == STREAM_LIVE && s->snapshot == NULL &&
	    hub_next(g->hub, s->sub, s->cursor.number) == 0 &&
	    s->cursor.number >= s->sub->lost_through)
		return 0;
	return tip.number - s->cursor.number;
}

static void
add_text(struct buf *b, const char *name, const char *text)
{
	buf_json_member(b, name, slice_str(text));
	buf_addc(b, ',');
}

static void
add_row(struct buf *b, struct conn *c)
{
	const struct identity *id = c->identity;
	const char *instance = c->gateway->role->instance;
	char client[ADDRESS_TEXT_SIZE], since[MONO_RFC3339_SIZE];
	char cursor[EVENT_ID_MAX];
	int64_t age = gateway_now_ms() - c->stream.opened_ms;

	buf_addf(b, "{\"id\":\"%" PRIx64 "\",", c->row->connection);
	add_text(b, "gateway", instance);
	(void)address_format(&c->client, client);
	add_text(b, "client", client);
	add_text(b, "subject", id->subject);
	add_text(b, "tenant", id->tenant);
	buf_adds(b, "\"streams\":");
	hub_keys_json(b, c->stream.sub);
	buf_addc(b, ',');
	buf_addf(b, "\"since\":\"%s\",\"events\":%" PRIu64 ",\"bytes\":%"
	    PRIu64 ",\"cursor\":\"%s\",\"lag\":%" PRIu64
	    ",\"state\":\"%s\"}", wall_format(wall_unix_ms() - age, since),
	    c->stream.events, c->bytes,
	    position_format(c->stream.cursor, cursor), lag(c),
	    state_name(c));
}

/* --- a page --------------------------------------------------------------- */

struct found {
	uint64_t	 after;
	struct conn	**conns;
	size_t		 n;
	size_t		 streams;
};

static void
find(struct conn *c, void *arg)
{
	struct found *f = arg;

	if (c->state != CONN_STREAM || c->stream.sub == NULL)
		return;
	f->streams++;
	if (c->row->connection > f->after)
		f->conns[f->n++] = c;
}

static int
by_id(const void *a, const void *b)
{
	const struct conn *const *x = a, *const *y = b;
	uint64_t i = (*x)->row->connection, k = (*y)->row->connection;

	return (i > k) - (i < k);
}

void
conn_list_write(struct gateway *g, struct buf *b, uint64_t after,
    uint32_t limit)
{
	struct found f = { .after = after };
	size_t i, from = b->len;

	f.conns = xcalloc(connections_count(g->connections) + 1,
	    sizeof(*f.conns));
	connections_each(g->connections, find, &f);
	qsort(f.conns, f.n, sizeof(*f.conns), by_id);
	limit = MIN(limit, CONN_LIST_ROWS_MAX);
	buf_addf(b, "{\"gateway\":\"%s\",\"streams\":%zu,\"connections\":[",
	    g->role->instance, f.streams);
	for (i = 0; i < f.n && i < limit && b->len - from < CONN_LIST_BYTES;
	    i++) {
		if (i > 0)
			buf_addc(b, ',');
		add_row(b, f.conns[i]);
	}
	buf_addf(b, "],\"more\":%s}", i < f.n ? "true" : "false");
	free(f.conns);
}

/* --- ending --------------------------------------------------------------- */

struct wanted {
	uint64_t	 id;
	struct conn	*conn;
};

static void
look(struct conn *c, void *arg)
{
	struct wanted *w = arg;

	if (c->state == CONN_STREAM && c->row->connection == w->id)
		w->conn = c;
}

bool
conn_list_close(struct gateway *g, uint64_t id)
{
	struct wanted w = { .id = id };

	connections_each(g->connections, look, &w);
	if (w.conn != NULL)
		stream_close(w.conn, SSE_ADMIN);
	return w.conn != NULL;
}

/* Of what it asked for nothing more is begun: a stream does not open. */
static void
refuse_under_way(struct conn *c)
{
	if (c->state == CONN_WAITING && c->exchange->on_gone != NULL)
		c->exchange->on_gone(c);
	stream_release(c);
	access_refuse_revoked(c);
}

static void
close_revoked(struct conn *c, void *arg UNUSED)
{
	if (!access_is_revoked(c))
		return;
	if (c->state == CONN_STREAM)
		stream_close(c, SSE_ADMIN);
	else if (c->state != CONN_CLOSING)
		refuse_under_way(c);
}

void
conn_list_close_revoked(struct gateway *g)
{
	connections_each(g->connections, close_revoked, NULL);
}
