#include "broker/peers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/bus.h"
#include "common/xmalloc.h"

#define PEERS_MAGIC 0x50454552u

struct row {
	struct msg_peer	peer;
	int		endpoint;
};

struct peers {
	uint32_t	magic;
	int		socket;
	struct row	rows[PEERS_MAX];
	size_t		n;
};

struct peers *
peers_new(struct err *err)
{
	struct peers *p = xcalloc(1, sizeof(*p));

	p->magic = PEERS_MAGIC;
	p->socket = bus_open(BUS_PUB, err);
	if (p->socket < 0) {
		free(p);
		return NULL;
	}
	return p;
}

void
peers_free(struct peers *p)
{
	if (p == NULL)
		return;
	assert(p->magic == PEERS_MAGIC);
	bus_close(p->socket);
	p->magic = 0;
	free(p);
}

static struct row *
row_find(struct peers *p, const struct msg_peer *peer)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->rows[i].peer.role, peer->role) == 0 &&
		    strcmp(p->rows[i].peer.instance, peer->instance) == 0)
			return &p->rows[i];
	}
	return NULL;
}

static void
row_remove(struct peers *p, struct row *row)
{
	bus_disconnect(p->socket, row->endpoint);
	*row = p->rows[--p->n];
}

int
peers_up(struct peers *p, const struct msg_peer *peer, struct err *err)
{
	struct row *row = row_find(p, peer);
	int endpoint;

	assert(p->magic == PEERS_MAGIC);
	if (row != NULL && strcmp(row->peer.path, peer->path) == 0)
		return 0;
	if (row != NULL)
		row_remove(p, row);
	if (p->n == PEERS_MAX)
		return err_set(err, "more than %u readers", PEERS_MAX);
	endpoint = bus_connect(p->socket, peer->path, err);
	if (endpoint < 0)
		return -1;
	p->rows[p->n++] = (struct row){ *peer, endpoint };
	return 0;
}

void
peers_down(struct peers *p, const struct msg_peer *peer)
{
	struct row *row = row_find(p, peer);

	assert(p->magic == PEERS_MAGIC);
	/* The newer incarnation may be up already. */
	if (row != NULL && row->peer.incarnation <= peer->incarnation)
		row_remove(p, row);
}

void
peers_send(struct peers *p, const void *bytes, size_t n)
{
	assert(p->magic == PEERS_MAGIC);
	/* PUB never says that it dropped; heartbeats show readers the hole. */
	(void)bus_send(p->socket, bytes, n, NULL);
}

size_t
peers_count(const struct peers *p)
{
	return p->n;
}
