/*
 * rules: the status rule of every kind (k8s-watch.md C.4), one file each.
 * Pure: see kube_status.h for what a rule is given and what it fills.
 */
#ifndef SLUICE_RULES_H
#define SLUICE_RULES_H

#include "watcher/kube_status.h"

void	deployment_status(const struct kube_object *object,
	    int64_t now_unix_ms, struct kube_status *ret);
void	pod_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);

#endif
