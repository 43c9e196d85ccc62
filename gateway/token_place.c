#include "gateway/token_place.h"

#include <string.h>

#include "common/macros.h"

/* "Bearer " and the token; false if it is anything else. */
static bool
bearer(struct slice value, struct slice *ret)
{
	static const char scheme[] = "Bearer ";
	size_t n = sizeof(scheme) - 1;

	if (value.n <= n || !http_slice_is_nocase((struct slice){ value.p, n },
	    scheme))
		return false;
	*ret = (struct slice){ value.p + n, value.n - n };
	while (ret->n > 0 && ret->p[0] == ' ')
		*ret = (struct slice){ ret->p + 1, ret->n - 1 };
	return true;
}

/* One "name=value" of a Cookie field; moves *rest behind it. */
static struct slice
next_pair(struct slice *rest)
{
	const char *semi = memchr(rest->p, ';', rest->n);
	struct slice pair = { rest->p,
	    semi != NULL ? (size_t)(semi - rest->p) : rest->n };
	size_t used = MIN(rest->n, pair.n + 1);

	*rest = (struct slice){ rest->p + used, rest->n - used };
	while (pair.n > 0 && pair.p[0] == ' ')
		pair = (struct slice){ pair.p + 1, pair.n - 1 };
	return pair;
}

static bool
find_cookie(const struct http_request *r, const char *name, struct slice *ret)
{
	size_t n = name != NULL ? strlen(name) : 0;

	for (size_t i = 0; n > 0 && i < r->n_headers; i++) {
		struct slice rest = r->headers[i].value, pair;

		if (!http_slice_is_nocase(r->headers[i].name, "cookie"))
			continue;
		while (rest.n > 0) {
			pair = next_pair(&rest);
			if (pair.n <= n || pair.p[n] != '=' ||
			    memcmp(pair.p, name, n) != 0)
				continue;
			*ret = (struct slice){ pair.p + n + 1,
			    pair.n - n - 1 };
			return true;
		}
	}
	return false;
}

enum token_place
token_place_find(const struct http_request *r, bool stream, const char *cookie,
    struct slice *ret)
{
	size_t n = http_header_count(r, "authorization");

	*ret = SLICE_NONE;
	if (n > 0)
		return n == 1 && bearer(http_header(r, "authorization"), ret) ?
		    TOKEN_PLACE_HEADER : TOKEN_PLACE_BROKEN;
	if (!stream)
		return TOKEN_PLACE_NONE;
	*ret = http_param(r, "ticket");
	if (ret->p != NULL)
		return TOKEN_PLACE_TICKET;
	return find_cookie(r, cookie, ret) ? TOKEN_PLACE_COOKIE :
	    TOKEN_PLACE_NONE;
}
