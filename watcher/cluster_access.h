/*
 * cluster_access: the credentials that a watcher's requests go out with:
 * kept fresh (common/kube_source), and asked of the supervisor where a plugin
 * gives them (MSG_CREDENTIAL_ASK); requests wait meanwhile. Runs in the
 * watcher's loop. It logs what could not be read again, once.
 */
#ifndef SLUICE_CLUSTER_ACCESS_H
#define SLUICE_CLUSTER_ACCESS_H

#include <stdbool.h>

#include "common/kube_source.h"
#include "common/role.h"

#define CLUSTER_ACCESS_WAIT_MS 30000   /* then waiting requests fail */

struct cluster_access;

struct cluster_access_ops {
	/* Requests that wait go on (NULL), or fail for this. */
	void	(*settled)(const struct err *err, void *arg);
	/* Certificate, CA or address changed: no connection may live on. */
	void	(*renewed)(void *arg);
	void	*arg;
};

/* Reads the cluster's kubeconfig; a cluster without one of its own is in the
 * configuration's. NULL with *err. */
struct cluster_access *cluster_access_new(struct role *role,
	    const struct conf_cluster *cluster, struct err *err) MUST_CHECK;
void	cluster_access_free(struct cluster_access *a);
/* Must be called before the first prepare. */
void	cluster_access_listen(struct cluster_access *a,
	    const struct cluster_access_ops *ops);

/* Before a request: true when it may begin; false: `settled` follows. */
bool	cluster_access_prepare(struct cluster_access *a);
/* Change in prepare and at messages; a running request has its own copies. */
const struct kube_credentials *cluster_access_credentials(
	    const struct cluster_access *a);
/* How a request that began then ended: HTTP status, 0 for no answer. */
void	cluster_access_ended(struct cluster_access *a, struct mono began,
	    long status);
/* MSG_CREDENTIAL; the fd stays the caller's. */
void	cluster_access_message(struct cluster_access *a, const void *payload,
	    size_t n, int fd);

#endif
