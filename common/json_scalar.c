#include "common/json_scalar.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char *
skip_digits(const char *p, const char *end)
{
	const char *first = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == first ? NULL : p;
}

static const char *
skip_number(const char *p, const char *end)
{
	if (*p == '-' && ++p == end)
		return NULL;
	if (*p == '0')
		p++;
	else
		p = skip_digits(p, end);
	if (p != NULL && p < end && *p == '.')
		p = skip_digits(p + 1, end);
	if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = skip_digits(p, end);
	}
	return p;
}

static const char *
skip_word(const char *p, const char *end, const char *word, size_t n)
{
	if ((size_t)(end - p) < n || memcmp(p, word, n) != 0)
		return NULL;
	return p + n;
}

static bool
is_delimiter(char c)
{
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' ||
	    c == '\r' || c == '\t' || c == ':' || c == '[' || c == '{';
}

const char *
json_scalar_skip(const char *p, const char *end)
{
	switch (*p) {
	case 't':
		p = skip_word(p, end, "true", 4);
		break;
	case 'f':
		p = skip_word(p, end, "false", 5);
		break;
	case 'n':
		p = skip_word(p, end, "null", 4);
		break;
	default:
		p = skip_number(p, end);
	}
	return p == NULL || p == end || is_delimiter(*p) ? p : NULL;
}
