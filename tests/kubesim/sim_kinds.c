#include "tests/kubesim/sim_kinds.h"

#include <assert.h>
#include <string.h>

#include "tests/kubesim/sim_template.h"

/* What an empty pod template looks like in a bookmark. */
#define NO_TEMPLATE "\"template\":{\"metadata\":{},\"spec\":{" \
	"\"containers\":null}}"

static const struct sim_kind_row rows[SIM_KIND_MAX] = {
	[SIM_DEPLOYMENT] = {
		.name = "deployment", .kind = "Deployment",
		.plural = "deployments", .group = "apps", .version = "v1",
		.alias = "deploy", .namespaced = true, .generation = true,
		.bookmark_tail = ",\"spec\":{\"selector\":null,\"template\":"
		    "{\"metadata\":{},\"spec\":{\"containers\":null}},"
		    "\"strategy\":{}},\"status\":{}",
		.labels = sim_template_app_labels,
		.tail = sim_template_deployment,
		.touch = sim_template_touch_replicas,
		.absorb = sim_template_absorb_replicas,
	},
	[SIM_REPLICASET] = {
		.name = "replicaset", .kind = "ReplicaSet",
		.plural = "replicasets", .group = "apps", .version = "v1",
		.alias = "rs", .namespaced = true, .generation = true,
		.bookmark_tail = ",\"spec\":{\"selector\":null,\"template\":"
		    "{\"metadata\":{},\"spec\":{\"containers\":null}}},"
		    "\"status\":{\"replicas\":0}",
		.labels = sim_template_hash_labels,
		.tail = sim_template_replicaset,
		.touch = sim_template_touch_replicas,
		.absorb = sim_template_absorb_replicas,
	},
	[SIM_POD] = {
		.name = "pod", .kind = "Pod", .plural = "pods", .group = "",
		.version = "v1", .alias = "po", .namespaced = true,
		.generation = true,
		.bookmark_tail = ",\"spec\":{\"containers\":null},"
		    "\"status\":{}",
		.labels = sim_template_hash_labels,
		.tail = sim_template_pod,
		.touch = sim_template_touch_pod,
	},
	[SIM_NODE] = {
		.name = "node", .kind = "Node", .plural = "nodes",
		.alias = "no",
		.group = "", .version = "v1",
		.bookmark_tail = ",\"spec\":{},\"status\":{}",
		.labels = sim_template_node_labels,
		.tail = sim_template_node,
	},
	[SIM_NAMESPACE] = {
		.name = "namespace", .kind = "Namespace",
		.plural = "namespaces", .group = "", .version = "v1",
		.alias = "ns",
		.bookmark_tail = ",\"spec\":{},\"status\":{}",
		.labels = sim_template_namespace_labels,
		.tail = sim_template_namespace,
	},
	[SIM_STORAGECLASS] = {
		.name = "storageclass", .kind = "StorageClass",
		.plural = "storageclasses", .group = "storage.k8s.io",
		.alias = "sc",
		.version = "v1", .bookmark_tail = ",\"provisioner\":\"\"",
		.labels = sim_template_storageclass_labels,
		.tail = sim_template_storageclass,
	},
	[SIM_SERVICE] = {
		.name = "service", .kind = "Service", .plural = "services",
		.group = "", .version = "v1", .alias = "svc",
		.namespaced = true,
		.bookmark_tail = ",\"spec\":{},\"status\":{\"loadBalancer\":"
		    "{}}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_service,
		.touch = sim_template_touch_phase,
	},
	[SIM_STATEFULSET] = {
		.name = "statefulset", .kind = "StatefulSet",
		.plural = "statefulsets", .group = "apps", .version = "v1",
		.alias = "sts", .namespaced = true, .generation = true,
		.bookmark_tail = ",\"spec\":{\"selector\":null," NO_TEMPLATE
		    ",\"serviceName\":\"\",\"updateStrategy\":{}},\"status\":"
		    "{\"replicas\":0,\"availableReplicas\":0}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_statefulset,
		.touch = sim_template_touch_replicas,
		.absorb = sim_template_absorb_replicas,
	},
	[SIM_DAEMONSET] = {
		.name = "daemonset", .kind = "DaemonSet",
		.plural = "daemonsets", .group = "apps", .version = "v1",
		.alias = "ds", .namespaced = true, .generation = true,
		.bookmark_tail = ",\"spec\":{\"selector\":null," NO_TEMPLATE
		    ",\"updateStrategy\":{}},\"status\":{"
		    "\"currentNumberScheduled\":0,\"numberMisscheduled\":0,"
		    "\"desiredNumberScheduled\":0,\"numberReady\":0}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_daemonset,
		.touch = sim_template_touch_replicas,
	},
	[SIM_JOB] = {
		.name = "job", .kind = "Job", .plural = "jobs",
		.group = "batch", .version = "v1", .namespaced = true,
		.generation = true,
		.bookmark_tail = ",\"spec\":{" NO_TEMPLATE "},\"status\":{}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_job,
		.touch = sim_template_touch_job,
	},
	[SIM_CRONJOB] = {
		.name = "cronjob", .kind = "CronJob", .plural = "cronjobs",
		.group = "batch", .version = "v1", .alias = "cj",
		.namespaced = true, .generation = true,
		.bookmark_tail = ",\"spec\":{\"schedule\":\"\","
		    "\"jobTemplate\":{\"metadata\":{},\"spec\":{" NO_TEMPLATE
		    "}}},\"status\":{}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_cronjob,
		.touch = sim_template_touch_phase,
		.absorb = sim_template_absorb_suspend,
	},
	[SIM_INGRESS] = {
		.name = "ingress", .kind = "Ingress", .plural = "ingresses",
		.group = "networking.k8s.io", .version = "v1", .alias = "ing",
		.namespaced = true, .generation = true,
		.bookmark_tail = ",\"spec\":{},\"status\":{\"loadBalancer\":"
		    "{}}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_ingress,
		.touch = sim_template_touch_phase,
	},
	[SIM_CONFIGMAP] = {
		.name = "configmap", .kind = "ConfigMap",
		.plural = "configmaps", .group = "", .version = "v1",
		.alias = "cm", .namespaced = true, .bookmark_tail = "",
		.labels = sim_template_applied_labels,
		.tail = sim_template_configmap,
		.touch = sim_template_touch_image,
	},
	[SIM_SECRET] = {
		.name = "secret", .kind = "Secret", .plural = "secrets",
		.group = "", .version = "v1", .namespaced = true,
		.bookmark_tail = "",
		.labels = sim_template_applied_labels,
		.tail = sim_template_secret,
		.touch = sim_template_touch_image,
	},
	[SIM_PVC] = {
		.name = "persistentvolumeclaim",
		.kind = "PersistentVolumeClaim",
		.plural = "persistentvolumeclaims", .group = "",
		.version = "v1", .alias = "pvc", .namespaced = true,
		.finalizer = "kubernetes.io/pvc-protection",
		.bookmark_tail = ",\"spec\":{\"resources\":{}},"
		    "\"status\":{}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_pvc,
		.touch = sim_template_touch_phase,
	},
	[SIM_HPA] = {
		.name = "horizontalpodautoscaler",
		.kind = "HorizontalPodAutoscaler",
		.plural = "horizontalpodautoscalers", .group = "autoscaling",
		.version = "v2", .alias = "hpa", .namespaced = true,
		.bookmark_tail = ",\"spec\":{\"scaleTargetRef\":{\"kind\":"
		    "\"\",\"name\":\"\"},\"maxReplicas\":0},\"status\":{"
		    "\"desiredReplicas\":0,\"currentMetrics\":null}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_hpa,
		.touch = sim_template_touch_phase,
	},
	[SIM_NETWORKPOLICY] = {
		.name = "networkpolicy", .kind = "NetworkPolicy",
		.plural = "networkpolicies", .group = "networking.k8s.io",
		.version = "v1", .alias = "netpol", .namespaced = true,
		.generation = true,
		.bookmark_tail = ",\"spec\":{\"podSelector\":{}}",
		.labels = sim_template_plain_labels,
		.tail = sim_template_networkpolicy,
		.touch = sim_template_touch_image,
	},
};

const struct sim_kind_row *
sim_kinds_row(enum sim_kind kind)
{
	assert(kind < SIM_KIND_MAX);
	return &rows[kind];
}

int
sim_kinds_by_name(const char *name)
{
	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (strcmp(rows[k].name, name) == 0 ||
		    strcmp(rows[k].plural, name) == 0 ||
		    (rows[k].alias != NULL &&
		    strcmp(rows[k].alias, name) == 0) ||
		    strcmp(rows[k].kind, name) == 0)
			return k;
	return -1;
}

uint32_t
sim_kinds_set(const char *names)
{
	uint32_t set = 0;
	char name[64];
	size_t n;
	int kind;

	if (strcmp(names, "all") == 0)
		return SIM_KINDS_ALL;
	for (;;) {
		n = strcspn(names, ",");
		if (n >= sizeof(name))
			return 0;
		memcpy(name, names, n);
		name[n] = '\0';
		kind = sim_kinds_by_name(name);
		if (kind < 0)
			return 0;
		set |= SIM_BIT(kind);
		if (names[n] == '\0')
			return set;
		names += n + 1;
	}
}

int
sim_kinds_by_path(const char *group, const char *version, const char *plural)
{
	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (strcmp(rows[k].group, group) == 0 &&
		    strcmp(rows[k].version, version) == 0 &&
		    strcmp(rows[k].plural, plural) == 0)
			return k;
	return -1;
}

bool
sim_kinds_group_served(const char *group, const char *version,
    uint32_t unserved)
{
	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (strcmp(rows[k].group, group) == 0 &&
		    strcmp(rows[k].version, version) == 0 &&
		    !(unserved & SIM_BIT(k)))
			return true;
	return false;
}

const char *
sim_kinds_api_version(enum sim_kind kind)
{
	static char text[SIM_KIND_MAX][64];
	const struct sim_kind_row *row = sim_kinds_row(kind);
	struct buf b = BUF_EMPTY;

	if (text[kind][0] == '\0') {
		buf_addf(&b, "%s%s%s", row->group,
		    row->group[0] != '\0' ? "/" : "", row->version);
		assert(b.len < sizeof(text[kind]));
		memcpy(text[kind], b.data, b.len);
		buf_free(&b);
	}
	return text[kind];
}
