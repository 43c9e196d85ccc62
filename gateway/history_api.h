/*
 * history_api: GET /api/v1/streams/{key}/events?after=&limit=&types=&format=:
 * the stored events of one stream, page by page, oldest first (the contract,
 * section 5); as a batch of CloudEvents where format or Accept asks for it:
 * without those that are none, of which the log tells. Process: gateway.
 *
 * The store is asked (query_history); nothing is read from the ring, so any
 * gateway gives the same answer. Who may subscribe to the stream may ask; of
 * another tenant's nothing can be told from one that never was. A page takes
 * about HISTORY_PAGE_BYTES of a connection's memory (store/history_read.h).
 */
#ifndef SLUICE_HISTORY_API_H
#define SLUICE_HISTORY_API_H

#include "common/query_wire.h"

#define HISTORY_API_LIMIT_DEFAULT 100u

struct conn;
struct http_request;

void	history_api(struct conn *c, const struct http_request *r);
/* Appends the page's JSON. -1: an item is not one. Pure. */
int	history_api_write(struct buf *b, struct slice key,
	    const struct query_history *history) MUST_CHECK;

#endif
