/*
 * rules: the status rule of every kind (k8s-watch.md C.4), one file each; the
 * file's header comment names the rule. Pure: see kube_status.h for what a
 * rule is given and what it fills.
 */
#ifndef SLUICE_RULES_H
#define SLUICE_RULES_H

#include "watcher/kube_status.h"

void	configmap_status(const struct kube_object *object,
	    int64_t now_unix_ms, struct kube_status *ret);
void	cronjob_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
void	daemonset_status(const struct kube_object *object,
	    int64_t now_unix_ms, struct kube_status *ret);
void	deployment_status(const struct kube_object *object,
	    int64_t now_unix_ms, struct kube_status *ret);
void	hpa_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
void	ingress_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
/* How long an ingress may wait for an address: set once, at the start; the rule
 * is pure but for that. */
void	ingress_set_no_address(int64_t ms);
void	job_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
void	networkpolicy_status(const struct kube_object *object,
	    int64_t now_unix_ms, struct kube_status *ret);
void	pod_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
void	pvc_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
void	replicaset_status(const struct kube_object *object,
	    int64_t now_unix_ms, struct kube_status *ret);
void	secret_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
void	service_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);
void	statefulset_status(const struct kube_object *object,
	    int64_t now_unix_ms, struct kube_status *ret);

/* A kind the operator named, of which we know nothing. */
void	custom_status(const struct kube_object *object, int64_t now_unix_ms,
	    struct kube_status *ret);

#endif
