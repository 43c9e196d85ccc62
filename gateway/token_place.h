/*
 * token_place: where in a request its token stands. Pure. Rules: the contract,
 * section 5. Process: gateway.
 *
 * As Authorization: Bearer; on a GET of a stream, whose client may be an
 * EventSource that can set no header, also as a ticket in the URL, or in a
 * cookie. The first of these that is there counts, whatever is in the others:
 * a bad one is not made good by the next.
 */
#ifndef SLUICE_TOKEN_PLACE_H
#define SLUICE_TOKEN_PLACE_H

#include <stdbool.h>

#include "gateway/http_request.h"

enum token_place {
	TOKEN_PLACE_NONE,
	TOKEN_PLACE_BROKEN,   /* Authorization, twice or not as Bearer */
	TOKEN_PLACE_HEADER,
	TOKEN_PLACE_TICKET,
	TOKEN_PLACE_COOKIE
};

/* `stream`: it is a GET of a stream. `cookie` is that cookie's name, NULL: none
 * is looked at. *ret is what stands there, of the request's memory, unless it
 * is none or broken; it may be empty. */
enum token_place token_place_find(const struct http_request *r, bool stream,
		    const char *cookie, struct slice *ret);

#endif
