#include "broker/announce.h"

#include <stdlib.h>
#include <unistd.h>

#include "broker/peers.h"
#include "common/log.h"
#include "common/role.h"
#include "common/xmalloc.h"

struct announce {
	struct role		*role;
	struct peers		*peers;
	struct position		 tip;
	struct job_segment	 segments[JOB_SEGMENTS_MAX];
	size_t			 n_segments;
};

struct announce *
announce_new(struct role *role, struct err *err)
{
	struct peers *peers = peers_new(err);
	struct announce *a;

	if (peers == NULL)
		return NULL;
	a = xcalloc(1, sizeof(*a));
	a->role = role;
	a->peers = peers;
	return a;
}

void
announce_free(struct announce *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n_segments; i++)
		(void)close(a->segments[i].fd);
	peers_free(a->peers);
	free(a);
}

struct position
announce_tip(const struct announce *a)
{
	return a->tip;
}

void
announce_set_tip(struct announce *a, struct position tip)
{
	a->tip = tip;
}

static void
send_segment(struct announce *a, const struct job_segment *s)
{
	struct buf bytes = BUF_EMPTY;

	msg_segment_encode(&bytes, s->first);
	role_send(a->role, MSG_SEGMENT, bytes.data, bytes.len, s->fd);
	buf_free(&bytes);
}

/* Readers learn of memory segments before they hear of what is in them. */
static void
take_segments(struct announce *a, struct journal_job *job)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n_segments; i++) {
		bool gone = i + 1 < a->n_segments &&
		    a->segments[i + 1].first <= job->info.oldest;

		if (gone || a->n_segments - i + job->n_segments >
		    JOB_SEGMENTS_MAX)
			(void)close(a->segments[i].fd);
		else
			a->segments[kept++] = a->segments[i];
	}
	a->n_segments = kept;
	for (size_t i = 0; i < job->n_segments; i++) {
		a->segments[a->n_segments++] = job->segments[i];
		send_segment(a, &job->segments[i]);
	}
	job->n_segments = 0;
}

void
announce_job(struct announce *a, struct journal_job *job)
{
	take_segments(a, job);
	for (size_t i = 0; i < job->n_records; i++) {
		const struct writer_record *r = &job->records[i];

		peers_send(a->peers, job->bytes.data + r->offset, r->length);
		a->tip.number = r->last;
	}
}

void
announce_heartbeat(struct announce *a, struct heartbeat hb)
{
	struct buf bytes = BUF_EMPTY;

	hb.tip = a->tip;
	heartbeat_encode(&bytes, &hb);
	peers_send(a->peers, bytes.data, bytes.len);
	buf_free(&bytes);
}

void
announce_peer_up(struct announce *a, const struct msg_peer *peer)
{
	struct err err;

	if (peers_up(a->peers, peer, &err) < 0)
		log_error("reader %s/%s: %s", peer->role, peer->instance,
		    err.text);
	/* It may have come after memory segments were announced. */
	for (size_t i = 0; i < a->n_segments; i++)
		send_segment(a, &a->segments[i]);
}

void
announce_peer_down(struct announce *a, const struct msg_peer *peer)
{
	peers_down(a->peers, peer);
}

size_t
announce_readers(const struct announce *a)
{
	return peers_count(a->peers);
}
