/*
 * kube_digest: which plugin is asked, how, and for which server: what a
 * plugin gave is good for this alone. It travels with the answer, so that
 * nobody takes to one server what was made for another while a kubeconfig
 * changes. Pure. Watcher, health and sluice-exec.
 */
#ifndef SLUICE_KUBE_DIGEST_H
#define SLUICE_KUBE_DIGEST_H

#include <stdint.h>

#define KUBE_DIGEST_BYTES 32u   /* SHA-256 */

struct kube_credentials;

/* Of the server, the name it is checked for, and the `exec` section, which
 * must be there. It tells nothing of what it was made from. */
void	kube_digest(const struct kube_credentials *c,
	    uint8_t ret[KUBE_DIGEST_BYTES]);

#endif
