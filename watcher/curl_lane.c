#include "watcher/curl_lane.h"

#include <assert.h>
#include <stdlib.h>

#include "common/timer.h"
#include "common/xmalloc.h"

#define LANE_MAGIC 0x454e414cu   /* "LANE" */

static void
drain(struct curl_lane *lane)
{
	CURLMsg *msg;
	CURLcode code;
	char *private;
	int left;

	while ((msg = curl_multi_info_read(lane->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
		    &private);
		lane->done(private, code);
	}
}

static void
curl_lane_socket_ready_cb(evutil_socket_t fd, short what, void *arg)
{
	struct curl_lane *lane = arg;
	int running, flags = 0;

	assert(lane->magic == LANE_MAGIC);
	if ((what & EV_READ) != 0)
		flags |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		flags |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(lane->multi, fd, flags, &running);
	drain(lane);
}

static void
curl_lane_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct curl_lane *lane = arg;
	int running;

	(void)fd;
	(void)what;
	assert(lane->magic == LANE_MAGIC);
	(void)curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0,
	    &running);
	drain(lane);
}

static void
curl_lane_empty_cb(evutil_socket_t fd, short what, void *arg)
{
	struct curl_lane *lane = arg;

	(void)fd;
	(void)what;
	assert(lane->magic == LANE_MAGIC);
	assert(lane->given_up && lane->n == 0);
	lane->unused(lane, lane->arg);
}

static int
curl_lane_socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg,
    void *socket_arg)
{
	struct curl_lane *lane = arg;
	struct event *ev = socket_arg;
	short flags = EV_PERSIST;

	(void)easy;
	if (ev != NULL)
		event_free(ev);
	ev = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what != CURL_POLL_OUT)
			flags |= EV_READ;
		if (what != CURL_POLL_IN)
			flags |= EV_WRITE;
		ev = event_new(lane->base, fd, flags,
		    curl_lane_socket_ready_cb, lane);
		if (ev == NULL || event_add(ev, NULL) != 0)
			abort();
	}
	(void)curl_multi_assign(lane->multi, fd, ev);
	return 0;
}

static int
curl_lane_timeout_cb(CURLM *multi, long ms, void *arg)
{
	struct curl_lane *lane = arg;

	(void)multi;
	if (ms < 0)
		(void)evtimer_del(lane->timer);
	else
		timer_arm(lane->timer, ms);
	return 0;
}

struct curl_lane *
curl_lane_new(struct event_base *base, curl_lane_done_cb done,
    curl_lane_unused_cb unused, void *arg)
{
	struct curl_lane *lane = xcalloc(1, sizeof(*lane));

	lane->magic = LANE_MAGIC;
	lane->base = base;
	lane->done = done;
	lane->unused = unused;
	lane->arg = arg;
	lane->opened = mono_now();
	lane->multi = curl_multi_init();
	if (lane->multi == NULL)
		abort();
	lane->timer = timer_new(base, curl_lane_timer_cb, lane);
	lane->empty = timer_new(base, curl_lane_empty_cb, lane);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION,
	    curl_lane_socket_cb);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION,
	    curl_lane_timeout_cb);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING,
	    CURLPIPE_MULTIPLEX);
	return lane;
}

void
curl_lane_free(struct curl_lane *lane)
{
	assert(lane->magic == LANE_MAGIC);
	(void)curl_multi_cleanup(lane->multi);
	event_free(lane->timer);
	event_free(lane->empty);
	lane->magic = 0;
	free(lane);
}

/* By a timer of its own: libcurl sets and deletes the other one as it likes. */
static void
hand_back(struct curl_lane *lane)
{
	if (lane->n == 0 && lane->given_up)
		event_active(lane->empty, EV_TIMEOUT, 0);
}

void
curl_lane_give_up(struct curl_lane *lane)
{
	assert(lane->magic == LANE_MAGIC);
	lane->given_up = true;
	hand_back(lane);
}

void
curl_lane_left(struct curl_lane *lane)
{
	assert(lane->magic == LANE_MAGIC);
	lane->n--;
	hand_back(lane);
}
