/*
 * curl_lane: one multi handle of libcurl under libevent: the transfers added
 * to it share its connections, and nobody else's. Runs in the watcher's loop.
 * A transfer's CURLOPT_PRIVATE is handed back when it has ended. One that was
 * given up takes no new transfers; when its last has gone it is handed to
 * `unused`, from the loop, never from within libcurl: that may be at work on it
 * when its owner turns away.
 */
#ifndef SLUICE_CURL_LANE_H
#define SLUICE_CURL_LANE_H

#include <curl/curl.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/mono.h"

struct curl_lane;

typedef void (*curl_lane_done_cb)(void *private, CURLcode code);
typedef void (*curl_lane_unused_cb)(struct curl_lane *lane, void *arg);

struct curl_lane {
	uint32_t		 magic;
	struct curl_lane	*next;      /* the owner's */
	struct event_base	*base;
	CURLM			*multi;
	struct event		*timer;     /* libcurl's */
	struct event		*empty;     /* ours: hand it to `unused` */
	curl_lane_done_cb	 done;
	curl_lane_unused_cb	 unused;
	void			*arg;
	struct mono		 opened;
	struct mono		 heard;     /* the last byte of any body */
	size_t			 n;        /* transfers, by the owner's count */
	bool			 given_up;
};

struct curl_lane *curl_lane_new(struct event_base *base,
	    curl_lane_done_cb done, curl_lane_unused_cb unused, void *arg);
void	curl_lane_free(struct curl_lane *lane);
/* Soon `unused` is called, at the latest when its last transfer has left. */
void	curl_lane_give_up(struct curl_lane *lane);
/* A transfer has left it. */
void	curl_lane_left(struct curl_lane *lane);

#endif
