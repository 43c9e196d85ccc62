#include "common/mono.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct mono
mono_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct mono){
		.ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec,
	};
}

struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	return (struct mono){ .ns = t.ns + ms * 1000000 };
}

int64_t
mono_diff_ms(struct mono a, struct mono b)
{
	return (a.ns - b.ns) / 1000000;
}

bool
mono_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

int64_t
mono_left_ms(struct mono at, struct mono now)
{
	return at.ns > now.ns ? mono_diff_ms(at, now) + 1 : 0;
}

struct timeval
mono_timeval_ms(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};
}

int64_t
wall_unix_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const char *
wall_format(int64_t unix_ms, char buf[MONO_RFC3339_SIZE])
{
	int64_t ms = unix_ms % 1000;
	time_t sec = (time_t)(unix_ms / 1000);
	struct tm tm;
	size_t n;

	if (ms < 0) {
		ms += 1000;
		sec--;
	}
	(void)gmtime_r(&sec, &tm);
	n = strftime(buf, MONO_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + n, MONO_RFC3339_SIZE - n, ".%03dZ", (int)ms);
	return buf;
}

/* Reads exactly n digits; -1 if one is missing. */
static int
digits(const char **p, const char *end, int n)
{
	int value = 0;

	while (n-- > 0) {
		if (*p == end || **p < '0' || **p > '9')
			return -1;
		value = value * 10 + (*(*p)++ - '0');
	}
	return value;
}

static bool
literal(const char **p, const char *end, char a, char b)
{
	if (*p == end || (**p != a && **p != b))
		return false;
	(*p)++;
	return true;
}

static bool
fraction(const char **p, const char *end, int *ret_ms)
{
	int ms = 0, n = 0;

	if (*p == end || **p != '.') {
		*ret_ms = 0;
		return true;
	}
	for ((*p)++; *p != end && **p >= '0' && **p <= '9'; (*p)++, n++)
		if (n < 3)
			ms = ms * 10 + (**p - '0');
	for (int i = n; i < 3; i++)
		ms *= 10;
	*ret_ms = ms;
	return n >= 1 && n <= 9;
}

static bool
zone(const char **p, const char *end, int *ret_minutes)
{
	int sign, hours, minutes;

	if (*p == end)
		return false;
	if (**p == 'Z' || **p == 'z') {
		(*p)++;
		*ret_minutes = 0;
		return true;
	}
	if (**p != '+' && **p != '-')
		return false;
	sign = *(*p)++ == '+' ? 1 : -1;
	hours = digits(p, end, 2);
	if (hours < 0 || hours > 23 || !literal(p, end, ':', ':'))
		return false;
	minutes = digits(p, end, 2);
	if (minutes < 0 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

bool
wall_parse(const char *text, size_t len, int64_t *ret_unix_ms)
{
	const char *p = text, *end = text + len;
	struct tm tm, check;
	int ms, offset;
	time_t sec;

	memset(&tm, 0, sizeof(tm));
	tm.tm_year = digits(&p, end, 4) - 1900;
	if (tm.tm_year < 0 || !literal(&p, end, '-', '-'))
		return false;
	tm.tm_mon = digits(&p, end, 2) - 1;
	if (tm.tm_mon < 0 || !literal(&p, end, '-', '-'))
		return false;
	tm.tm_mday = digits(&p, end, 2);
	if (tm.tm_mday < 1 || !literal(&p, end, 'T', 't'))
		return false;
	tm.tm_hour = digits(&p, end, 2);
	if (tm.tm_hour < 0 || !literal(&p, end, ':', ':'))
		return false;
	tm.tm_min = digits(&p, end, 2);
	if (tm.tm_min < 0 || !literal(&p, end, ':', ':'))
		return false;
	tm.tm_sec = digits(&p, end, 2);
	if (tm.tm_sec < 0 || tm.tm_sec > 60 || !fraction(&p, end, &ms) ||
	    !zone(&p, end, &offset) || p != end)
		return false;
	/* timegm turns 31 February into March: what it changes is no time.
	 * Seconds stay outside, since a leap second (60) is one. */
	check = tm;
	check.tm_sec = 0;
	sec = timegm(&check) + tm.tm_sec;
	if (check.tm_mday != tm.tm_mday || check.tm_mon != tm.tm_mon ||
	    check.tm_hour != tm.tm_hour || check.tm_min != tm.tm_min)
		return false;
	*ret_unix_ms = ((int64_t)sec - (int64_t)offset * 60) * 1000 + ms;
	return true;
}
