/*
 * install_key: the installation's key, 32 bytes in encryption_key_file, or in a
 * file of the state directory that the first who needs it makes. Process:
 * gateway.
 */
#ifndef SLUICE_INSTALL_KEY_H
#define SLUICE_INSTALL_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define INSTALL_KEY_SIZE 32u

/* Reads it; with `make` a missing one is made first, whoever else does so at
 * the same time. -1 with *err. The caller wipes what he got. */
int	install_key_read(const char *path, bool make,
	    uint8_t ret[INSTALL_KEY_SIZE], struct err *err) MUST_CHECK;

#endif
