/* Templates of what makes workloads reachable, scaled and stored: Service,
 * Ingress, NetworkPolicy, HorizontalPodAutoscaler, PersistentVolumeClaim. */
#include <stdio.h>

#include "common/macros.h"
#include "tests/kubesim/sim_template.h"

/* Every third Service has an address of its own outside. */
static bool
is_balancer(const struct sim_object *o)
{
	return o->ordinal % 3 == 0;
}

static void
add_address(struct buf *b, const struct sim_object *o, bool given,
    const char *more)
{
	if (given)
		buf_addf(b, "\"loadBalancer\":{\"ingress\":[{\"ip\":"
		    "\"203.0.113.%u\"%s}]}", o->ordinal % 250 + 1, more);
	else
		buf_adds(b, "\"loadBalancer\":{}");
}

void
sim_template_service(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	bool balancer = is_balancer(o);
	unsigned third = o->ordinal / 250 % 250, fourth = o->ordinal % 250 + 1;

	buf_addf(b, ",\"spec\":{\"ports\":[{\"name\":\"http\",\"protocol\":"
	    "\"TCP\",\"port\":80,\"targetPort\":\"http\"");
	if (balancer)
		buf_addf(b, ",\"nodePort\":%u", 30000 + o->ordinal % 2700);
	buf_addf(b, "}],\"selector\":{\"app\":\"%s\"},\"clusterIP\":"
	    "\"10.96.%u.%u\",\"clusterIPs\":[\"10.96.%u.%u\"],\"type\":\"%s\","
	    "\"sessionAffinity\":\"None\",", o->app, third, fourth, third,
	    fourth, balancer ? "LoadBalancer" : "ClusterIP");
	if (balancer)
		buf_adds(b, "\"externalTrafficPolicy\":\"Cluster\","
		    "\"allocateLoadBalancerNodePorts\":true,");
	buf_adds(b, "\"ipFamilies\":[\"IPv4\"],\"ipFamilyPolicy\":"
	    "\"SingleStack\",\"internalTrafficPolicy\":\"Cluster\"},"
	    "\"status\":{");
	add_address(b, o, balancer && st->phase == SIM_WELL,
	    ",\"ipMode\":\"VIP\"");
	buf_addc(b, '}');
}

void
sim_template_ingress(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_addf(b, ",\"spec\":{\"ingressClassName\":\"nginx\",\"tls\":[{"
	    "\"hosts\":[\"%s.example.com\"],\"secretName\":\"%s-tls\"}],"
	    "\"rules\":[{\"host\":\"%s.example.com\",\"http\":{\"paths\":[{"
	    "\"path\":\"/\",\"pathType\":\"Prefix\",\"backend\":{\"service\":"
	    "{\"name\":\"%s\",\"port\":{\"name\":\"http\"}}}}]}}]},"
	    "\"status\":{", o->app, o->app, o->app, o->app);
	add_address(b, o, st->phase == SIM_WELL, "");
	buf_addc(b, '}');
}

void
sim_template_networkpolicy(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_addf(b, ",\"spec\":{\"podSelector\":{\"matchLabels\":{\"app\":"
	    "\"%s\"}},\"ingress\":[{\"ports\":[{\"protocol\":\"TCP\","
	    "\"port\":%u}],\"from\":[{\"namespaceSelector\":{}}]}],"
	    "\"policyTypes\":[\"Ingress\"]}", o->app,
	    8080 + st->image % 100);
}

/* ---- HorizontalPodAutoscaler ---- */

static void
hpa_conditions(struct buf *b, const struct sim_state *st, const char *changed)
{
	bool well = st->phase == SIM_WELL;

	buf_addf(b, ",\"conditions\":[{\"type\":\"AbleToScale\",\"status\":"
	    "\"True\",\"lastTransitionTime\":\"%s\",\"reason\":\"%s\","
	    "\"message\":\"%s\"}", changed, well ? "ReadyForNewScale" :
	    "SucceededGetScale", well ? "recommended size matches current "
	    "size" : "the HPA controller was able to get the target's "
	    "current scale");
	buf_addf(b, ",{\"type\":\"ScalingActive\",\"status\":\"%s\","
	    "\"lastTransitionTime\":\"%s\",\"reason\":\"%s\",\"message\":"
	    "\"%s\"}", well ? "True" : "False", changed, well ?
	    "ValidMetricFound" : "FailedGetResourceMetric", well ?
	    "the HPA was able to successfully calculate a replica count from "
	    "cpu resource utilization (percentage of request)" :
	    "the HPA was unable to compute the replica count: failed to get "
	    "cpu utilization: unable to get metrics for resource cpu");
	if (well)
		buf_addf(b, ",{\"type\":\"ScalingLimited\",\"status\":"
		    "\"False\",\"lastTransitionTime\":\"%s\",\"reason\":"
		    "\"DesiredWithinRange\",\"message\":\"the desired count "
		    "is within the acceptable range\"}", changed);
	buf_addc(b, ']');
}

void
sim_template_hpa(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char changed[MONO_RFC3339_SIZE];

	sim_template_time(st->changed_ms, changed);
	buf_addf(b, ",\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\","
	    "\"name\":\"%s\",\"apiVersion\":\"apps/v1\"},\"minReplicas\":1,"
	    "\"maxReplicas\":10,\"metrics\":[{\"type\":\"Resource\","
	    "\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":"
	    "\"Utilization\",\"averageUtilization\":80}}}]},\"status\":{",
	    o->app);
	if (st->phase == SIM_WAITING) {
		buf_adds(b, "\"desiredReplicas\":0,\"currentMetrics\":null}");
		return;
	}
	buf_addf(b, "\"currentReplicas\":%u,\"desiredReplicas\":%u,"
	    "\"currentMetrics\":", st->replicas,
	    st->phase == SIM_WELL ? st->replicas : 0);
	if (st->phase == SIM_WELL)
		buf_addf(b, "[{\"type\":\"Resource\",\"resource\":{\"name\":"
		    "\"cpu\",\"current\":{\"averageUtilization\":%u,"
		    "\"averageValue\":\"%um\"}}}]", 20 + st->touches % 60,
		    10 + st->touches % 30);
	else
		buf_adds(b, "null");
	hpa_conditions(b, st, changed);
	buf_addc(b, '}');
}

/* ---- PersistentVolumeClaim: BROKEN is Lost ---- */

void
sim_template_pvc(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_addf(b, ",\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
	    "\"resources\":{\"requests\":{\"storage\":\"%uGi\"}},",
	    st->replicas);
	if (st->phase != SIM_WAITING)
		buf_addf(b, "\"volumeName\":\"pvc-%s\",", o->uid);
	buf_adds(b, "\"storageClassName\":\"standard\",\"volumeMode\":"
	    "\"Filesystem\"},\"status\":{");
	if (st->phase == SIM_WAITING)
		buf_adds(b, "\"phase\":\"Pending\"}");
	else if (st->phase == SIM_BROKEN)
		buf_adds(b, "\"phase\":\"Lost\"}");
	else
		buf_addf(b, "\"phase\":\"Bound\",\"accessModes\":["
		    "\"ReadWriteOnce\"],\"capacity\":{\"storage\":\"%uGi\"}}",
		    st->replicas);
}
