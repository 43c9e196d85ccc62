/*
 * crc32c: CRC-32C (Castagnoli, RFC 3720 B.4). The function everybody calls,
 * crc32c(), is declared in record.h; this header offers the portable form for
 * the test that proves both equal. Pure.
 */
#ifndef SLUICE_CRC32C_H
#define SLUICE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The same value as crc32c(), by table, on every CPU. */
uint32_t	crc32c_portable(uint32_t crc, const void *bytes, size_t n);

#endif
