/*
 * projection_file: what becomes of a projection.db that cannot be used: it is
 * moved aside, for whoever wants to look at it, and only the newest
 * PROJECTION_FILE_KEPT of such stay. SQLite's companions (-wal, -shm) go where
 * the file goes. Used at the store's start, before any thread, and by one that
 * leaves.
 */
#ifndef SLUICE_PROJECTION_FILE_H
#define SLUICE_PROJECTION_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define PROJECTION_FILE_KEPT 3u

/* The file was found damaged: the next start moves it aside whatever it looks
 * like. For the process that leaves. */
int	projection_file_suspect(const char *path, struct err *err) MUST_CHECK;
bool	projection_file_suspected(const char *path);
/* Moves it to "<path>.damaged-<ms since 1970>", told in `aside` (size bytes),
 * and the suspicion with it. */
int	projection_file_aside(const char *path, char *aside, size_t size,
	    struct err *err) MUST_CHECK;
/* Removes what was moved aside but for the newest; how many files went. What
 * cannot be removed stays until the next time. */
unsigned projection_file_tidy(const char *path);

#endif
