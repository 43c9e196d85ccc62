/*
 * kube_server: the `server` of a cluster: is it an address, what of it goes
 * where, and may it be reached for somebody who is not the operator.
 * Pure: texts and addresses in, answers out. Watcher, health and sluice-exec.
 */
#ifndef SLUICE_KUBE_SERVER_H
#define SLUICE_KUBE_SERVER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/buf.h"

/* NULL, or what is wrong with it (a sentence with the remedy). */
const char *kube_server_check(const char *server);

/* Host (with its brackets) and port (NULL: none given; else it ends at a
 * slash or at the end) of a text that passed kube_server_check. */
void	 kube_server_authority(const char *server, struct slice *ret_host,
	    const char **ret_port);

/* Without query, fragment and slash at its end: paths are joined to it. */
char	*kube_server_clean(const char *server);

/* For a kubeconfig of a stranger: https only, and no place that only this
 * host can reach: loopback, link-local, cloud metadata, unspecified, in any
 * spelling. NULL, or what is wrong. A name is judged as a name here; what it
 * resolves to must pass kube_server_forbidden_address when it is connected. */
const char *kube_server_check_stranger(const char *server);
bool	 kube_server_forbidden_address(const struct sockaddr *sa);

#endif
