#include "gateway/http_accept.h"

#include <string.h>

#include "common/macros.h"

/* Cuts what stands before the next `separator` off; without blanks. */
static struct slice
take(struct slice *rest, char separator)
{
	const char *end = memchr(rest->p, separator, rest->n);
	struct slice s = { rest->p,
		end != NULL ? (size_t)(end - rest->p) : rest->n };

	rest->p += s.n;
	rest->n -= s.n;
	if (end != NULL)
		*rest = (struct slice){ rest->p + 1, rest->n - 1 };
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\t'))
		s = (struct slice){ s.p + 1, s.n - 1 };
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* "0.5", "1", "0.125". */
static unsigned int
thousandths(struct slice v)
{
	unsigned int q, unit = 100;

	if (v.n == 0 || v.n > 5 || (*v.p != '0' && *v.p != '1') ||
	    (v.n > 1 && v.p[1] != '.'))
		return HTTP_ACCEPT_MAX;
	q = *v.p == '1' ? HTTP_ACCEPT_MAX : 0;
	for (size_t i = 2; i < v.n; i++, unit /= 10) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return HTTP_ACCEPT_MAX;
		q += (unsigned int)(v.p[i] - '0') * unit;
	}
	return MIN(q, HTTP_ACCEPT_MAX);
}

static unsigned int
quality(struct slice parameters)
{
	while (parameters.n > 0) {
		struct slice one = take(&parameters, ';');

		if (one.n > 2 && (*one.p == 'q' || *one.p == 'Q') &&
		    one.p[1] == '=')
			return thousandths((struct slice){ one.p + 2,
			    one.n - 2 });
	}
	return HTTP_ACCEPT_MAX;
}

unsigned int
http_accept(const struct http_request *r, const char *type)
{
	unsigned int q = 0;

	for (size_t i = 0; i < r->n_headers; i++) {
		struct slice list = r->headers[i].value, one;

		if (!http_slice_is_nocase(r->headers[i].name, "accept"))
			continue;
		while (list.n > 0) {
			one = take(&list, ',');
			if (http_slice_is_nocase(take(&one, ';'), type))
				q = MAX(q, quality(one));
		}
	}
	return q;
}
