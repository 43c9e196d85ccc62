/*
 * ingress (k8s-watch.md C.4): Argo's rule: healthy with an address, else
 * progressing; but many controllers never publish one, so that some time after
 * its creation (`watch.no_address`, ten minutes) an ingress without is healthy,
 * and its reason says why.
 * An ingress whose time of creation is not known stays progressing.
 */
#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/load_balancer.h"
#include "watcher/status/rules.h"

static int64_t no_address_ms = INT64_C(10) * 60 * 1000;

enum slot { I_OBSERVED, I_CONDITIONS, I_INGRESS, I_MAX };

static const struct json_want want_balancer[] = {
	{ "ingress", I_INGRESS, NULL, 0 },
};

static const struct json_want want_status[] = {
	{ "observedGeneration", I_OBSERVED, NULL, 0 },
	{ "conditions", I_CONDITIONS, NULL, 0 },
	{ "loadBalancer", -1, want_balancer, NELEM(want_balancer) },
};

static const struct json_want want_spec[] = {
	{ "rules", 0, NULL, 0 },
};

static void
rule_no_address(const struct kube_object *object, int64_t now,
    struct kube_status *s)
{
	int64_t due = object->created_unix_ms + no_address_ms;

	if (object->created_unix_ms != 0 && now > due) {
		kube_status_set(s, HEALTH_HEALTHY, "NoAddressPublished",
		    "its controller has published no address");
		return;
	}
	kube_status_set(s, HEALTH_PROGRESSING, "NoAddressAssigned",
	    "waiting for an address");
	if (object->created_unix_ms != 0)
		kube_status_again(s, due + 1);
}

void
ingress_set_no_address(int64_t ms)
{
	no_address_ms = ms;
}

void
ingress_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[I_MAX], rules;
	struct load_balancer lb;
	bool found;

	json_scan_again(object->spec, want_spec, NELEM(want_spec), &rules, 1);
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    I_MAX);
	found = load_balancer_find(v[I_INGRESS], &lb);
	if (!kube_status_common(object, v[I_OBSERVED], v[I_CONDITIONS], ret)) {
		if (found)
			kube_status_set(ret, HEALTH_HEALTHY,
			    "AddressAssigned", "has an address");
		else
			rule_no_address(object, now_unix_ms, ret);
	}
	kube_status_words(ret, "healthy", "pending", "error");
	kube_status_field_text(ret, "loadBalancerIP", lb.ip);
	kube_status_field_text(ret, "loadBalancerHostname", lb.hostname);
	kube_status_field_int(ret, "rulesCount",
	    (int64_t)kube_status_length(rules));
}
