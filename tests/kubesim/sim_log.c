#include "tests/kubesim/sim_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"

struct entry {
	uint64_t	 id;
	int64_t		 time_ms;
	struct mono	 begin;
	int64_t		 answered_ms;    /* after begin; -1: not yet */
	int64_t		 ended_ms;
	uint64_t	 connection;
	size_t		 watches;
	int		 status;         /* 0: not answered */
	size_t		 bytes;
	bool		 token;
	bool		 http2;
	char		*method;
	char		*target;
	char		*user_agent;
	char		*accept;
	char		*accept_encoding;
};

struct sim_log {
	struct entry	entry[SIM_LOG_MAX];      /* ring */
	uint64_t	next_id;
	uint64_t	first_id;                /* oldest kept */
};

struct sim_log *
sim_log_new(void)
{
	struct sim_log *l = xcalloc(1, sizeof(*l));

	l->next_id = l->first_id = 1;
	return l;
}

static struct entry *
entry_of(struct sim_log *l, uint64_t id)
{
	return &l->entry[id % SIM_LOG_MAX];
}

static void
entry_clear(struct entry *e)
{
	free(e->method);
	free(e->target);
	free(e->user_agent);
	free(e->accept);
	free(e->accept_encoding);
	memset(e, 0, sizeof(*e));
}

void
sim_log_free(struct sim_log *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < SIM_LOG_MAX; i++)
		entry_clear(&l->entry[i]);
	free(l);
}

uint64_t
sim_log_add(struct sim_log *l, struct sim_conn *c, size_t watches)
{
	struct sim_request *r = sim_conn_request(c);
	uint64_t id = l->next_id++;
	struct entry *e = entry_of(l, id);

	entry_clear(e);
	if (id - l->first_id >= SIM_LOG_MAX)
		l->first_id = id - SIM_LOG_MAX + 1;
	*e = (struct entry){ .id = id, .time_ms = wall_unix_ms(),
	    .begin = mono_now(), .answered_ms = -1, .ended_ms = -1,
	    .connection = sim_conn_id(c), .watches = watches,
	    .method = xstrdup(r->method), .target = xstrdup(r->target),
	    .accept = xstrdup(r->accept),
	    .accept_encoding = xstrdup(r->accept_encoding),
	    .user_agent = xstrdup(r->user_agent),
	    .token = r->authorization[0] != '\0',
	    .http2 = sim_conn_http2(c) };
	return id;
}

static struct entry *
find(struct sim_log *l, uint64_t id)
{
	struct entry *e = entry_of(l, id);

	return id != 0 && e->id == id ? e : NULL;
}

void
sim_log_answered(struct sim_log *l, uint64_t id, int status)
{
	struct entry *e = find(l, id);

	if (e == NULL)
		return;
	e->status = status;
	e->answered_ms = mono_diff_ms(mono_now(), e->begin);
}

void
sim_log_sent(struct sim_log *l, uint64_t id, size_t bytes)
{
	struct entry *e = find(l, id);

	if (e != NULL)
		e->bytes += bytes;
}

void
sim_log_ended(struct sim_log *l, uint64_t id)
{
	struct entry *e = find(l, id);

	if (e != NULL && e->ended_ms < 0)
		e->ended_ms = mono_diff_ms(mono_now(), e->begin);
}

void
sim_log_empty(struct sim_log *l)
{
	l->first_id = l->next_id;
}

static json_t *
show(const struct entry *e)
{
	json_t *o = json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:b,"
	    " s:i, s:I, s:s}", "id", (json_int_t)e->id, "time_ms",
	    (json_int_t)e->time_ms, "connection", (json_int_t)e->connection,
	    "method", e->method, "target", e->target, "user_agent",
	    e->user_agent, "accept", e->accept, "accept_encoding",
	    e->accept_encoding, "authorization", e->token, "status",
	    e->status, "bytes", (json_int_t)e->bytes, "protocol",
	    e->http2 ? "HTTP/2" : "HTTP/1.1");

	if (o == NULL)
		abort();
	(void)json_object_set_new(o, "watches",
	    json_integer((json_int_t)e->watches));
	(void)json_object_set_new(o, "answered_after_ms",
	    json_integer(e->answered_ms));
	(void)json_object_set_new(o, "ended_after_ms",
	    json_integer(e->ended_ms));
	return o;
}

json_t *
sim_log_show(struct sim_log *l, uint64_t after)
{
	json_t *list = json_array();

	for (uint64_t id = MAX(l->first_id, after + 1); id < l->next_id; id++)
		(void)json_array_append_new(list, show(entry_of(l, id)));
	return json_pack("{s:o}", "requests", list);
}
