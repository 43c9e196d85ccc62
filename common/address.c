#include "common/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#define SUBSCRIBER_BYTES 8   /* of an IPv6 address */

static_assert(ADDRESS_TEXT_SIZE >= INET6_ADDRSTRLEN, "room for either");

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_v4(const struct address *a)
{
	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

bool
address_of_sockaddr(const struct sockaddr *sa, struct address *ret)
{
	struct sockaddr_in four;
	struct sockaddr_in6 six;

	if (sa->sa_family == AF_INET) {
		memcpy(&four, sa, sizeof(four));
		memcpy(ret->b, mapped, sizeof(mapped));
		memcpy(ret->b + 12, &four.sin_addr, 4);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&six, sa, sizeof(six));
	memcpy(ret->b, &six.sin6_addr, 16);
	return true;
}

const char *
address_format(const struct address *a, char buf[ADDRESS_TEXT_SIZE])
{
	const char *text = is_v4(a) ?
	    inet_ntop(AF_INET, a->b + sizeof(mapped), buf, ADDRESS_TEXT_SIZE) :
	    inet_ntop(AF_INET6, a->b, buf, ADDRESS_TEXT_SIZE);

	assert(text != NULL);
	return text;
}

/* Nothing but an address in `text`. */
static bool
parse_plain(struct slice text, struct address *ret)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr six;
	struct in_addr four;

	if (text.n == 0 || text.n >= sizeof(copy) ||
	    memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET, copy, &four) == 1) {
		memcpy(ret->b, mapped, sizeof(mapped));
		memcpy(ret->b + 12, &four, 4);
		return true;
	}
	if (inet_pton(AF_INET6, copy, &six) != 1)
		return false;
	memcpy(ret->b, &six, 16);
	return true;
}

/* "" or ":80". */
static bool
is_port(struct slice text)
{
	size_t i;

	if (text.n == 0)
		return true;
	if (text.n < 2 || text.n > 6 || text.p[0] != ':')
		return false;
	for (i = 1; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return true;
}

bool
address_parse(struct slice text, struct address *ret)
{
	const char *end;
	struct slice host = text;

	if (parse_plain(text, ret))
		return true;
	if (text.n > 0 && text.p[0] == '[') {
		end = memchr(text.p, ']', text.n);
		if (end == NULL)
			return false;
		host = (struct slice){ text.p + 1, (size_t)(end - text.p) - 1 };
		text.n -= host.n + 2;
		text.p = end + 1;
		return is_port(text) && memchr(host.p, ':', host.n) != NULL &&
		    parse_plain(host, ret);
	}
	end = memchr(text.p, ':', text.n);
	if (end == NULL)
		return false;
	host.n = (size_t)(end - text.p);
	text.n -= host.n;
	text.p = end;
	return is_port(text) && parse_plain(host, ret);
}

/* All bits from `bits` on are 0. */
static bool
is_zero_from(const struct address *a, unsigned int bits)
{
	unsigned int i;

	for (i = bits; i < 128; i++)
		if ((a->b[i / 8] & (0x80u >> (i % 8))) != 0)
			return false;
	return true;
}

bool
address_network_parse(struct slice text, struct address_network *ret)
{
	const char *slash = memchr(text.p, '/', text.n);
	struct slice host = text, digits = SLICE_NONE;
	struct address_network net = { .bits = 0 };
	unsigned int most;
	size_t i;

	if (slash != NULL) {
		host.n = (size_t)(slash - text.p);
		digits = (struct slice){ slash + 1, text.n - host.n - 1 };
		if (digits.n == 0 || digits.n > 3)
			return false;
	}
	if (!parse_plain(host, &net.base))
		return false;
	/* "::ffff:10.0.0.0/104" is written as IPv6 and counted so. */
	most = memchr(host.p, ':', host.n) == NULL ? 32 : 128;
	for (i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		net.bits = net.bits * 10 + (unsigned int)(digits.p[i] - '0');
	}
	if (slash == NULL)
		net.bits = most;
	if (net.bits > most)
		return false;
	net.bits += 128 - most;
	if (!is_zero_from(&net.base, net.bits))
		return false;
	*ret = net;
	return true;
}

bool
address_in(const struct address *a, const struct address_network *n)
{
	unsigned int whole = n->bits / 8, rest = n->bits % 8;
	unsigned int mask = 0xffu & ~(0xffu >> rest);

	return memcmp(a->b, n->base.b, whole) == 0 && (rest == 0 ||
	    ((a->b[whole] ^ n->base.b[whole]) & mask) == 0);
}

bool
address_is_loopback(const struct address *a)
{
	static const struct address six = { { [15] = 1 } };

	return (is_v4(a) && a->b[12] == 127) ||
	    memcmp(a, &six, sizeof(six)) == 0;
}

struct address
address_subscriber(const struct address *a)
{
	struct address s = *a;

	if (!is_v4(a))
		memset(s.b + SUBSCRIBER_BYTES, 0, 16 - SUBSCRIBER_BYTES);
	return s;
}
