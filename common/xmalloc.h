/*
 * xmalloc: allocation that never fails: out of memory ends the process (the
 * supervisor starts it again). Sizes that come from the network are bounded
 * by their own named limits *before* they reach these functions. What they
 * return is released by free().
 */
#ifndef SLUICE_XMALLOC_H
#define SLUICE_XMALLOC_H

#include <stdarg.h>
#include <stddef.h>

#include "common/macros.h"

void	*xmalloc(size_t size) __attribute__((returns_nonnull, malloc));
void	*xcalloc(size_t count, size_t size)
	    __attribute__((returns_nonnull, malloc));
/* For a type that asks for more than malloc's alignment (bson_t does); `size`
 * is a multiple of it, as a sizeof is. */
void	*xcalloc_aligned(size_t alignment, size_t count, size_t size)
	    __attribute__((returns_nonnull, malloc));
/* Overflow-checked; grows an array to `count` members of `size` bytes. */
void	*xreallocarray(void *old, size_t count, size_t size)
	    __attribute__((returns_nonnull));
char	*xstrdup(const char *s) __attribute__((returns_nonnull, malloc));
char	*xstrndup(const char *s, size_t n)
	    __attribute__((returns_nonnull, malloc));
void	*xmemdup(const void *src, size_t n)
	    __attribute__((returns_nonnull, malloc));
char	*xasprintf(const char *fmt, ...) PRINTF(1, 2)
	    __attribute__((returns_nonnull, malloc));

#endif
