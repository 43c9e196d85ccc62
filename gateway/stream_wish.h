/*
 * stream_wish: what a request for a stream asks for: parameters, cursor and
 * Accept, judged by the contract, section 4. Process: gateway.
 */
#ifndef SLUICE_STREAM_WISH_H
#define SLUICE_STREAM_WISH_H

#include "gateway/http_request.h"
#include "gateway/hub.h"

struct conn;

enum cursor_kind { CURSOR_NONE, CURSOR_AT, CURSOR_OLDEST, CURSOR_NOW };

/* Slices point into the request, or to the key given. */
struct stream_wish {
	struct slice		selectors[HUB_SELECTORS_MAX];
	size_t			n_selectors;
	struct slice		types[HUB_TYPES_MAX];
	size_t			n_types;
	enum cursor_kind	cursor_kind;
	struct position		cursor;
	int64_t			timeout_ms;   /* -1: the configured one */
	bool			snapshot;
	bool			strict;
	bool			must_exist;
	bool			comment;
	bool			cloud;        /* format=cloudevents */
	bool			heartbeat_set;
};

/* Reads a request into *w, which is all zero. `key` is the one stream of a
 * single-stream path, or SLICE_NONE. false: the client was answered what is
 * wrong. */
bool	stream_wish_read(struct conn *c, struct stream_wish *w,
	    const struct http_request *r, struct slice key);

#endif
