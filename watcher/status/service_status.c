/*
 * service_status: the rule of services (k8s-watch.md C.4): a LoadBalancer
 * needs an address, its balancer's or one of spec.externalIPs (kstatus does
 * not look, Argo asks for the former alone); any other type is healthy.
 */
#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/load_balancer.h"
#include "watcher/status/rules.h"

enum slot { S_OBSERVED, S_CONDITIONS, S_INGRESS, S_MAX };

enum spec_slot { S_TYPE, S_CLUSTER_IP, S_EXTERNAL_IPS, S_PORTS, S_SPEC_MAX };

static const struct json_want want_balancer[] = {
	{ "ingress", S_INGRESS, NULL, 0 },
};

static const struct json_want want_status[] = {
	{ "observedGeneration", S_OBSERVED, NULL, 0 },
	{ "conditions", S_CONDITIONS, NULL, 0 },
	{ "loadBalancer", -1, want_balancer, NELEM(want_balancer) },
};

static const struct json_want want_spec[] = {
	{ "type", S_TYPE, NULL, 0 },
	{ "clusterIP", S_CLUSTER_IP, NULL, 0 },
	{ "externalIPs", S_EXTERNAL_IPS, NULL, 0 },
	{ "ports", S_PORTS, NULL, 0 },
};

/* The balancer's address, else the first of spec.externalIPs. */
static struct slice
external_address(struct slice ingress, struct slice external_ips)
{
	struct load_balancer lb;
	const char *cursor = NULL;
	struct slice one;

	if (load_balancer_find(ingress, &lb))
		return lb.ip.n > 0 ? lb.ip : lb.hostname;
	while (json_scan_next(external_ips, &cursor, &one))
		if (kube_status_has_text(one))
			return one;
	return SLICE_NONE;
}

static int64_t
first_node_port(struct slice ports)
{
	static const struct json_want want[] = { { "nodePort", 0, NULL, 0 } };
	const char *cursor = NULL;
	struct slice one, port;

	if (!json_scan_next(ports, &cursor, &one))
		return 0;
	json_scan_again(one, want, NELEM(want), &port, 1);
	return kube_status_counter(port, 0);
}

void
service_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[S_MAX], spec[S_SPEC_MAX], address;

	(void)now_unix_ms;
	json_scan_again(object->spec, want_spec, NELEM(want_spec), spec,
	    S_SPEC_MAX);
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    S_MAX);
	address = external_address(v[S_INGRESS], spec[S_EXTERNAL_IPS]);
	if (!kube_status_common(object, v[S_OBSERVED], v[S_CONDITIONS], ret)) {
		if (!json_scan_is(spec[S_TYPE], "LoadBalancer"))
			kube_status_set(ret, HEALTH_HEALTHY, "Exists",
			    "exists");
		else if (address.n > 0)
			kube_status_set(ret, HEALTH_HEALTHY,
			    "AddressAssigned", "has an address");
		else
			kube_status_set(ret, HEALTH_PROGRESSING,
			    "NoAddressAssigned",
			    "waiting for the load balancer's address");
	}
	kube_status_field_text(ret, "clusterIP", spec[S_CLUSTER_IP]);
	kube_status_field_text(ret, "externalIP", address);
	kube_status_field_int(ret, "nodePort",
	    first_node_port(spec[S_PORTS]));
}
