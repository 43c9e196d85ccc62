/*
 * networkpolicy (k8s-watch.md C.4): the API has no status for it, so one that
 * exists is healthy. KubeOrch's words: active, or pending while it is deleted.
 */
#include "watcher/status/rules.h"

void
networkpolicy_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	(void)now_unix_ms;
	kube_status_exists(object, ret);
	kube_status_words(ret, "active", "pending", "pending");
}
