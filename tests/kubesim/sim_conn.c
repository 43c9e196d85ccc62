/* What an exchange is asked and told, whatever wire it is on. */
#include "tests/kubesim/sim_conn.h"

#include "common/mono.h"

void
sim_conn_timer_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct sim_conn *c = arg;

	sim_conn_check(c);
	c->timer_cb(c, c->timer_ctx);
}

void
sim_conn_defer(struct sim_conn *c, int64_t ms, sim_conn_cb *cb, void *ctx)
{
	struct timeval tv = mono_timeval_ms(ms);

	c->timer_cb = cb;
	c->timer_ctx = ctx;
	(void)evtimer_add(c->timer, &tv);
}

void
sim_conn_answered(struct sim_conn *c)
{
	if (c->state == SIM_CONN_DEAD)
		return;
	c->gone_cb = NULL;
	c->room_cb = NULL;
	c->streaming = false;
	c->action = SIM_ACT_NONE;
	c->cut_at = -1;
	sim_text_unref(c->held);
	c->held = NULL;
	sim_request_clear(&c->req);
	c->wire->idle(c);
}

void
sim_conn_close(struct sim_conn *c)
{
	c->wire->stop(c, false);
}

void
sim_conn_reset(struct sim_conn *c)
{
	c->wire->stop(c, true);
}

void
sim_conn_close_after(struct sim_conn *c)
{
	c->keep_alive = false;
}

void
sim_conn_on_room(struct sim_conn *c, sim_conn_cb *cb, void *ctx)
{
	c->room_cb = cb;
	c->room_ctx = ctx;
}

void
sim_conn_own(struct sim_conn *c, sim_conn_cb *gone, void *ctx)
{
	c->gone_cb = gone;
	c->gone_ctx = ctx;
}

struct sim *
sim_conn_sim(const struct sim_conn *c)
{
	return c->sim;
}

struct sim_request *
sim_conn_request(struct sim_conn *c)
{
	return &c->req;
}

uint64_t
sim_conn_id(const struct sim_conn *c)
{
	return c->id;
}

bool
sim_conn_http2(const struct sim_conn *c)
{
	return c->stream != NULL;
}

bool
sim_conn_certified(const struct sim_conn *c)
{
	return c->ssl != NULL && SSL_get0_peer_certificate(c->ssl) != NULL &&
	    SSL_get_verify_result(c->ssl) == X509_V_OK;
}

bool
sim_conn_replica(const struct sim_conn *c)
{
	return c->replica;
}

bool
sim_conn_dead(const struct sim_conn *c)
{
	return c->state == SIM_CONN_DEAD;
}

const char *
sim_conn_param(struct sim_conn *c, const char *name)
{
	return sim_request_param(&c->req, name);
}

size_t
sim_conn_backlog(const struct sim_conn *c)
{
	return c->wire->backlog(c);
}
