/*
 * sealed_address: the only addresses that this process may connect to, and the
 * only file that it may remove, in a place that cannot be written any more.
 * Process: gateway.
 *
 * A filter of system calls sees the pointer that connect() is given, not what
 * it points to, and landlock knows no right for a Unix socket's path. So the
 * addresses are written into pages of their own before anybody is served; the
 * filter (sandbox) lets connect() through for pointers into them alone, and no
 * call through that would change them: mprotect, munmap, mremap, madvise and a
 * fixed mmap are refused below SEALED_END, and they lie at the very bottom of
 * the address space, so that no range can reach them from below.
 *
 * nanomsg, which connects by itself whenever a broker is there again, has its
 * addresses on its stack. Therefore connect() is defined here, in front of
 * libc's for all libraries of the process: once sealed, it looks the address
 * up, and hands the kernel the one in these pages; EPERM for any other. Who
 * calls the kernel without it gets nowhere.
 *
 * unlink() likewise: nanomsg removes the path of the socket that it bound when
 * that is closed, and aborts when it cannot; nothing else is to be removed,
 * least of all where there is no landlock to say so.
 */
#ifndef SLUICE_SEALED_ADDRESS_H
#define SLUICE_SEALED_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define SEALED_ADDRESSES_MAX 72u   /* broker, store, each gateway's desk */

#define SEALED_BEGIN  UINT64_C(0x200000)
#define SEALED_END    (SEALED_BEGIN + 2 * 4096)

/* How long every address in the page is, for the third argument. */
extern const size_t sealed_address_length;

/* Adds a Unix socket's path; -1 with *err (too long, too many, sealed). */
int	sealed_address_add(const char *path, struct err *err) MUST_CHECK;
/* The path of the socket that this process bound: the one that unlink() is let
 * through for. -1 with *err (too long, sealed). */
int	sealed_address_own(const char *path, struct err *err) MUST_CHECK;
/* From now on connect() goes to these only; -1 with *err. */
int	sealed_address_seal(struct err *err) MUST_CHECK;
size_t	sealed_address_count(void);
/* Where the address `i` of them lies. */
uint64_t sealed_address_at(size_t i);
/* Where the text of that path lies, once one of the above was added. */
uint64_t sealed_address_own_path(void);

#endif
