#include "common/xmalloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

void *
xmalloc(size_t size)
{
	void *p = malloc(size != 0 ? size : 1);

	if (p == NULL)
		fatalx("out of memory: %zu bytes", size);
	return p;
}

void *
xcalloc(size_t count, size_t size)
{
	void *p = calloc(count != 0 ? count : 1, size != 0 ? size : 1);

	if (p == NULL)
		fatalx("out of memory: %zu x %zu bytes", count, size);
	return p;
}

void *
xcalloc_aligned(size_t alignment, size_t count, size_t size)
{
	size_t bytes;
	void *p = NULL;

	if (!__builtin_mul_overflow(count != 0 ? count : 1, size, &bytes))
		p = aligned_alloc(alignment, bytes);
	if (p == NULL)
		fatalx("out of memory: %zu x %zu bytes", count, size);
	return memset(p, 0, bytes);
}

void *
xreallocarray(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count != 0 ? count : 1,
	    size != 0 ? size : 1);

	if (p == NULL)
		fatalx("out of memory: %zu x %zu bytes", count, size);
	return p;
}

char *
xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *
xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = xmalloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

void *
xmemdup(const void *src, size_t n)
{
	void *p = xmalloc(n);

	if (n != 0)
		memcpy(p, src, n);
	return p;
}

char *
xasprintf(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		fatalx("out of memory: formatting '%s'", fmt);
	return text;
}
