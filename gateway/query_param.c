#include "gateway/query_param.h"

#include <string.h>

#include "common/event.h"

bool
query_param_number(struct slice text, uint64_t min, uint64_t max,
    uint64_t *ret)
{
	uint64_t n = 0;

	if (text.n == 0 || text.n > QUERY_PARAM_DIGITS ||
	    (text.p[0] == '0' && text.n > 1))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.p[i] - '0');
	}
	if (n < min || n > max)
		return false;
	*ret = n;
	return true;
}

int
query_param_types(struct slice list, struct slice *types, size_t max,
    size_t *n, struct err *err)
{
	const char *p = list.p, *end = list.p + list.n, *comma;
	struct slice type;

	while (p < end) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (comma == NULL)
			comma = end;
		type = (struct slice){ p, (size_t)(comma - p) };
		if (!event_type_valid(type))
			return err_set(err, "types: not an event type");
		if (*n == max)
			return err_set(err, "more than %zu event types", max);
		types[(*n)++] = type;
		p = comma + 1;
	}
	return 0;
}

bool
query_param_again(const struct http_request *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (slice_eq(r->params[k].name, r->params[i].name))
			return true;
	return false;
}
