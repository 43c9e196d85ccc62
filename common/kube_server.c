#include "common/kube_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/xmalloc.h"

#define HOST_MAX 255u   /* bytes of a name that is judged */

void
kube_server_authority(const char *server, struct slice *ret_host,
    const char **ret_port)
{
	const char *p = strstr(server, "://") + 3;
	size_t n = p[0] == '[' ? strcspn(p, "]") + 1 : strcspn(p, ":/?#");

	*ret_host = (struct slice){ p, n };
	*ret_port = p[n] == ':' ? p + n + 1 : NULL;
}

const char *
kube_server_check(const char *server)
{
	const char *rest, *port, *p;
	struct slice host;
	size_t digits;

	for (p = server; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '\\')
			return "`server` has white space, control characters "
			    "or a backslash in it";
	if (strncasecmp(server, "https://", 8) == 0)
		rest = server + 8;
	else if (strncasecmp(server, "http://", 7) == 0)
		rest = server + 7;
	else
		return "`server` must begin with https:// (or http://)";
	if (memchr(rest, '@', strcspn(rest, "/?#")) != NULL)
		return "`server` must not hold a user name or password; "
		    "credentials belong under users";
	if (rest[0] == '[' && rest[strcspn(rest, "]/?#")] != ']')
		return "`server` has an unclosed [ in its host";
	kube_server_authority(server, &host, &port);
	if (host.n == 0)
		return "`server` has no host";
	if (strchr(":/?#", host.p[host.n]) == NULL)
		return "`server` has something behind its ]";
	if (port == NULL)
		return NULL;
	digits = strspn(port, "0123456789");
	if (digits == 0 || digits > 5 || strchr("/?#", port[digits]) == NULL ||
	    strtoul(port, NULL, 10) > 65535)
		return "`server` has no valid port after its host";
	return NULL;
}

char *
kube_server_clean(const char *server)
{
	size_t n = strcspn(server, "?#");

	while (n > 0 && server[n - 1] == '/')
		n--;
	return xstrndup(server, n);
}

/* --- strangers ------------------------------------------------------------ */

static bool
in_net(uint32_t address, uint32_t net, unsigned bits)
{
	return (address ^ net) >> (32 - bits) == 0;
}

/* Addresses in host order. The metadata services of AWS, GCP, Azure and
 * others lie in 169.254/16; the rest are those that do not. */
static bool
forbidden_v4(uint32_t a)
{
	return in_net(a, 0x00000000u, 8) ||       /* this host */
	    in_net(a, 0x7f000000u, 8) ||          /* loopback */
	    in_net(a, 0xa9fe0000u, 16) ||         /* link-local, metadata */
	    in_net(a, 0xe0000000u, 3) ||          /* multicast and above */
	    a == 0x646464c8u ||                   /* Alibaba 100.100.100.200 */
	    a == 0xc00000c0u ||                   /* Oracle 192.0.0.192 */
	    a == 0xa83f8110u;                     /* Azure 168.63.129.16 */
}

static uint32_t
v4_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static bool
forbidden_v6(const struct in6_addr *in6)
{
	static const uint8_t zero[12], nat64[12] = { 0, 0x64, 0xff, 0x9b },
	    mapped[12] = { [10] = 0xff, [11] = 0xff },
	    translated[12] = { [8] = 0xff, [9] = 0xff },
	    /* RFC 8215: whoever uses it has a place of their own for IPv4. */
	    local_nat64[6] = { 0, 0x64, 0xff, 0x9b, 0, 1 };
	/* Metadata: AWS fd00:ec2::254, Google fd20:ce::254, Oracle
	 * fd00:c1::a9fe:a9fe. */
	static const uint8_t metadata[3][4] = { { 0xfd, 0, 0x0e, 0xc2 },
		{ 0xfd, 0x20, 0, 0xce }, { 0xfd, 0, 0, 0xc1 } };
	const uint8_t *a = in6->s6_addr;

	/* An IPv4 address in another coat: also :: and ::1. */
	if (memcmp(a, zero, 12) == 0 || memcmp(a, mapped, 12) == 0 ||
	    memcmp(a, translated, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return forbidden_v4(v4_at(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02)         /* 6to4 */
		return forbidden_v4(v4_at(a + 2));
	for (size_t i = 0; i < NELEM(metadata); i++)
		if (memcmp(a, metadata[i], sizeof(metadata[i])) == 0)
			return true;
	return a[0] == 0xff ||                    /* multicast */
	    (a[0] == 0xfe && a[1] >= 0x80) ||     /* link- and site-local */
	    memcmp(a, local_nat64, sizeof(local_nat64)) == 0;
}

bool
kube_server_forbidden_address(const struct sockaddr *sa)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		return forbidden_v4(ntohl(v4.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		return forbidden_v6(&v6.sin6_addr);
	}
	return true;   /* a socket in the file system, or worse */
}

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcasecmp(text + n - m, end) == 0;
}

static bool
forbidden_name(char *host)
{
	struct in6_addr v6;
	struct in_addr v4;
	size_t n = strlen(host);

	if (host[0] == '[') {
		host[strcspn(host, "]%")] = '\0';
		return inet_pton(AF_INET6, host + 1, &v6) != 1 ||
		    forbidden_v6(&v6);
	}
	while (n > 0 && host[n - 1] == '.')
		host[--n] = '\0';
	/* As libcurl reads them: 0x7f.1, 017700000001 and 2130706433 too. */
	if (inet_aton(host, &v4) != 0)
		return forbidden_v4(ntohl(v4.s_addr));
	return n == 0 || strchr(host, '%') != NULL ||
	    strcasecmp(host, "localhost") == 0 ||
	    ends_with(host, ".localhost") ||
	    strcasecmp(host, "metadata") == 0 ||
	    strcasecmp(host, "metadata.google.internal") == 0;
}

const char *
kube_server_check_stranger(const char *server)
{
	const char *problem = kube_server_check(server), *port;
	char host[HOST_MAX + 1];
	struct slice s;

	if (problem != NULL)
		return problem;
	if (strncasecmp(server, "https://", 8) != 0)
		return "`server` must begin with https://";
	kube_server_authority(server, &s, &port);
	if (s.n > HOST_MAX)
		return "`server` has a host longer than 255 bytes";
	(void)snprintf(host, sizeof(host), "%.*s", (int)s.n, s.p);
	if (forbidden_name(host))
		return "`server` is an address that only this service's host "
		    "can reach (loopback, link-local, cloud metadata); give "
		    "the cluster's own address";
	return NULL;
}
