#include "common/conf_value.h"

#include <inttypes.h>
#include <string.h>

/* Largest first: what is printed takes the first that divides. */
const struct conf_unit conf_durations[CONF_DURATIONS] = {
	{ "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

const struct conf_unit conf_sizes[CONF_SIZES] = {
	{ "TiB", UINT64_C(1) << 40 }, { "GiB", UINT64_C(1) << 30 },
	{ "MiB", UINT64_C(1) << 20 }, { "KiB", UINT64_C(1) << 10 },
	{ "B", 1 },
};

bool
conf_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (CKD_MUL(&v, v, 10u) ||
		    CKD_ADD(&v, v, (uint64_t)(*p - '0')))
			return false;
	*text = p;
	*ret = v;
	return true;
}

static int
with_unit(const char *text, const struct conf_unit *units, size_t n,
    uint64_t *ret)
{
	uint64_t v;

	if (!conf_digits(&text, &v))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, units[i].name) == 0)
			return CKD_MUL(ret, v, units[i].factor) ? -1 : 0;
	return -1;
}

void
conf_unit_format(uint64_t v, const struct conf_unit *units, size_t n, char *buf,
    size_t size)
{
	size_t i = 0;

	while (i + 1 < n && (v == 0 || v % units[i].factor != 0))
		i++;
	(void)snprintf(buf, size, "%" PRIu64 "%s", v / units[i].factor,
	    units[i].name);
}

int
conf_duration_parse(const char *text, int64_t *ret_ms)
{
	uint64_t v;

	if (with_unit(text, conf_durations, CONF_DURATIONS, &v) != 0 ||
	    v > INT64_MAX)
		return -1;
	*ret_ms = (int64_t)v;
	return 0;
}

int
conf_size_parse(const char *text, uint64_t *ret)
{
	uint64_t v;

	if (with_unit(text, conf_sizes, CONF_SIZES, &v) != 0 || v > INT64_MAX)
		return -1;
	*ret = v;
	return 0;
}
