/*
 * notify: sd_notify(3) spoken directly: a datagram to $NOTIFY_SOCKET, a path
 * or (with a leading '@') an abstract socket. Supervisor only. Telling systemd
 * is never a reason to fail or to wait: without the variable nothing happens,
 * and what the socket does not take now is the caller's to say again.
 */
#ifndef SLUICE_NOTIFY_H
#define SLUICE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/macros.h"

#define NOTIFY_TEXT_MAX 1024u

struct notify {
	int		fd;            /* -1: not under systemd */
	int64_t		watchdog_ms;   /* 0: none asked for */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from
 * the environment, so that no child speaks in our name. */
void	notify_init(struct notify *n);
void	notify_free(struct notify *n);
/* Lines such as "READY=1\nSTATUS=5 processes". False: it was not sent, though
 * there is somebody to tell (systemd reads late, and the queue of its socket
 * holds net.unix.max_dgram_qlen messages). */
bool	notify_send(const struct notify *n, const char *fmt, ...)
	    PRINTF(2, 3);

#endif
