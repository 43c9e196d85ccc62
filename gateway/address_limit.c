#include "gateway/address_limit.h"

#include <assert.h>
#include <stdlib.h>

#include "common/xmalloc.h"
#include "gateway/strmap.h"

struct address_limit {
	struct strmap		*counts;
	uint32_t		 max;
	struct address_network	*trusted;
	size_t			 n_trusted;
};

struct address_limit *
address_limit_new(const struct conf *conf)
{
	struct address_limit *l = xcalloc(1, sizeof(*l));
	size_t i, n = conf->gateway.n_trusted_proxies;

	l->counts = strmap_new();
	l->max = conf->gateway.max_per_address;
	l->trusted = xcalloc(n, sizeof(*l->trusted));
	for (i = 0; i < n; i++)
		if (address_network_parse(slice_str(
		    conf->gateway.trusted_proxies[i]), &l->trusted[i]))
			l->n_trusted++;
	/* Whoever read the file has refused all others. */
	assert(l->n_trusted == n);
	return l;
}

void
address_limit_free(struct address_limit *l)
{
	if (l == NULL)
		return;
	strmap_free(l->counts);
	free(l->trusted);
	free(l);
}

bool
address_limit_trusts(const struct address_limit *l,
    const struct address *peer)
{
	size_t i;

	for (i = 0; i < l->n_trusted; i++)
		if (address_in(peer, &l->trusted[i]))
			return true;
	return false;
}

bool
address_limit_applies(const struct address_limit *l, const struct address *a)
{
	return !address_is_loopback(a) && !address_limit_trusts(l, a);
}

static struct slice
key_of(const struct address *subscriber)
{
	return (struct slice){ (const char *)subscriber->b,
	    sizeof(subscriber->b) };
}

bool
address_limit_take(struct address_limit *l, const struct address *a)
{
	struct address s = address_subscriber(a);
	uint32_t n = 0;

	(void)strmap_get(l->counts, key_of(&s), &n);
	if (n >= l->max)
		return false;
	strmap_put(l->counts, key_of(&s), n + 1);
	return true;
}

void
address_limit_give(struct address_limit *l, const struct address *a)
{
	struct address s = address_subscriber(a);
	uint32_t n = 0;

	(void)strmap_get(l->counts, key_of(&s), &n);
	assert(n > 0);
	if (n > 1)
		strmap_put(l->counts, key_of(&s), n - 1);
	else
		strmap_remove(l->counts, key_of(&s));
}

size_t
address_limit_count(const struct address_limit *l)
{
	return strmap_count(l->counts);
}

/* --- X-Forwarded-For ------------------------------------------------------ */

/* Takes the last member off a list. */
static struct slice
pop(struct slice *list)
{
	struct slice last;
	size_t at = list->n;

	while (at > 0 && list->p[at - 1] != ',')
		at--;
	last = (struct slice){ list->p + at, list->n - at };
	list->n = at > 0 ? at - 1 : 0;
	while (last.n > 0 && (last.p[0] == ' ' || last.p[0] == '\t')) {
		last.p++;
		last.n--;
	}
	while (last.n > 0 && (last.p[last.n - 1] == ' ' ||
	    last.p[last.n - 1] == '\t'))
		last.n--;
	return last;
}

struct address
address_limit_client(const struct address_limit *l,
    const struct address *peer, const struct http_request *r)
{
	struct address client = *peer, before;
	struct slice list;
	size_t i;

	/* Several fields are one list. */
	for (i = r->n_headers; i-- > 0;) {
		if (!http_slice_is_nocase(r->headers[i].name,
		    "x-forwarded-for"))
			continue;
		list = r->headers[i].value;
		while (list.n > 0) {
			/* What is no address only a trusted proxy wrote. */
			if (!address_parse(pop(&list), &before))
				return client;
			client = before;
			if (!address_limit_trusts(l, &client))
				return client;
		}
	}
	return client;
}
