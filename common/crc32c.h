/*
 * crc32c: CRC-32C (Castagnoli, RFC 3720 B.4), by the processor's instruction
 * where it has one (found out once per process). Pure; any thread. Every
 * process that reads or writes the journal or the bus.
 */
#ifndef SLUICE_CRC32C_H
#define SLUICE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of n bytes, going on from `crc`: that of the bytes before them, 0 at the
 * start. */
uint32_t	crc32c(uint32_t crc, const void *p, size_t n);
/* The same value by table, on every processor: what is used without the
 * instruction, and what tests compare with. */
uint32_t	crc32c_portable(uint32_t crc, const void *bytes, size_t n);

#endif
