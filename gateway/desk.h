/*
 * desk: where other gateways, and sluicectl, ask this one about its
 * connections and its figures: a Unix socket in the bus directory (0700), mode
 * 0600. Process: gateway.
 *
 * An admin's request comes to one gateway, and the streams are with all of
 * them. A request is one line of JSON, the answer another; then the connection
 * closes, as at the supervisor's control socket:
 *
 *	{"op":"connections","after":"0","limit":100}
 *	    conn_list_write() of this gateway
 *	{"op":"disconnect","id":"1e00000007"}
 *	    {"closed":true}, or false: it is none of this gateway's
 *	{"op":"revoke","subject":"eve","tenant":"acme"}
 *	    {"revoked_at":"2026-..."}; every gateway knows (revocations.h).
 *	    Without a tenant: of every one
 *	{"op":"figures"}
 *	    status_api_figures() of this gateway
 *	what cannot be done: {"error":"text","code":"word"}
 *
 * It is not the way of any event, and a client never waits for it: who does
 * not answer is left out of a list, and named. A DESK_CLIENTS_MAX at one time,
 * for DESK_IDLE_MS.
 */
#ifndef SLUICE_DESK_H
#define SLUICE_DESK_H

#include <sys/un.h>

#include "common/buf.h"
#include "common/err.h"

#define DESK_CLIENTS_MAX  16u
#define DESK_REQUEST_MAX  4096u
#define DESK_IDLE_MS      3000

struct desk;
struct gateway;

/* Listens; -1 with *err. */
struct desk	*desk_new(struct gateway *g, struct err *err);
void		 desk_free(struct desk *d);   /* NULL is none */
/* Where gateway `index` has its desk; false: the path is too long. */
bool		 desk_address(const char *bus_directory, unsigned int index,
		    struct sockaddr_un *ret);
/* Carries out a request (without its newline), appends the answer. */
void		 desk_execute(struct gateway *g, struct slice request,
		    struct buf *answer);

#endif
