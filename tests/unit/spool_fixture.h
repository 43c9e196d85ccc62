/*
 * What the unit tests of the spool share: a directory of a test's own, texts
 * that begin with their number, and files that change.
 */
#ifndef SLUICE_SPOOL_FIXTURE_H
#define SLUICE_SPOOL_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "lib/spool.h"
#include "lib/spool_recover.h"

#define LIMIT (64u * 1024 * 1024)

struct place {
	char	top[64];
	char	directory[80];
	char	damage[SPOOL_DAMAGE_MAX];
	size_t	size;     /* of each text */
};

static UNUSED int
set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	(void)snprintf(p->top, sizeof(p->top), "/tmp/sluice-spool-XXXXXX");
	if (mkdtemp(p->top) == NULL)
		return -1;
	(void)snprintf(p->directory, sizeof(p->directory), "%s/spool",
	    p->top);
	p->size = 40;
	*state = p;
	return 0;
}

static UNUSED void
remove_numbered(const struct place *p, const char *end)
{
	char path[160];

	for (int i = 0; i < 40; i++) {
		(void)snprintf(path, sizeof(path), "%s/%016x.%s",
		    p->directory, (unsigned int)i, end);
		(void)unlink(path);
	}
}

/* As if there had never been a spool. */
static UNUSED void
forget(const struct place *p)
{
	char path[160];

	remove_numbered(p, "spool");
	remove_numbered(p, "damaged");
	(void)snprintf(path, sizeof(path), "%s/sent", p->directory);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/lock", p->directory);
	(void)unlink(path);
	(void)rmdir(p->directory);
}

static UNUSED int
tear_down(void **state)
{
	struct place *p = *state;

	forget(p);
	(void)rmdir(p->top);
	free(p);
	return 0;
}

static UNUSED struct spool *
open_at(struct place *p, uint64_t max)
{
	struct err err;
	struct spool *s = spool_open(p->directory, max, SLUICE_SYNC_NEVER,
	    p->damage, &err);

	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

/* Texts of `size` bytes that begin with their number; how many were taken. */
static UNUSED size_t
append(struct spool *s, const struct place *p, unsigned int first, size_t n,
    struct err *err)
{
	char *all = xcalloc(n, p->size);
	struct slice *texts = xcalloc(n, sizeof(*texts));
	size_t done;

	memset(all, 'x', n * p->size);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(all + i * p->size, 12, "%08u",
		    first + (unsigned int)i);
		texts[i] = (struct slice){ all + i * p->size, p->size };
	}
	done = spool_append(s, texts, n, err);
	free(texts);
	free(all);
	return done;
}

struct reading {
	unsigned int	next;
	size_t		n;
	size_t		max;
	size_t		size;
};

static UNUSED bool
read_cb(struct slice text, void *arg)
{
	struct reading *r = arg;

	assert_int_equal(text.n, r->size);
	assert_int_equal(strtoul(text.p, NULL, 10), r->next + r->n);
	r->n++;
	return r->n < r->max;
}

/* Reads and takes up to `max` in one go, from number `next`; how many. */
static UNUSED size_t
take(struct spool *s, const struct place *p, unsigned int next, size_t max)
{
	struct reading r = { .next = next, .max = max, .size = p->size };
	struct err err;

	assert_int_equal(spool_read(s, read_cb, &r, &err), 0);
	for (size_t i = 0; i < r.n; i++)
		spool_take(s, p->size);
	assert_int_equal(spool_commit(s, &err), 0);
	return r.n;
}

static UNUSED unsigned int
take_all(struct spool *s, const struct place *p, unsigned int next)
{
	while (spool_pending(s) > 0)
		next += (unsigned int)take(s, p, next, SIZE_MAX);
	return next;
}

static UNUSED char *
segment_path(const struct place *p, unsigned int number)
{
	return xasprintf("%s/%016x.spool", p->directory, number);
}

static UNUSED void
flip(const char *path, off_t at, uint8_t with)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= with;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

#endif
