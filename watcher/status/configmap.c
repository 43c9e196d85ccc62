/*
 * configmap (k8s-watch.md C.4, A.5): watched as metadata only, and without a
 * status: one that exists is healthy. KubeOrch's words: created, or pending
 * while it is deleted.
 */
#include "watcher/status/rules.h"

void
configmap_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	(void)now_unix_ms;
	kube_status_exists(object, ret);
	kube_status_words(ret, "created", "pending", "error");
}
