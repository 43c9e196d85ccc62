/*
 * conn_api: the open streams of all gateways, for admins: what there is, and
 * the end of one, or of all of a subject. Rules: the contract, section 5.
 * Process: gateway.
 */
#ifndef SLUICE_CONN_API_H
#define SLUICE_CONN_API_H

#define CONN_API_LIMIT_DEFAULT 100u   /* rows of a page */

struct conn;
struct http_request;

/* GET: a page of them; DELETE ?subject=: revokes. */
void	conn_api_all(struct conn *c, const struct http_request *r);
/* DELETE .../{id}: ends one. */
void	conn_api_one(struct conn *c, const struct http_request *r);

#endif
