/* The pod's template: the longest one, so it has a file of its own. */
#include <stdio.h>

#include "tests/kubesim/sim_template.h"

#define NODES 3

static const char *const phases[SIM_POD_STEP_MAX] = {
	[SIM_POD_PENDING] = "Pending",
	[SIM_POD_CREATING] = "Pending",
	[SIM_POD_STARTED] = "Running",
	[SIM_POD_READY] = "Running",
	[SIM_POD_CRASHLOOP] = "Running",
	[SIM_POD_IMAGEPULL] = "Pending",
	[SIM_POD_OOMKILLED] = "Running",
	[SIM_POD_SUCCEEDED] = "Succeeded",
	[SIM_POD_FAILED] = "Failed",
};

static void
add_condition(struct buf *b, const char *type, bool is_true,
    const char *reason, const char *app, const char *time)
{
	buf_addf(b, "{\"type\":\"%s\",\"status\":\"%s\",\"lastProbeTime\":null,"
	    "\"lastTransitionTime\":\"%s\"", type, is_true ? "True" : "False",
	    time);
	if (!is_true)
		buf_addf(b, ",\"reason\":\"%s\",\"message\":\"containers with "
		    "unready status: [%s]\"", reason, app);
	buf_addc(b, '}');
}

static void
add_conditions(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	bool ready = st->step == SIM_POD_READY;
	const char *why = st->step == SIM_POD_SUCCEEDED ? "PodCompleted" :
	    st->step == SIM_POD_FAILED ? "PodFailed" : "ContainersNotReady";
	char created[MONO_RFC3339_SIZE], changed[MONO_RFC3339_SIZE];

	sim_template_time(o->created_ms, created);
	sim_template_time(st->changed_ms, changed);
	buf_adds(b, ",\"conditions\":[");
	if (st->step != SIM_POD_PENDING) {
		add_condition(b, "Initialized", true, "", o->app, created);
		buf_addc(b, ',');
		add_condition(b, "Ready", ready, why, o->app, changed);
		buf_addc(b, ',');
		add_condition(b, "ContainersReady", ready, why, o->app,
		    changed);
		buf_addc(b, ',');
	}
	add_condition(b, "PodScheduled", true, "", o->app, created);
	buf_addc(b, ']');
}

static void
add_waiting(struct buf *b, const char *reason, const char *message)
{
	buf_addf(b, "\"state\":{\"waiting\":{\"reason\":\"%s\",\"message\":"
	    "\"%s\"}}", reason, message);
}

static void
add_container_state(struct buf *b, const struct sim_object *o,
    const struct sim_state *st, const char *started, const char *changed)
{
	char message[512];

	switch (st->step) {
	case SIM_POD_PENDING:
	case SIM_POD_CREATING:
		buf_adds(b, "\"state\":{\"waiting\":{\"reason\":"
		    "\"ContainerCreating\"}}");
		break;
	case SIM_POD_STARTED:
	case SIM_POD_READY:
		buf_addf(b, "\"state\":{\"running\":{\"startedAt\":\"%s\"}}",
		    started);
		break;
	case SIM_POD_CRASHLOOP:
		(void)snprintf(message, sizeof(message), "back-off 10s "
		    "restarting failed container=%.60s pod=%.253s", o->app,
		    o->name);
		add_waiting(b, "CrashLoopBackOff", message);
		break;
	case SIM_POD_IMAGEPULL:
		(void)snprintf(message, sizeof(message), "Back-off pulling "
		    "image \\\"registry.example/%.60s/%.60s:1.%u\\\"", o->ns,
		    o->app, st->image);
		add_waiting(b, "ImagePullBackOff", message);
		break;
	case SIM_POD_OOMKILLED:
		buf_addf(b, "\"state\":{\"terminated\":{\"exitCode\":137,"
		    "\"reason\":\"OOMKilled\",\"startedAt\":\"%s\","
		    "\"finishedAt\":\"%s\"}}", started, changed);
		break;
	case SIM_POD_SUCCEEDED:
	case SIM_POD_FAILED:
		buf_addf(b, "\"state\":{\"terminated\":{\"exitCode\":%d,"
		    "\"reason\":\"%s\",\"startedAt\":\"%s\","
		    "\"finishedAt\":\"%s\"}}",
		    st->step == SIM_POD_FAILED ? 3 : 0,
		    st->step == SIM_POD_FAILED ? "Error" : "Completed",
		    started, changed);
		break;
	case SIM_POD_STEP_MAX:
		break;
	}
}

static void
add_container(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	bool up = st->step == SIM_POD_READY || st->step == SIM_POD_STARTED;
	char started[MONO_RFC3339_SIZE], changed[MONO_RFC3339_SIZE];

	sim_template_time(st->started_ms, started);
	sim_template_time(st->changed_ms, changed);
	buf_addf(b, ",\"containerStatuses\":[{\"name\":\"%s\",", o->app);
	add_container_state(b, o, st, started, changed);
	buf_adds(b, ",\"lastState\":{");
	if (st->restarts != 0)
		buf_addf(b, "\"terminated\":{\"exitCode\":1,\"reason\":"
		    "\"Error\",\"startedAt\":\"%s\",\"finishedAt\":\"%s\","
		    "\"containerID\":\"containerd://%016x%016x\"}", started,
		    started, o->ordinal, st->restarts);
	buf_addf(b, "},\"ready\":%s,\"restartCount\":%u,\"image\":"
	    "\"registry.example/%s/%s:1.%u\",\"imageID\":\"%s\",\"started\":%s",
	    st->step == SIM_POD_READY ? "true" : "false", st->restarts, o->ns,
	    o->app, st->image, up ? "sha256:0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f"
	    "60718293a4b5c6d7e8f9012345678abc" : "", up ? "true" : "false");
	if (up)
		buf_addf(b, ",\"containerID\":\"containerd://%016x%016x\"",
		    o->ordinal, st->restarts + 1);
	buf_adds(b, "}]");
}

static void
add_spec(struct buf *b, const struct sim_object *o, const struct sim_state *st)
{
	buf_addf(b, ",\"spec\":{\"volumes\":[{\"name\":\"kube-api-access-%04x"
	    "\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{"
	    "\"expirationSeconds\":3607,\"path\":\"token\"}},{\"configMap\":{"
	    "\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":\"ca.crt\","
	    "\"path\":\"ca.crt\"}]}}],\"defaultMode\":420}}],",
	    o->ordinal & 0xffffu);
	buf_addf(b, "\"containers\":[{\"name\":\"%s\",\"image\":"
	    "\"registry.example/%s/%s:1.%u\",\"ports\":[{\"name\":\"http\","
	    "\"containerPort\":8080,\"protocol\":\"TCP\"}],\"env\":[{\"name\":"
	    "\"LOG_LEVEL\",\"value\":\"info\"},{\"name\":\"POD_NAME\","
	    "\"valueFrom\":{\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":"
	    "\"metadata.name\"}}}", o->app, o->ns, o->app, st->image);
	sim_template_pad(b, o->pad, SIM_PAD_VARIABLES);
	buf_adds(b, "],\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":"
	    "\"256Mi\"},\"requests\":{\"cpu\":\"50m\",\"memory\":\"64Mi\"}},"
	    "\"terminationMessagePath\":\"/dev/termination-log\","
	    "\"terminationMessagePolicy\":\"File\","
	    "\"imagePullPolicy\":\"IfNotPresent\"}],");
	buf_addf(b, "\"restartPolicy\":\"%s\","
	    "\"terminationGracePeriodSeconds\":30,", o->owner != NULL &&
	    o->owner->kind == SIM_JOB ? "Never" : "Always");
	buf_adds(b, "\"dnsPolicy\":\"ClusterFirst\","
	    "\"serviceAccountName\":\"default\","
	    "\"serviceAccount\":\"default\",");
	if (st->step != SIM_POD_PENDING)
		buf_addf(b, "\"nodeName\":\"sim-node-%u\",",
		    o->ordinal % NODES + 1);
	buf_adds(b, "\"securityContext\":{},\"schedulerName\":"
	    "\"default-scheduler\",\"tolerations\":[{\"key\":"
	    "\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\","
	    "\"effect\":\"NoExecute\",\"tolerationSeconds\":300},{\"key\":"
	    "\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\","
	    "\"effect\":\"NoExecute\",\"tolerationSeconds\":300}],"
	    "\"priority\":0,\"enableServiceLinks\":true,"
	    "\"preemptionPolicy\":\"PreemptLowerPriority\"}");
}

void
sim_template_pod(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char created[MONO_RFC3339_SIZE];

	sim_template_time(o->created_ms, created);
	add_spec(b, o, st);
	buf_addf(b, ",\"status\":{\"phase\":\"%s\"", phases[st->step]);
	if (st->step == SIM_POD_PENDING) {
		buf_adds(b, ",\"qosClass\":\"Burstable\"}");
		return;
	}
	add_conditions(b, o, st);
	buf_addf(b, ",\"hostIP\":\"192.0.2.%u\",\"podIP\":\"10.244.%u.%u\","
	    "\"podIPs\":[{\"ip\":\"10.244.%u.%u\"}],\"startTime\":\"%s\"",
	    o->ordinal % NODES + 1, o->ordinal / 250 % 250,
	    o->ordinal % 250 + 1, o->ordinal / 250 % 250,
	    o->ordinal % 250 + 1, created);
	add_container(b, o, st);
	buf_adds(b, ",\"qosClass\":\"Burstable\"}");
}
