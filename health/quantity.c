#include "health/quantity.h"

#include <stdbool.h>
#include <string.h>

#include "common/macros.h"

/* Enough for 18 digits times 2^60; beyond it a value is cut. */
__extension__ typedef unsigned __int128 wide;

#define DIGITS_MAX   18      /* of the mantissa; later ones only round */
#define EXPONENT_MAX 400

struct parsed {
	bool	negative;
	wide	mantissa;
	int	exponent;    /* decimal */
	int	binary;      /* power of 1024 */
	bool	inexact;     /* non-zero digits were dropped */
};

static bool
parse_digits(const char **p, const char *end, struct parsed *q)
{
	bool any = false, point = false;
	int digits = 0;

	for (; *p < end; (*p)++) {
		if (**p == '.' && !point) {
			point = true;
			continue;
		}
		if (**p < '0' || **p > '9')
			break;
		any = true;
		if (digits < DIGITS_MAX) {
			q->mantissa = q->mantissa * 10 +
			    (wide)(unsigned)(**p - '0');
			digits += q->mantissa != 0 ? 1 : 0;
			q->exponent -= point ? 1 : 0;
		} else {
			q->inexact |= **p != '0';
			q->exponent += point ? 0 : 1;
		}
	}
	return any;
}

static bool
parse_exponent(const char *p, const char *end, struct parsed *q)
{
	bool negative = false;
	int value = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (*p - '0');
		if (value > EXPONENT_MAX)
			value = EXPONENT_MAX;
	}
	q->exponent += negative ? -value : value;
	return true;
}

static bool
parse_suffix(const char *p, const char *end, struct parsed *q)
{
	static const char binary[] = "KMGTPE";
	static const struct {
		char	letter;
		int	exponent;
	} decimal[] = {
		{ 'n', -9 }, { 'u', -6 }, { 'm', -3 }, { 'k', 3 }, { 'M', 6 },
		{ 'G', 9 }, { 'T', 12 }, { 'P', 15 }, { 'E', 18 },
	};
	const char *found;

	if (p == end)
		return true;
	if (end - p == 2 && p[1] == 'i' && p[0] != '\0') {
		found = strchr(binary, p[0]);
		if (found != NULL)
			q->binary = (int)(found - binary) + 1;
		return found != NULL;
	}
	for (size_t i = 0; end - p == 1 && i < NELEM(decimal); i++) {
		if (p[0] == decimal[i].letter) {
			q->exponent += decimal[i].exponent;
			return true;
		}
	}
	return (*p == 'e' || *p == 'E') && parse_exponent(p + 1, end, q);
}

static int64_t
scale(struct parsed q)
{
	const wide limit = (wide)INT64_MAX;
	int64_t value;

	/* 10^18 * 1024^6 < 2^120: the binary part can't overflow. */
	for (int i = 0; i < q.binary; i++)
		q.mantissa *= 1024;
	for (; q.exponent > 0 && q.mantissa != 0; q.exponent--) {
		if (q.mantissa > limit)
			break;
		q.mantissa *= 10;
	}
	for (; q.exponent < 0 && q.mantissa != 0; q.exponent++) {
		q.inexact |= q.mantissa % 10 != 0;
		q.mantissa /= 10;
	}
	if (q.inexact && q.mantissa < limit)
		q.mantissa++;
	value = q.mantissa > limit ? INT64_MAX : (int64_t)q.mantissa;
	return q.negative ? -value : value;
}

static int
parse(struct slice text, int shift, int64_t *ret)
{
	struct parsed q = { .exponent = shift };
	const char *p = text.p, *end = text.p + text.n;

	if (text.n == 0 || text.n > QUANTITY_TEXT_MAX)
		return -1;
	if (*p == '+' || *p == '-')
		q.negative = *p++ == '-';
	if (!parse_digits(&p, end, &q) || !parse_suffix(p, end, &q))
		return -1;
	*ret = scale(q);
	return 0;
}

int
quantity_milli(struct slice text, int64_t *ret_milli)
{
	return parse(text, 3, ret_milli);
}

int
quantity_value(struct slice text, int64_t *ret_value)
{
	return parse(text, 0, ret_value);
}
