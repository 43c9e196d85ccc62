/*
 * disk: the few file operations of the journal writer. They block; on failure
 * they return -1 with errno.
 */
#ifndef SLUICE_DISK_H
#define SLUICE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* This errno says that there is no room (any more). */
bool	disk_is_full(int code);
/* All n bytes at `offset`. */
int	disk_write(int fd, const void *bytes, size_t n, uint64_t offset);
/* Room for `bytes` in all, reserved where the file system can. */
int	disk_allocate(int fd, uint64_t bytes);
/* The first `bytes` of the file read as zeroes again, its blocks stay. */
int	disk_zero(int fd, uint64_t bytes);
/* The file `name` holds these bytes, or what it held before, whatever happens:
 * written under the temporary name, synced, renamed, the directory synced. */
int	disk_replace(int directory, const char *name, const char *temporary,
	    const void *bytes, size_t n);
/* A file in memory that begins with these bytes; its descriptor. */
int	disk_memory(const char *name, const void *bytes, size_t n);
/* `wanted`, or less when the process may not write larger files. */
uint64_t disk_limit(uint64_t wanted);

#endif
