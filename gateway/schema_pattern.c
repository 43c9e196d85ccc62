#include "gateway/schema_pattern.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

struct part {
	bool		bytes[256];
	size_t		least;
	size_t		most;
};

struct schema_pattern {
	struct part	parts[SCHEMA_PATTERN_PARTS_MAX];
	size_t		n;
};

/* --- reading -------------------------------------------------------------- */

/* A character, also an escaped one; '\0' at the end or when it is not ASCII,
 * or an escape that stands for a class. */
static char
read_char(const char **p)
{
	static const char letters[] = "nrt", means[] = "\n\r\t";
	const char *found;
	char c = **p;

	if (c == '\0' || (unsigned char)c >= 0x80)
		return '\0';
	(*p)++;
	if (c != '\\')
		return c;
	c = **p;
	if (c == '\0')
		return '\0';
	(*p)++;
	found = strchr(letters, c);
	if (found != NULL)
		return means[found - letters];
	return strchr("^$\\.*+?()[]{}|/-", c) != NULL ? c : '\0';
}

/* After '['. */
static bool
read_class(const char **p, struct part *part)
{
	bool negated = **p == '^';
	unsigned char from, to;

	if (negated)
		(*p)++;
	do {
		from = to = (unsigned char)read_char(p);
		if (**p == '-' && (*p)[1] != ']') {
			(*p)++;
			to = (unsigned char)read_char(p);
		}
		if (from == 0 || to < from)
			return false;
		memset(part->bytes + from, true, (size_t)(to - from) + 1);
	} while (**p != ']' && **p != '\0');
	if (**p != ']')
		return false;
	(*p)++;
	for (size_t i = 0; negated && i < 256; i++)
		part->bytes[i] = !part->bytes[i];
	return true;
}

/* A count; SCHEMA_PATTERN_TIMES_MAX and more is none. */
static bool
read_count(const char **p, size_t *ret)
{
	size_t n = 0;

	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (size_t)(**p - '0');
		if (n >= SCHEMA_PATTERN_TIMES_MAX)
			return false;
	}
	*ret = n;
	return true;
}

/* After '{'. */
static bool
read_counts(const char **p, struct part *part)
{
	if (!read_count(p, &part->least))
		return false;
	part->most = part->least;
	if (**p == ',') {
		(*p)++;
		if (!read_count(p, &part->most))
			return false;
	}
	return *(*p)++ == '}' && part->most >= part->least && part->most > 0;
}

static bool
read_times(const char **p, struct part *part)
{
	part->least = part->most = 1;
	switch (**p) {
	case '*':
	case '+':
		part->least = **p == '+';
		part->most = SIZE_MAX;
		(*p)++;
		break;
	case '?':
		part->least = 0;
		(*p)++;
		break;
	case '{':
		(*p)++;
		if (!read_counts(p, part))
			return false;
		break;
	default:
		break;
	}
	/* What is beyond ASCII has several bytes. */
	return !part->bytes[0x80] || part->most == SIZE_MAX;
}

static bool
read_part(const char **p, struct part *part)
{
	unsigned char c;

	if (strchr("*+?{}().|]^$", **p) != NULL)
		return false;
	if (**p == '[') {
		(*p)++;
		return read_class(p, part) && read_times(p, part);
	}
	c = (unsigned char)read_char(p);
	part->bytes[c] = true;
	return c != 0 && read_times(p, part);
}

/* Whether what part i may repeat could also be the begin of what follows. */
static bool
is_doubtful(const struct schema_pattern *p, size_t i)
{
	if (p->parts[i].most == p->parts[i].least)
		return false;
	for (size_t next = i + 1; next < p->n; next++) {
		for (size_t c = 0; c < 256; c++)
			if (p->parts[i].bytes[c] && p->parts[next].bytes[c])
				return true;
		if (p->parts[next].least > 0)
			break;
	}
	return false;
}

static bool
read_parts(const char *text, struct schema_pattern *p)
{
	if (*text++ != '^')
		return false;
	while (strcmp(text, "$") != 0) {
		if (*text == '\0' || p->n == SCHEMA_PATTERN_PARTS_MAX ||
		    !read_part(&text, &p->parts[p->n]))
			return false;
		p->n++;
	}
	for (size_t i = 0; i < p->n; i++)
		if (is_doubtful(p, i))
			return false;
	return true;
}

struct schema_pattern *
schema_pattern_new(const char *text, struct err *err)
{
	struct schema_pattern *p = xcalloc(1, sizeof(*p));

	if (read_parts(text, p))
		return p;
	schema_pattern_free(p);
	(void)err_set(err, "the pattern %s is not of the kind that "
	    "schema_pattern.h names", text);
	return NULL;
}

void
schema_pattern_free(struct schema_pattern *p)
{
	free(p);
}

/* --- matching ------------------------------------------------------------- */

bool
schema_pattern_matches(const struct schema_pattern *p, struct slice s)
{
	size_t at = 0, times;

	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = &p->parts[i];

		for (times = 0; times < part->most && at < s.n &&
		    part->bytes[(unsigned char)s.p[at]]; times++)
			at++;
		if (times < part->least)
			return false;
	}
	return at == s.n;
}
