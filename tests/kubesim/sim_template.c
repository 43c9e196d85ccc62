#include "tests/kubesim/sim_template.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/macros.h"
#include "tests/kubesim/sim_kinds.h"

#define REPLICAS_MAX 100000

void
sim_template_time(int64_t unix_ms, char buf[MONO_RFC3339_SIZE])
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(buf, MONO_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf[0] = '\0';
}

void
sim_template_hash(const char *app, uint32_t image, char hash[SIM_HASH_SIZE])
{
	/* The letters Kubernetes uses, so that no word comes out. */
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	uint64_t h = 1469598103934665603u ^ image;

	for (; *app != '\0'; app++)
		h = (h ^ (unsigned char)*app) * 1099511628211u;
	h ^= (uint64_t)image * 0x9e3779b97f4a7c15u;
	for (int i = 0; i < SIM_HASH_SIZE - 1; i++) {
		hash[i] = letters[h % (sizeof(letters) - 1)];
		h /= sizeof(letters) - 1;
	}
	hash[SIM_HASH_SIZE - 1] = '\0';
}

/* ---- labels and annotations ---- */

void
sim_template_app_labels(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_addf(b, ",\"labels\":{\"app\":\"%s\","
	    "\"app.kubernetes.io/managed-by\":\"kubesim\"},"
	    "\"annotations\":{\"deployment.kubernetes.io/revision\":\"%u\","
	    "\"example.com/owner\":\"J\xc3\xb6rg M\xc3\xbcller \xe2\x80\x94 "
	    "\xe3\x83\x81\xe3\x83\xbc\xe3\x83\xa0 \xf0\x9f\x9a\x80\","
	    "\"example.com/note\":\"a \\\"quoted\\\" line\\nand "
	    "\\u0001 \\u2028 control\"}", o->app, st->image);
}

void
sim_template_plain_labels(struct buf *b, const struct sim_object *o,
    UNUSED const struct sim_state *st)
{
	buf_addf(b, ",\"labels\":{\"app\":\"%s\","
	    "\"app.kubernetes.io/managed-by\":\"kubesim\"},"
	    "\"annotations\":{\"example.com/owner\":\"J\xc3\xb6rg "
	    "M\xc3\xbcller \xf0\x9f\x9a\x80\",\"example.com/serial\":"
	    "\"9007199254740993\"}", o->app);
}

/* What the owner of a pod adds to its labels. */
static void
owner_labels(struct buf *b, const struct sim_object *o, const char *hash)
{
	enum sim_kind kind = o->owner != NULL ? o->owner->kind :
	    SIM_REPLICASET;

	if (kind == SIM_STATEFULSET)
		buf_addf(b, ",\"apps.kubernetes.io/pod-index\":\"%s\","
		    "\"controller-revision-hash\":\"%s-%s\","
		    "\"statefulset.kubernetes.io/pod-name\":\"%s\"",
		    strrchr(o->name, '-') + 1, o->owner->name, hash, o->name);
	else if (kind == SIM_DAEMONSET)
		buf_addf(b, ",\"controller-revision-hash\":\"%s\","
		    "\"pod-template-generation\":\"%u\"", hash,
		    o->st.image);
	else if (kind == SIM_JOB)
		buf_addf(b, ",\"batch.kubernetes.io/controller-uid\":\"%s\","
		    "\"batch.kubernetes.io/job-name\":\"%s\"",
		    o->owner->uid, o->owner->name);
	else
		buf_addf(b, ",\"pod-template-hash\":\"%s\"", hash);
}

void
sim_template_hash_labels(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char hash[SIM_HASH_SIZE];

	sim_template_hash(o->app, st->image, hash);
	buf_addf(b, ",\"labels\":{\"app\":\"%s\"", o->app);
	owner_labels(b, o, hash);
	buf_addc(b, '}');
	if (o->kind == SIM_REPLICASET)
		buf_addf(b, ",\"annotations\":{"
		    "\"deployment.kubernetes.io/desired-replicas\":\"%u\","
		    "\"deployment.kubernetes.io/revision\":\"%u\"}",
		    st->replicas, st->image);
}

void
sim_template_node_labels(struct buf *b, const struct sim_object *o,
    UNUSED const struct sim_state *st)
{
	buf_addf(b, ",\"labels\":{\"kubernetes.io/hostname\":\"%s\","
	    "\"kubernetes.io/arch\":\"amd64\",\"kubernetes.io/os\":\"linux\","
	    "\"topology.kubernetes.io/region\":\"sim-central-1\","
	    "\"topology.kubernetes.io/zone\":\"sim-central-1%c\"}", o->name,
	    (char)('a' + o->ordinal % 3));
}

void
sim_template_namespace_labels(struct buf *b, const struct sim_object *o,
    UNUSED const struct sim_state *st)
{
	buf_addf(b, ",\"labels\":{\"kubernetes.io/metadata.name\":\"%s\"}",
	    o->name);
}

void
sim_template_storageclass_labels(struct buf *b,
    UNUSED const struct sim_object *o, UNUSED const struct sim_state *st)
{
	buf_adds(b, ",\"annotations\":{"
	    "\"storageclass.kubernetes.io/is-default-class\":\"true\"}");
}

/* ---- pod template, shared by Deployment and ReplicaSet ---- */

void
sim_template_pod_spec(struct buf *b, const struct sim_object *o,
    uint32_t image, const char *restart_policy)
{
	buf_addf(b, "\"containers\":[{\"name\":\"%s\",\"image\":"
	    "\"registry.example/%s/%s:1.%u\",\"ports\":[{\"name\":\"http\","
	    "\"containerPort\":8080,\"protocol\":\"TCP\"}],\"env\":[{\"name\":"
	    "\"LOG_LEVEL\",\"value\":\"info\"}],\"resources\":{\"limits\":{"
	    "\"cpu\":\"500m\",\"memory\":\"256Mi\"},\"requests\":{\"cpu\":"
	    "\"50m\",\"memory\":\"64Mi\"}},", o->app, o->ns, o->app, image);
	buf_adds(b, "\"readinessProbe\":{\"httpGet\":{\"path\":\"/ready\","
	    "\"port\":\"http\",\"scheme\":\"HTTP\"},\"timeoutSeconds\":1,"
	    "\"periodSeconds\":10,\"successThreshold\":1,"
	    "\"failureThreshold\":3},"
	    "\"terminationMessagePath\":\"/dev/termination-log\","
	    "\"terminationMessagePolicy\":\"File\","
	    "\"imagePullPolicy\":\"IfNotPresent\"}],");
	buf_addf(b, "\"restartPolicy\":\"%s\","
	    "\"terminationGracePeriodSeconds\":30,"
	    "\"dnsPolicy\":\"ClusterFirst\",\"securityContext\":{},"
	    "\"schedulerName\":\"default-scheduler\"", restart_policy);
}

static void
add_condition(struct buf *b, const char *type, bool is_true,
    const char *reason, const char *message, const char *time, bool last)
{
	buf_addf(b, "{\"type\":\"%s\",\"status\":\"%s\","
	    "\"lastUpdateTime\":\"%s\",\"lastTransitionTime\":\"%s\","
	    "\"reason\":\"%s\",\"message\":\"%s\"}%s", type,
	    is_true ? "True" : "False", time, time, reason, message,
	    last ? "" : ",");
}

void
sim_template_count(struct buf *b, const char *name, uint32_t n)
{
	if (n != 0)                          /* omitempty, as in Go */
		buf_addf(b, ",\"%s\":%u", name, n);
}

static void
deployment_conditions(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	bool available = st->ready >= st->replicas - st->replicas / 4;
	char changed[MONO_RFC3339_SIZE], hash[SIM_HASH_SIZE], message[512];

	sim_template_time(st->changed_ms, changed);
	sim_template_hash(o->app, st->image, hash);
	buf_adds(b, ",\"conditions\":[");
	(void)snprintf(message, sizeof(message), "Deployment %s minimum "
	    "availability.", available ? "has" : "does not have");
	add_condition(b, "Available", available, available ?
	    "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
	    message, changed, false);
	(void)snprintf(message, sizeof(message), "ReplicaSet \\\"%.200s-%s\\\" "
	    "%s", o->name, hash, st->rolled_out ?
	    "has successfully progressed." : "is progressing.");
	add_condition(b, "Progressing", true, st->rolled_out ?
	    "NewReplicaSetAvailable" : "ReplicaSetUpdated", message, changed,
	    true);
	buf_addc(b, ']');
}

/* What was appended since `at` begins with one. */
static void
drop_comma(struct buf *b, size_t at)
{
	if (b->len == at)
		return;
	memmove(b->data + at, b->data + at + 1, b->len - at - 1);
	b->len--;
}

void
sim_template_deployment(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	size_t at;

	buf_addf(b, ",\"spec\":{\"replicas\":%u,\"selector\":{\"matchLabels\":"
	    "{\"app\":\"%s\"}},\"template\":{\"metadata\":{"
	    "\"labels\":{\"app\":\"%s\"}},\"spec\":{",
	    st->replicas, o->app, o->app);
	sim_template_pod_spec(b, o, st->image, "Always");
	buf_addf(b, "}},\"strategy\":{\"type\":\"RollingUpdate\","
	    "\"rollingUpdate\":{\"maxUnavailable\":\"25%%\",\"maxSurge\":"
	    "\"25%%\"}},\"revisionHistoryLimit\":10,%s"
	    "\"progressDeadlineSeconds\":600},\"status\":{",
	    st->paused ? "\"paused\":true," : "");
	at = b->len;
	sim_template_count(b, "observedGeneration", st->observed);
	sim_template_count(b, "replicas", st->have);
	sim_template_count(b, "updatedReplicas", st->updated);
	sim_template_count(b, "readyReplicas", st->ready);
	sim_template_count(b, "availableReplicas", st->ready);
	/* Before its controller has seen it, it has no status. */
	if (st->observed != 0) {
		sim_template_count(b, "unavailableReplicas", st->replicas >
		    st->ready ? st->replicas - st->ready : 0);
		deployment_conditions(b, o, st);
	}
	drop_comma(b, at);
	buf_addc(b, '}');
}

void
sim_template_replicaset(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char hash[SIM_HASH_SIZE];

	sim_template_hash(o->app, st->image, hash);
	buf_addf(b, ",\"spec\":{\"replicas\":%u,\"selector\":{\"matchLabels\":"
	    "{\"app\":\"%s\",\"pod-template-hash\":\"%s\"}},\"template\":{"
	    "\"metadata\":{\"labels\":{\"app\":"
	    "\"%s\",\"pod-template-hash\":\"%s\"}},\"spec\":{",
	    st->replicas, o->app, hash, o->app, hash);
	sim_template_pod_spec(b, o, st->image, "Always");
	buf_addf(b, "}}},\"status\":{\"replicas\":%u", st->have);
	sim_template_count(b, "fullyLabeledReplicas", st->have);
	sim_template_count(b, "readyReplicas", st->ready);
	sim_template_count(b, "availableReplicas", st->ready);
	sim_template_count(b, "observedGeneration", st->observed);
	buf_addc(b, '}');
}

/* ---- cluster-scoped kinds ---- */

void
sim_template_node(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char created[MONO_RFC3339_SIZE];

	sim_template_time(o->created_ms, created);
	buf_addf(b, ",\"spec\":{\"podCIDR\":\"10.%u.0.0/24\",\"providerID\":"
	    "\"sim:///sim-central-1/%s\"%s},\"status\":{\"capacity\":{"
	    "\"cpu\":\"8\",\"memory\":\"32886568Ki\",\"pods\":\"110\"},"
	    "\"allocatable\":{\"cpu\":\"7910m\",\"memory\":\"31Gi\","
	    "\"pods\":\"110\"},", o->ordinal % 250, o->name,
	    st->paused ? ",\"unschedulable\":true" : "");
	buf_addf(b, "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
	    "\"lastHeartbeatTime\":\"%s\",\"lastTransitionTime\":\"%s\","
	    "\"reason\":\"KubeletReady\",\"message\":\"kubelet is posting "
	    "ready status\"}],\"nodeInfo\":{\"kubeletVersion\":\"v1.36.1\","
	    "\"osImage\":\"Debian GNU/Linux 12 (bookworm)\",\"architecture\":"
	    "\"amd64\",\"operatingSystem\":\"linux\"}}", created, created);
}

void
sim_template_namespace(struct buf *b, UNUSED const struct sim_object *o,
    UNUSED const struct sim_state *st)
{
	buf_adds(b, ",\"spec\":{\"finalizers\":[\"kubernetes\"]},"
	    "\"status\":{\"phase\":\"Active\"}");
}

void
sim_template_storageclass(struct buf *b, UNUSED const struct sim_object *o,
    UNUSED const struct sim_state *st)
{
	buf_adds(b, ",\"provisioner\":\"sim.example/disk\",\"reclaimPolicy\":"
	    "\"Delete\",\"volumeBindingMode\":\"WaitForFirstConsumer\"");
}

/* ---- length ---- */

static void
add_pad(struct buf *b, uint32_t i, enum sim_pad what)
{
	if (what == SIM_PAD_MANAGED)
		buf_addf(b, ",\"k:{\\\"name\\\":\\\"SETTING_%04u\\\"}\":{"
		    "\".\":{},\"f:name\":{},\"f:value\":{}}", i);
	else
		buf_addf(b, ",{\"name\":\"SETTING_%04u\",\"value\":"
		    "\"https://settings.example.com/v1/applications/"
		    "storefront/environments/production/flags/%04u"
		    "?default=off&cache=300s&region=central\"}", i, i);
}

/* The text depends on n alone, and nearly all pods have the same: it is made
 * once. */
void
sim_template_pad(struct buf *b, uint32_t n, enum sim_pad what)
{
	static struct { uint32_t n; struct buf text; } made[SIM_PAD_MAX];

	if (made[what].n != n) {
		buf_reset(&made[what].text);
		for (uint32_t i = 0; i < n; i++)
			add_pad(&made[what].text, i, what);
		made[what].n = n;
	}
	buf_add(b, made[what].text.data, made[what].text.len);
}

/* ---- managedFields: bytes that a reader should skip ---- */

void
sim_template_managed(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char changed[MONO_RFC3339_SIZE];

	sim_template_time(st->changed_ms, changed);
	buf_addf(b, ",\"managedFields\":[{\"manager\":"
	    "\"kube-controller-manager\",\"operation\":\"Update\","
	    "\"apiVersion\":\"%s\",\"time\":\"%s\",\"fieldsType\":"
	    "\"FieldsV1\",\"fieldsV1\":{\"f:metadata\":{\"f:labels\":{\".\":{},"
	    "\"f:app\":{},\"f:pod-template-hash\":{}},\"f:ownerReferences\":{"
	    "\".\":{},\"k:{\\\"uid\\\":\\\"%s\\\"}\":{}}},",
	    sim_kinds_api_version(o->kind), changed, o->uid);
	buf_addf(b, "\"f:spec\":{\"f:replicas\":{},\"f:containers\":{"
	    "\"k:{\\\"name\\\":\\\"%s\\\"}\":{\".\":{},\"f:env\":{\".\":{},"
	    "\"k:{\\\"name\\\":\\\"LOG_LEVEL\\\"}\":{\".\":{},\"f:name\":{},"
	    "\"f:value\":{}}", o->app);
	sim_template_pad(b, o->pad, SIM_PAD_MANAGED);
	buf_adds(b, "},\"f:image\":{},\"f:imagePullPolicy\":{},"
	    "\"f:name\":{},\"f:ports\":{\".\":{}},\"f:readinessProbe\":{"
	    "\".\":{},\"f:failureThreshold\":{},\"f:httpGet\":{\".\":{},"
	    "\"f:path\":{},\"f:port\":{},\"f:scheme\":{}},"
	    "\"f:periodSeconds\":{},\"f:successThreshold\":{},"
	    "\"f:timeoutSeconds\":{}},\"f:resources\":{\".\":{},\"f:limits\":{"
	    "\".\":{},\"f:cpu\":{},\"f:memory\":{}}}}},\"f:dnsPolicy\":{},"
	    "\"f:restartPolicy\":{},\"f:schedulerName\":{}}}}");
	buf_addf(b, ",{\"manager\":\"kubelet\",\"operation\":\"Update\","
	    "\"apiVersion\":\"%s\",\"time\":\"%s\",\"fieldsType\":"
	    "\"FieldsV1\",\"fieldsV1\":{\"f:status\":{\"f:conditions\":{"
	    "\".\":{},\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{},"
	    "\"f:lastTransitionTime\":{},\"f:status\":{},\"f:type\":{}}},"
	    "\"f:containerStatuses\":{},\"f:phase\":{},\"f:podIP\":{}}},"
	    "\"subresource\":\"status\"}]",
	    sim_kinds_api_version(o->kind), changed);
}

/* ---- changes ---- */

void
sim_template_touch_replicas(struct sim_state *st)
{
	st->touches++;
	st->ready = st->ready != 0 && st->ready >= st->replicas ?
	    st->ready - 1 : st->replicas;
}

void
sim_template_touch_pod(struct sim_state *st)
{
	st->touches++;
	if (st->step == SIM_POD_READY) {
		st->step = SIM_POD_STARTED;
		st->restarts++;
	} else {
		st->step = SIM_POD_READY;
	}
}

void
sim_template_touch_phase(struct sim_state *st)
{
	st->touches++;
	st->phase = st->phase == SIM_WELL ? SIM_BROKEN : SIM_WELL;
}

void
sim_template_touch_image(struct sim_state *st)
{
	st->touches++;
	st->image++;
	st->generation++;
}

void
sim_template_absorb_suspend(struct sim_state *st, json_t *doc)
{
	st->paused = json_is_true(json_object_get(json_object_get(doc,
	    "spec"), "suspend"));
}

void
sim_template_absorb_replicas(struct sim_state *st, json_t *doc)
{
	json_t *spec = json_object_get(doc, "spec");
	json_t *value = json_object_get(spec, "replicas");

	if (json_is_integer(value) && json_integer_value(value) >= 0 &&
	    json_integer_value(value) <= REPLICAS_MAX)
		st->replicas = (uint32_t)json_integer_value(value);
	st->paused = json_is_true(json_object_get(spec, "paused"));
}

void
sim_template_filler(struct buf *b, uint32_t n)
{
	static const char escape[] = "\\u0007";
	uint32_t width = sizeof(escape) - 1;

	buf_adds(b, ",\"filler\":\"");
	for (; n >= width; n -= width)
		buf_adds(b, escape);
	while (n-- > 0)
		buf_addc(b, 'x');
	buf_addc(b, '"');
}
