#include "watcher/kinds.h"

#include <assert.h>

#include "common/macros.h"
#include "watcher/status/rules.h"

#define JSON "application/json;" KINDS_DROP ",application/json"

#define WHOLE    JSON, JSON
#define METADATA KINDS_METADATA_ACCEPT, KINDS_ACCEPT_AS(KINDS_METADATA)
#define NETWORK  "networking.k8s.io"

#define STATIC_KINDS 14u

_Static_assert(STATIC_KINDS + CONF_CUSTOM_MAX <= KINDS_MAX,
    "every kind has its bit");

static struct kind table[KINDS_MAX] = {
	{ "deployment", "Deployment", "apps", "v1", "deployments",
	    WHOLE, deployment_status, false },
	{ "service", "Service", "", "v1", "services",
	    WHOLE, service_status, false },
	{ "statefulset", "StatefulSet", "apps", "v1", "statefulsets",
	    WHOLE, statefulset_status, false },
	{ "daemonset", "DaemonSet", "apps", "v1", "daemonsets",
	    WHOLE, daemonset_status, false },
	{ "job", "Job", "batch", "v1", "jobs",
	    WHOLE, job_status, false },
	{ "cronjob", "CronJob", "batch", "v1", "cronjobs",
	    WHOLE, cronjob_status, false },
	{ "ingress", "Ingress", NETWORK, "v1", "ingresses",
	    WHOLE, ingress_status, false },
	{ "configmap", "ConfigMap", "", "v1", "configmaps",
	    METADATA, configmap_status, true },
	{ "secret", "Secret", "", "v1", "secrets",
	    METADATA, secret_status, true },
	{ "pvc", "PersistentVolumeClaim", "", "v1", "persistentvolumeclaims",
	    WHOLE, pvc_status, false },
	{ "pod", "Pod", "", "v1", "pods",
	    WHOLE, pod_status, false },
	{ "replicaset", "ReplicaSet", "apps", "v1", "replicasets",
	    WHOLE, replicaset_status, false },
	{ "hpa", "HorizontalPodAutoscaler", "autoscaling", "v2",
	    "horizontalpodautoscalers", WHOLE, hpa_status, false },
	{ "networkpolicy", "NetworkPolicy", NETWORK, "v1", "networkpolicies",
	    WHOLE, networkpolicy_status, false },
};

const struct kind *const kinds = table;
unsigned kinds_n = STATIC_KINDS;

void
kinds_set_custom(const struct conf_kind *list, size_t n)
{
	size_t i;

	assert(n <= CONF_CUSTOM_MAX);
	for (i = 0; i < n; i++)
		table[STATIC_KINDS + i] = (struct kind){ list[i].name,
			list[i].kind, list[i].group, list[i].version,
			list[i].resource, WHOLE, custom_status, false };
	kinds_n = STATIC_KINDS + (unsigned)n;
}

void
kinds_configure(const struct conf *conf)
{
	kinds_set_custom(conf->watch.custom, conf->watch.n_custom);
	ingress_set_no_address(conf->watch.no_address_ms);
}

int
kinds_find(struct slice name)
{
	unsigned i;

	for (i = 0; i < kinds_n; i++)
		if (slice_is(name, kinds[i].name))
			return (int)i;
	return -1;
}
