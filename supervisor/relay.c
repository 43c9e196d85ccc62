#include "supervisor/supervisor.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/all_states.h"
#include "supervisor/plugins.h"

#define LIST_SLOTS_MAX 10u   /* first lists at one time on this host */

static bool
is(const struct child *c, const char *role)
{
	return strcmp(c->role, role) == 0;
}

static void
unreadable(struct child *c, const char *what)
{
	if (c->bad_messages++ == 0)
		log_error("%s: %s refused (said once; `sluicectl status` "
		    "counts)", c->title, what);
}

/* --- peers: who reads the bus, and where ---------------------------------- */

static void
send_peer(struct supervisor *s, struct child *c, enum msg_type type)
{
	struct child *broker = service_role(s, "broker", NULL);
	struct buf b = BUF_EMPTY;

	if (broker == NULL || broker->state != CHILD_READY)
		return;   /* told when it is ready */
	msg_peer_encode(&b, &c->peer);
	(void)child_send(broker, type, b.data, b.len, -1);
	buf_free(&b);
}

static void
take_bus_path(struct supervisor *s, struct child *c, const void *p, size_t n)
{
	struct msg_peer m;

	if (msg_peer_decode(p, n, &m) != 0 || m.path[0] == '\0' ||
	    (!is(c, "store") && !is(c, "gateway"))) {
		unreadable(c, "BUS_PATH");
		return;
	}
	/* Once in its life: each is two messages to the broker. */
	if (c->peer.path[0] != '\0') {
		unreadable(c, "a second BUS_PATH");
		return;
	}
	/* Role, instance and incarnation are ours to say. */
	memcpy(c->peer.role, c->role, sizeof(c->peer.role));
	memcpy(c->peer.instance, c->instance, sizeof(c->peer.instance));
	memcpy(c->peer.path, m.path, sizeof(c->peer.path));
	c->peer.incarnation = c->incarnation;
	send_peer(s, c, MSG_PEER_UP);
}

static void
drop_peer(struct supervisor *s, struct child *c)
{
	if (c->peer.path[0] == '\0')
		return;
	send_peer(s, c, MSG_PEER_DOWN);
	memset(&c->peer, 0, sizeof(c->peer));
}

/* --- list slots ----------------------------------------------------------- */

static void
grant_slots(struct supervisor *s)
{
	struct buf b = BUF_EMPTY;

	msg_slot_encode(&b, MSG_SLOT_GRANT);
	for (size_t i = 0; i < s->n_children && s->slots < LIST_SLOTS_MAX;
	    i++) {
		struct child *c = s->children[i];

		if (!c->slot_wanted || c->slot_granted)
			continue;
		c->slot_wanted = false;
		c->slot_granted = child_send(c, MSG_LIST_SLOT, b.data, b.len,
		    -1);
		s->slots += c->slot_granted;
	}
	buf_free(&b);
}

static void
return_slot(struct supervisor *s, struct child *c)
{
	c->slot_wanted = false;
	if (!c->slot_granted)
		return;
	c->slot_granted = false;
	s->slots--;
	grant_slots(s);
}

static void
take_slot(struct supervisor *s, struct child *c, const void *p, size_t n)
{
	enum msg_slot slot;

	if (msg_slot_decode(p, n, &slot) != 0 || slot == MSG_SLOT_GRANT) {
		unreadable(c, "LIST_SLOT");
	} else if (slot == MSG_SLOT_RETURN) {
		return_slot(s, c);
	} else {
		c->slot_wanted = true;
		grant_slots(s);
	}
}

/* --- memory segments ------------------------------------------------------ */

static void
drop_segments(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_segments; i++)
		(void)close(s->segments[i].fd);
	s->n_segments = 0;
}

static void
send_segment(struct child *c, const struct kept_segment *segment)
{
	struct buf b = BUF_EMPTY;

	msg_segment_encode(&b, segment->first);
	(void)child_send(c, MSG_SEGMENT, b.data, b.len, segment->fd);
	buf_free(&b);
}

/* Takes fd. The oldest leaves when there are too many. */
static void
take_segment(struct supervisor *s, struct child *c, const void *p, size_t n,
    int fd)
{
	struct kept_segment segment = { .fd = fd };

	if (msg_segment_decode(p, n, &segment.first) != 0 ||
	    !is(c, "broker")) {
		unreadable(c, "SEGMENT");
		(void)close(fd);
		return;
	}
	if (s->n_segments == SUPERVISOR_SEGMENTS_MAX) {
		(void)close(s->segments[0].fd);
		s->n_segments--;
		memmove(&s->segments[0], &s->segments[1],
		    s->n_segments * sizeof(s->segments[0]));
	}
	s->segments[s->n_segments++] = segment;
	for (size_t i = 0; i < s->n_children; i++)
		if (is(s->children[i], "store") ||
		    is(s->children[i], "gateway"))
			send_segment(s->children[i], &segment);
}

/* --- between store, watchers and health ----------------------------------- */

/* Bits of child.due, of a watcher. Each stands for a message
 * that says how things are now: one is enough, however often it became due, so
 * that a store or a watcher that says much cannot fill another's channel, and
 * a thousand watchers can change at once. */
enum due {
	DUE_STATE    = 1,   /* to health: CLUSTER_STATE */
	DUE_CHECK    = 2,   /* to health: CHECK_NOW */
	DUE_BINDINGS = 4,   /* to the watcher: BINDINGS_CHANGED */
	DUE_RESYNC   = 8    /* to the watcher */
};

static void
send_cluster_state(struct child *health, const struct child *watcher)
{
	struct msg_cluster m;
	struct buf b = BUF_EMPTY;

	memset(&m, 0, sizeof(m));
	memcpy(m.cluster, watcher->instance, sizeof(m.cluster));
	(void)snprintf(m.state, sizeof(m.state), "%s",
	    child_shown_state(watcher));
	msg_cluster_encode(&b, &m);
	(void)child_send(health, MSG_CLUSTER_STATE, b.data, b.len, -1);
	buf_free(&b);
}

static void
send_bindings(struct child *to, enum msg_type type,
    const struct child *watcher)
{
	struct msg_bindings m;
	struct buf b = BUF_EMPTY;

	memset(&m, 0, sizeof(m));
	memcpy(m.cluster, watcher->instance, sizeof(m.cluster));
	m.version = watcher->bindings;
	msg_bindings_encode(&b, &m);
	(void)child_send(to, type, b.data, b.len, -1);
	buf_free(&b);
}

static void
take_states_ask(struct supervisor *s, struct child *c, size_t n)
{
	if (n != 0 || !is(c, "gateway")) {
		unreadable(c, "STATES_ASK");
		return;
	}
	c->states_wanted = true;
	all_states_tell(s);
}

/* True when it is due and can be told now; it is then not due any more. */
static bool
take_due(struct child *watcher, enum due what, const struct child *to)
{
	if ((watcher->due & what) == 0 || !child_has_room(to))
		return false;
	watcher->due &= ~(unsigned)what;
	return true;
}

/* Who does not run hears of nothing: health is told all when it is ready, a
 * watcher asks the store when it starts. */
static void
tell_due(struct supervisor *s, struct child *watcher)
{
	struct child *health = service_role(s, "health", NULL);

	if (health != NULL && take_due(watcher, DUE_STATE, health))
		send_cluster_state(health, watcher);
	if (health != NULL && take_due(watcher, DUE_CHECK, health))
		send_bindings(health, MSG_CHECK_NOW, watcher);
	if (take_due(watcher, DUE_BINDINGS, watcher))
		send_bindings(watcher, MSG_BINDINGS_CHANGED, watcher);
	if (take_due(watcher, DUE_RESYNC, watcher))
		send_bindings(watcher, MSG_RESYNC, watcher);
}

static void
make_due(struct supervisor *s, struct child *watcher, enum due what)
{
	watcher->due |= what;
	tell_due(s, watcher);
}

void
relay_tick(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i]->due != 0)
			tell_due(s, s->children[i]);
	all_states_tell(s);
}

static void
take_bindings(struct supervisor *s, struct child *c, enum msg_type type,
    const void *p, size_t n)
{
	struct msg_bindings m;

	if (msg_bindings_decode(p, n, &m) != 0 || !is(c, "store")) {
		unreadable(c, msg_name(type));
		return;
	}
	for (size_t i = 0; i < s->n_children; i++) {
		struct child *to = s->children[i];
		bool all = type == MSG_RESYNC && m.cluster[0] == '\0';

		if (!is(to, "watcher") ||
		    (!all && strcmp(to->instance, m.cluster) != 0))
			continue;
		to->bindings = m.version;
		make_due(s, to, type == MSG_RESYNC ? DUE_RESYNC
						   : DUE_BINDINGS);
	}
}

static void
take_check_now(struct supervisor *s, struct child *c, const void *p, size_t n)
{
	struct msg_bindings m;

	if (msg_bindings_decode(p, n, &m) != 0 || !is(c, "watcher") ||
	    strcmp(m.cluster, c->instance) != 0)
		unreadable(c, "CHECK_NOW");
	else
		make_due(s, c, DUE_CHECK);
}

/* --- credentials of plugins ----------------------------------------------- */

void
relay_credential(const char *title, const char *cluster, uint64_t id, int fd,
    void *arg)
{
	struct supervisor *s = arg;
	struct child *to = service_find(s, title);
	struct msg_bindings m = { .version = id };
	struct buf b = BUF_EMPTY;

	if (to == NULL)
		return;
	(void)snprintf(m.cluster, sizeof(m.cluster), "%s", cluster);
	msg_bindings_encode(&b, &m);
	(void)child_send(to, MSG_CREDENTIAL, b.data, b.len, fd);
	buf_free(&b);
}

/* A watcher may ask for its own cluster, health for every one; which program
 * that runs is the operator's kubeconfig's to say. */
static void
take_ask(struct supervisor *s, struct child *c, const void *p, size_t n)
{
	const struct conf_cluster *cluster = NULL;
	struct msg_bindings m;

	if (msg_bindings_decode(p, n, &m) != 0 || !(is(c, "health") ||
	    (is(c, "watcher") && strcmp(c->instance, m.cluster) == 0))) {
		unreadable(c, "CREDENTIAL_ASK");
		return;
	}
	for (size_t i = 0; i < s->conf.n_clusters; i++)
		if (strcmp(s->conf.clusters[i].id, m.cluster) == 0)
			cluster = &s->conf.clusters[i];
	if (cluster == NULL)
		return;   /* a reload took it away, and its watcher soon */
	plugins_ask(s->plugins, c->title, cluster,
	    cluster->kubeconfig != NULL ? cluster->kubeconfig :
	    s->conf.kubeconfig, m.version);
}

void
relay_message(struct child *c, enum msg_type type, const void *payload,
    size_t n, int fd, void *arg)
{
	struct supervisor *s = arg;

	if (type == MSG_SEGMENT) {
		take_segment(s, c, payload, n, fd);
		return;
	}
	if (fd != -1)
		(void)close(fd);
	if (type == MSG_BUS_PATH)
		take_bus_path(s, c, payload, n);
	else if (type == MSG_LIST_SLOT)
		take_slot(s, c, payload, n);
	else if (type == MSG_CHECK_NOW)
		take_check_now(s, c, payload, n);
	else if (type == MSG_CREDENTIAL_ASK)
		take_ask(s, c, payload, n);
	else if (type == MSG_STATES_ASK)
		take_states_ask(s, c, n);
	else if (type == MSG_BINDINGS_CHANGED || type == MSG_RESYNC)
		take_bindings(s, c, type, payload, n);
	else
		unreadable(c, msg_name(type));
}

/* --- what follows from a change of state ---------------------------------- */

static void
broker_ready(struct supervisor *s)
{
	drop_segments(s);   /* a new broker begins on disk */
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i]->peer.path[0] != '\0')
			send_peer(s, s->children[i], MSG_PEER_UP);
}

void
relay_changed(struct supervisor *s, struct child *c)
{
	if (!child_running(c)) {
		drop_peer(s, c);
		return_slot(s, c);
		c->states_wanted = false;   /* the next asks itself */
	}
	if (is(c, "broker") && c->state == CHILD_READY)
		broker_ready(s);
	if ((is(c, "store") || is(c, "gateway")) &&
	    c->state == CHILD_STARTING)
		for (size_t i = 0; i < s->n_segments; i++)
			send_segment(c, &s->segments[i]);
	if (is(c, "gateway"))
		listeners_changed(s, c);
	if (is(c, "watcher"))
		make_due(s, c, DUE_STATE);
	if (is(c, "health") && c->state == CHILD_READY)
		for (size_t i = 0; i < s->n_children; i++)
			if (is(s->children[i], "watcher"))
				make_due(s, s->children[i], DUE_STATE);
}

void
relay_free(struct supervisor *s)
{
	drop_segments(s);
}
