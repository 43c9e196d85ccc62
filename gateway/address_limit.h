/*
 * address_limit: how many connections each client's address has, and whose
 * word is taken for what that address is. Pure but for the random key of its
 * table.
 *
 * An address is what one subscriber of the internet has (common/address: IPv6
 * by /64). Loopback and trusted proxies are not counted: behind those are many
 * clients, and X-Forwarded-For names them. That field is believed only from
 * gateway.trusted_proxies, and read from its end, where the nearest proxy
 * wrote: the first address there that is no trusted proxy is the client; what
 * stands before it, a client may have invented.
 *
 * Every count belongs to an open connection, so max_connections bounds the
 * table.
 */
#ifndef SLUICE_ADDRESS_LIMIT_H
#define SLUICE_ADDRESS_LIMIT_H

#include "common/address.h"
#include "common/conf.h"
#include "gateway/http_request.h"

struct address_limit;

struct address_limit *address_limit_new(const struct conf *conf);
void	 address_limit_free(struct address_limit *l);
bool	 address_limit_trusts(const struct address_limit *l,
	    const struct address *peer);
/* False: it is not to be counted. */
bool	 address_limit_applies(const struct address_limit *l,
	    const struct address *a);
/* One connection more; false: the address has as many as it may. */
bool	 address_limit_take(struct address_limit *l, const struct address *a);
void	 address_limit_give(struct address_limit *l, const struct address *a);
/* How many addresses have connections now. */
size_t	 address_limit_count(const struct address_limit *l);
/* Who sent this request, which came from the trusted proxy `peer`; that proxy
 * itself when it names nobody. */
struct address address_limit_client(const struct address_limit *l,
	    const struct address *peer, const struct http_request *r);

#endif
