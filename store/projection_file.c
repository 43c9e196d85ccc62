#include "store/projection_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define SUSPECT ".suspect"   /* appended to the file's name */
#define DAMAGED ".damaged-"

static const char *const tails[] = { "", "-wal", "-shm" };

int
projection_file_suspect(const char *path, struct err *err)
{
	char *mark = xasprintf("%s" SUSPECT, path);
	int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = 0;

	if (fd == -1)
		rc = err_errno(err, errno, "%s", mark);
	else
		(void)close(fd);
	free(mark);
	return rc;
}

bool
projection_file_suspected(const char *path)
{
	char *mark = xasprintf("%s" SUSPECT, path);
	bool suspected = access(mark, F_OK) == 0;

	free(mark);
	return suspected;
}

int
projection_file_aside(const char *path, char *aside, size_t size,
    struct err *err)
{
	char from[CONF_PATH_MAX], to[CONF_PATH_MAX];
	size_t i;

	(void)snprintf(aside, size, "%s" DAMAGED "%lld", path,
	    (long long)wall_unix_ms());
	for (i = 0; i < NELEM(tails); i++) {
		(void)snprintf(from, sizeof(from), "%s%s", path, tails[i]);
		(void)snprintf(to, sizeof(to), "%s%s", aside, tails[i]);
		if (rename(from, to) == -1 && errno != ENOENT)
			return err_errno(err, errno, "%s: cannot be moved to"
			    " %s", from, to);
	}
	(void)snprintf(from, sizeof(from), "%s" SUSPECT, path);
	if (unlink(from) == -1 && errno != ENOENT)
		return err_errno(err, errno, "%s: cannot be removed", from);
	return 0;
}

/* --- tidying up ---------------------------------------------------------- */

/* When the file of that name was moved aside; -1: it is none of those, or a
 * companion. */
static long long
moved_at(const char *name, const char *leaf)
{
	size_t n = strlen(leaf), marker = strlen(DAMAGED);
	const char *digits;
	char *end;
	long long at;

	if (strncmp(name, leaf, n) != 0 ||
	    strncmp(name + n, DAMAGED, marker) != 0)
		return -1;
	digits = name + n + marker;
	if (digits[0] < '0' || digits[0] > '9')
		return -1;
	errno = 0;
	at = strtoll(digits, &end, 10);
	return errno == 0 && *end == '\0' ? at : -1;
}

/* Enters `at` among the newest, in descending order; returns the one that
 * falls out, or -1. */
static long long
enter(long long newest[PROJECTION_FILE_KEPT], long long at)
{
	long long other;
	size_t i;

	for (i = 0; i < PROJECTION_FILE_KEPT; i++) {
		if (at <= newest[i])
			continue;
		other = newest[i];
		newest[i] = at;
		at = other;
	}
	return at;
}

static unsigned
remove_one(int directory, const char *leaf, long long at)
{
	char *name;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < NELEM(tails); i++) {
		name = xasprintf("%s" DAMAGED "%lld%s", leaf, at, tails[i]);
		n += unlinkat(directory, name, 0) == 0;
		free(name);
	}
	return n;
}

unsigned
projection_file_tidy(const char *path)
{
	long long newest[PROJECTION_FILE_KEPT], at;
	const char *slash = strrchr(path, '/');
	const char *leaf = slash != NULL ? slash + 1 : path;
	char *where = slash != NULL ? xstrndup(path, (size_t)(leaf - path)) :
	    xstrdup(".");
	DIR *d = opendir(where);
	const struct dirent *e;
	unsigned n = 0;
	size_t i;

	free(where);
	if (d == NULL)
		return 0;
	for (i = 0; i < PROJECTION_FILE_KEPT; i++)
		newest[i] = -1;
	while ((e = readdir(d)) != NULL) {
		at = moved_at(e->d_name, leaf);
		if (at >= 0)
			at = enter(newest, at);
		if (at >= 0)
			n += remove_one(dirfd(d), leaf, at);
	}
	(void)closedir(d);
	return n;
}
