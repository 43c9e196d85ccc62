/*
 * kube_transfer: one request as libcurl runs it: its options and headers, the
 * bytes of its answer, what came of it. kube_api owns it, and says when and on
 * which connection it runs. Runs in the watcher's loop.
 *
 * Of a sealed one nothing of the answer is left behind, whatever status it
 * came with: who put a secret into a 200 may put one into a 403.
 */
#ifndef SLUICE_KUBE_TRANSFER_H
#define SLUICE_KUBE_TRANSFER_H

#include "watcher/kube_api.h"

struct kube_transfer;

/* From within libcurl: must not touch transfers. */
struct kube_transfer_ops {
	void	(*heard)(void *arg);   /* bytes of the body came */
	/* A line of the answer's head. */
	void	(*said)(struct slice line, void *arg);
};

/* `get`'s texts are copied but for `accept`. `arg` is also libcurl's
 * CURLINFO_PRIVATE. */
struct kube_transfer *kube_transfer_new(const struct kube_get *get,
    const struct kube_transfer_ops *ops, void *arg);
/* It must have left its multi handle. */
void	kube_transfer_free(struct kube_transfer *t);

/* Once: libcurl may run it then. */
int	kube_transfer_prepare(struct kube_transfer *t,
	    const struct kube_credentials *credentials, bool http2,
	    struct err *err) MUST_CHECK;
CURL	*kube_transfer_easy(const struct kube_transfer *t);
/* It is over. *ret points into it. */
void	kube_transfer_result(struct kube_transfer *t, CURLcode code,
	    struct kube_result *ret);

#endif
