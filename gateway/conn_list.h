/*
 * conn_list: the open streams of this gateway as an admin sees them, and the
 * end of some of them. Process: gateway.
 */
#ifndef SLUICE_CONN_LIST_H
#define SLUICE_CONN_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define CONN_LIST_ROWS_MAX  500u           /* of one page */
#define CONN_LIST_BYTES     (1024u * 1024) /* a page ends at the row that
					    * passes this */

struct gateway;

/* Connection ids as stream.open tells them. */
bool	conn_list_id_parse(struct slice text, uint64_t *ret);
/* Appends {"gateway", "streams" (how many are open here), "more" (rows follow
 * behind this page), "connections"}: rows by id, those behind `after`, at most
 * `limit` of them (and CONN_LIST_ROWS_MAX, and CONN_LIST_BYTES). */
void	conn_list_write(struct gateway *g, struct buf *b, uint64_t after,
	    uint32_t limit);
/* Ends a stream with stream.closing{admin}; false: it is none of this
 * gateway's. */
bool	conn_list_close(struct gateway *g, uint64_t id);
/* Ends all that bears a token that was revoked (access_is_revoked) since the
 * last time: streams as above; requests under way, streams that wait to open
 * among them, are answered 401. */
void	conn_list_close_revoked(struct gateway *g);

#endif
