/*
 * json_scalar: numbers and words (true, false, null) of JSON, by RFC 8259.
 * Pure. What they mean is whose who reads them. Processes: watcher, gateway.
 */
#ifndef SLUICE_JSON_SCALAR_H
#define SLUICE_JSON_SCALAR_H

/* The end of the number or word that begins at p < end; NULL when it is none,
 * or when something that ends none follows it. */
const char *json_scalar_skip(const char *p, const char *end);

#endif
