#include "common/resource_key.h"

#include <string.h>

#define PREFIX "resource:"

/* Cuts what stands before the next slash off *rest. */
static bool
key_part(struct slice *rest, struct slice *ret)
{
	const char *slash = rest->n > 0 ? memchr(rest->p, '/', rest->n) : NULL;

	if (slash == NULL)
		return false;
	*ret = (struct slice){ rest->p, (size_t)(slash - rest->p) };
	rest->n -= ret->n + 1;
	rest->p = slash + 1;
	return true;
}

bool
resource_key_parse(struct slice key, struct resource_key *ret)
{
	size_t n = strlen(PREFIX);
	struct resource_key parts;

	if (key.n < n || memcmp(key.p, PREFIX, n) != 0)
		return false;
	key = (struct slice){ key.p + n, key.n - n };
	if (!key_part(&key, &parts.cluster) || !key_part(&key, &parts.kind))
		return false;
	if (!key_part(&key, &parts.namespace))
		parts.namespace = slice_str("");
	if (key.n == 0)
		return false;
	parts.name = key;
	*ret = parts;
	return true;
}
