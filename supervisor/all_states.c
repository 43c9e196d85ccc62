#include "supervisor/all_states.h"

#include <event2/event.h>
#include <unistd.h>

#include "common/log.h"
#include "common/macros.h"
#include "common/mono.h"
#include "common/sealed.h"
#include "supervisor/child_json.h"

#define SHARE  10            /* of our time: one part in so many */
#define MS_NS  INT64_C(1000000)

int64_t
all_states_pause_ms(int64_t took_ns)
{
	return MIN(MAX(took_ns * SHARE / MS_NS, ALL_STATES_EVERY_MS),
	    ALL_STATES_EVERY_MAX_MS);
}

/* -1: not to be had now. */
static int
seal(const struct supervisor *s)
{
	struct err err = { 0 };
	struct buf b = BUF_EMPTY;
	int fd = sealed_new("sluice-states", &err);

	child_json_all(&b, s->children, s->n_children);
	if (fd != -1 && sealed_write(fd, b.data, b.len, &err) == -1) {
		(void)close(fd);
		fd = -1;
	}
	buf_free(&b);
	return fd;
}

static bool
can_be_told(const struct child *c)
{
	return c->states_wanted && child_has_room(c);
}

static void
tell_now(struct supervisor *s)
{
	struct mono begun = mono_now();
	int fd = seal(s);
	struct mono made = mono_now();

	s->states_next = mono_add_ms(made,
	    all_states_pause_ms(made.ns - begun.ns));
	for (size_t i = 0; fd != -1 && i < s->n_children; i++)
		if (can_be_told(s->children[i])) {
			s->children[i]->states_wanted = false;
			(void)child_send(s->children[i], MSG_STATES, NULL, 0,
			    fd);
		}
	if (fd != -1)
		(void)close(fd);
}

static void
all_states_soon_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct supervisor *s = arg;

	s->states_soon = false;
	all_states_tell(s);
}

/* Where no timer is to be had, the tick does it. */
static void
tell_soon(struct supervisor *s, int64_t left_ms)
{
	const struct timeval soon = mono_timeval_ms(left_ms);

	if (!s->states_soon)
		s->states_soon = event_base_once(s->base, -1, EV_TIMEOUT,
		    all_states_soon_cb, s, &soon) == 0;
}

void
all_states_tell(struct supervisor *s)
{
	int64_t left_ms = mono_left_ms(s->states_next, mono_now());
	size_t i = 0;

	while (i < s->n_children && !can_be_told(s->children[i]))
		i++;
	if (i == s->n_children)
		return;
	if (left_ms > 0)
		tell_soon(s, left_ms);
	else
		tell_now(s);
}
