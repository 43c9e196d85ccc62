#include "common/kube_proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/kube_server.h"
#include "common/xmalloc.h"

#define NAME_MAX_BYTES 255u

/* An address as 16 bytes, IPv4 mapped into IPv6. */
static bool
parse_address(const char *text, uint8_t ret[16])
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		memset(ret, 0, 10);
		memset(ret + 10, 0xff, 2);
		memcpy(ret + 12, &v4, 4);
		return true;
	}
	return inet_pton(AF_INET6, text, ret) == 1;
}

static bool
is_v4(const uint8_t a[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a, mapped, 12) == 0;
}

static bool
is_local(const char *host)
{
	uint8_t a[16];
	static const uint8_t loopback6[16] = { [15] = 1 };

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (!parse_address(host, a))
		return false;
	return memcmp(a, loopback6, 16) == 0 || (is_v4(a) && a[12] == 127);
}

static bool
in_block(const char *block, const char *host)
{
	char net[NAME_MAX_BYTES + 1], *slash, *end;
	uint8_t a[16], b[16];
	unsigned long bits;
	bool v4;

	(void)snprintf(net, sizeof(net), "%s", block);
	slash = strchr(net, '/');
	*slash = '\0';
	if (slash[1] < '0' || slash[1] > '9')
		return false;
	bits = strtoul(slash + 1, &end, 10);
	v4 = strchr(net, ':') == NULL;
	if (*end != '\0' || bits > (v4 ? 32u : 128u) ||
	    !parse_address(net, b) || !parse_address(host, a) ||
	    is_v4(a) != v4)   /* as Go: ::/0 is no block of IPv4 */
		return false;
	bits += v4 ? 96 : 0;
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	    (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

static bool
name_matches(const char *entry, const char *host)
{
	size_t n = strlen(host), m;
	bool below = false;

	if (entry[0] == '*' && entry[1] == '.')
		entry++;
	if (entry[0] == '.') {   /* subdomains only */
		below = true;
		entry++;
	}
	m = strlen(entry);
	if (m == 0 || m > n || strcasecmp(host + n - m, entry) != 0)
		return false;
	return m == n ? !below : host[n - m - 1] == '.';
}

/* Cuts ":port" off an entry; false when it names another port. */
static bool
port_matches(char *entry, unsigned port)
{
	char *colon = strrchr(entry, ':');

	if (colon == NULL || (entry[0] != '[' && strchr(entry, ':') != colon))
		return true;   /* none, or an address of IPv6 without one */
	if (entry[0] == '[' && colon[-1] != ']')
		return true;
	*colon = '\0';
	return strtoul(colon + 1, NULL, 10) == port;
}

static bool
entry_matches(char *entry, const char *host, unsigned port)
{
	uint8_t a[16], b[16];
	size_t n;

	if (strcmp(entry, "*") == 0)
		return true;
	if (strchr(entry, '/') != NULL)
		return in_block(entry, host);
	if (!port_matches(entry, port))
		return false;
	n = strlen(entry);
	if (n > 2 && entry[0] == '[' && entry[n - 1] == ']') {
		entry[n - 1] = '\0';
		entry++;
	}
	if (parse_address(entry, a))
		return parse_address(host, b) && memcmp(a, b, 16) == 0;
	return name_matches(entry, host);
}

bool
kube_proxy_excludes(const char *no_proxy, const char *host, unsigned port)
{
	char entry[NAME_MAX_BYTES + 1];
	const char *p = no_proxy;
	size_t n;

	if (is_local(host))
		return true;
	while (p != NULL && *p != '\0') {
		p += strspn(p, ", \t");
		n = strcspn(p, ", \t");
		if (n > 0 && n <= NAME_MAX_BYTES) {
			(void)snprintf(entry, sizeof(entry), "%.*s", (int)n,
			    p);
			if (entry_matches(entry, host, port))
				return true;
		}
		p += n;
	}
	return false;
}

char *
kube_proxy_for(const char *server, const char *https_proxy,
    const char *http_proxy, const char *no_proxy)
{
	bool https = strncasecmp(server, "https:", 6) == 0, excluded;
	const char *proxy = https ? https_proxy : http_proxy, *port;
	struct slice host;
	unsigned number;
	char *name;

	if (proxy == NULL || *proxy == '\0')
		return xstrdup("");
	kube_server_authority(server, &host, &port);
	if (host.p[0] == '[')
		host = (struct slice){ host.p + 1, host.n - 2 };
	number = port != NULL ? (unsigned)strtoul(port, NULL, 10) :
	    https ? 443 : 80;
	name = slice_dup(host);
	excluded = kube_proxy_excludes(no_proxy, name, number);
	free(name);
	if (excluded)
		return xstrdup("");
	/* Go's socks5 lets the proxy resolve names: libcurl's socks5h. */
	if (strncasecmp(proxy, "socks5://", 9) == 0)
		return xasprintf("socks5h://%s", proxy + 9);
	return strstr(proxy, "://") != NULL ? xstrdup(proxy) :
	    xasprintf("http://%s", proxy);
}
