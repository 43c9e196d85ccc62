/*
 * address: IP addresses of clients and the networks they are in. Pure: texts
 * and bytes in, values out.
 *
 * IPv4 is kept mapped into IPv6 (::ffff:a.b.c.d), so that a client is the same
 * however its listener was made.
 */
#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"

struct address {
	uint8_t b[16];
};

struct address_network {
	struct address	base;
	unsigned int	bits;   /* of the 128 that must agree */
};

/* False: no IP address (AF_UNIX). *ret stays as it was. */
bool	address_of_sockaddr(const struct sockaddr *sa, struct address *ret);
/* "192.0.2.1", "2001:db8::1"; also "192.0.2.1:80", "[2001:db8::1]" and
 * "[2001:db8::1]:80", as proxies write them. */
bool	address_parse(struct slice text, struct address *ret);
/* "10.0.0.0/8", "2001:db8::/32", or one address. No bit may be set behind the
 * prefix: who writes 10.1.0.0/8 means something else. */
bool	address_network_parse(struct slice text, struct address_network *ret);
/* Writes it as "192.0.2.1" or "2001:db8::1"; returns buf. */
#define ADDRESS_TEXT_SIZE 46
const char *address_format(const struct address *a,
	    char buf[ADDRESS_TEXT_SIZE]);
bool	address_in(const struct address *a, const struct address_network *n);
bool	address_is_loopback(const struct address *a);
/* What one subscriber of the internet has: the address of IPv4, the first 64
 * bits of IPv6. */
struct address address_subscriber(const struct address *a);

#endif
