/*
 * sandbox: what a gateway, the one process that strangers talk to, can still do
 * once it has started: so that who takes it over by a defect of a parser has
 * taken over a sender of streams, not the host. Process: gateway. Two steps,
 * both for good, switched off by `gateway.sandbox: false` alone.
 *
 * 1. Files, by landlock, before the first thread (nanomsg's) is started, since
 *    it holds for threads that come later only. What may be opened, all of it
 *    for reading:
 *	journal directory	replay, and what the bus did not bring
 *	figures directory	the watchers' figures, for /metrics; made here,
 *				since a rule needs something to stand for
 *	where jwt.jwks_file is	the file is read again when it changes, and a
 *				new one is put in its place by rename: so its
 *				directory, and the one it points to at the
 *				start if it is a symbolic link
 *    and in the bus directory sockets may be made and removed (SUB binds its
 *    own there; which may be removed says the filter below). All else was
 *    opened before: keys, the uses of tickets, the configuration, the listener;
 *    the page is in the binary. With a kernel
 *    that has no landlock (before 5.13, or without it among its `lsm=`), files
 *    may be read as far as their modes let this user, and the log says so; the
 *    filter below still lets none be changed or removed.
 * 2. System calls, by seccomp, for all threads at one stroke, when everything
 *    is open. Allowed is what the loop, nanomsg's thread, malloc and OpenSSL
 *    need, by its arguments where those matter:
 *	openat		for reading
 *	socket		a Unix stream: nanomsg connects to a new broker, and
 *			siblings asks
 *	connect		to the broker's and the store's sockets, and the
 *			gateways' desks (sealed_address)
 *	unlink		of the one socket that it bound itself (there, too)
 *	sendmsg, sendto	not as TCP's fast open, which is a connect by another
 *			name, and sendto not to an address (sendmsg's is out of
 *			sight; no socket there can be takes one)
 *	mmap, mprotect, …  nothing executable, nothing over the sealed page
 *	tgkill		itself (abort)
 *	fcntl, ioctl, prlimit64  the few that are used, nothing that sets a
 *			limit
 *    What flows to clients goes by writev(2), which is allowed without a look:
 *    for such a call the kernel finds out once, when the filter is loaded, that
 *    no argument is read on its way to ALLOW, and from then on takes the answer
 *    from a bitmap (Linux 5.11) and runs no filter. For sendmsg the filter runs
 *    each time (nanomsg's and the supervisor's channel go by it), and cannot be
 *    spared: a listener that is shut down is a socket without a peer, which
 *    TCP's fast open would connect to wherever its caller likes.
 *    No exec, no fork, no thread, no other socket, bind or listen, no ptrace,
 *    no io_uring, no change of a file or of its mode.
 *
 * What is not allowed fails with EPERM, it does not kill: who broke in gets
 * nothing either way, but a call that a new libc makes in a corner would
 * otherwise end ten thousand streams, again with every restart, at the hour
 * when nobody is awake to read why. The kernel logs each one that it refuses
 * (`SECCOMP` in its log or in audit's). Another architecture's calls (int 0x80,
 * x32), which no honest code makes, do kill.
 *
 * Built with a sanitizer, which reads /proc, starts threads and a symbolizer,
 * and traces itself for leaks, those calls and all files are let through;
 * sockets and addresses are not.
 */
#ifndef SLUICE_SANDBOX_H
#define SLUICE_SANDBOX_H

#include <stdbool.h>

#include "common/conf.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/* Step 1. `journal` is its directory. *ret_version: of landlock, 0 where there
 * is none. -1 with *err: what the kernel has could not be used. */
int	sandbox_files(const struct conf *conf, const char *journal,
	    int *ret_version, struct err *err) MUST_CHECK;
/* Step 2. `own` is the address of SUB's socket (subscriber_path), which is
 * removed when it is closed. -1 with *err. */
int	sandbox_calls(const struct conf *conf, const char *own,
	    struct err *err) MUST_CHECK;

#endif
