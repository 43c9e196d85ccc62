/*
 * macros: small compiler helpers used everywhere. Spelled so that they can
 * become C23's own ([[nodiscard]], stdckdint.h) once gcc and clang of Debian
 * have it.
 */
#ifndef SLUICE_MACROS_H
#define SLUICE_MACROS_H

#include <stddef.h>

#define MUST_CHECK     __attribute__((warn_unused_result))
#define PRINTF(f, a)   __attribute__((format(printf, f, a)))
#define NORETURN       __attribute__((noreturn))
#define UNUSED         __attribute__((unused))
#define NELEM(a)       (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)      ((a) < (b) ? (a) : (b))
#define MAX(a, b)      ((a) > (b) ? (a) : (b))

/* Overflow-checked arithmetic: true when the result did not fit. */
#define CKD_ADD(r, a, b) __builtin_add_overflow((a), (b), (r))
#define CKD_MUL(r, a, b) __builtin_mul_overflow((a), (b), (r))

/* The struct that holds member `m` at address `p`. */
#define CONTAINER_OF(p, type, m) \
	((type *)(void *)((char *)(p) - offsetof(type, m)))

#endif
