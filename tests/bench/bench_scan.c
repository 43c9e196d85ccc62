/*
 * bench_scan: what the watcher does with the bytes of a watch and of a list,
 * up to the slices of each object, in each way this machine has; and jansson,
 * which makes a tree of the same events.
 *
 *	bench_scan [--short | --dump | --only NAME]
 *
 * The input is OBJECTS pods of 10 KB, dense as real ones are (no long texts
 * to leap over), the same at every run. First every slice is compared with
 * jansson's values, in every way; a difference ends it with status 1. Then,
 * unless --short, each is timed: user CPU, the best of ROUNDS. Lines of
 * "name=NAME mb_s=N us=N" (us per object). --only that one, for a profiler;
 * --dump writes the events instead.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json_block.h"
#include "common/list_stream.h"
#include "common/macros.h"
#include "watcher/kube_object.h"
#include "watcher/watch_stream.h"

#define OBJECTS   64u
#define POD_BYTES 10000u
#define CHUNK     16384u   /* what curl hands over at once */
#define ROUNDS    60
#define REPEAT    4        /* times the input, in one round */

static uint32_t seed = 20240229;
static const char *only;   /* NULL: all */

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

NORETURN static void
die(const char *what)
{
	fprintf(stderr, "bench_scan: %s\n", what);
	exit(1);
}

/* --- pods ----------------------------------------------------------------- */

static void
add_metadata(struct buf *b, unsigned i)
{
	buf_addf(b, "\"metadata\":{\"name\":\"web-%08x-%05x\",\"generateName\":"
	    "\"web-%08x-\",\"namespace\":\"team-%u\",\"uid\":\"%08x-1c2d-4e3f-"
	    "8a9b-%012x\",\"resourceVersion\":\"%u\",\"generation\":%u,"
	    "\"creationTimestamp\":\"2024-02-29T10:11:12Z\",\"labels\":{"
	    "\"app.kubernetes.io/name\":\"web\",\"app.kubernetes.io/instance\":"
	    "\"web-%u\",\"pod-template-hash\":\"%08x\",\"tier\":\"front\"},"
	    "\"annotations\":{\"prometheus.io/scrape\":\"true\",\"note\":"
	    "\"r\xc3\xa9gion \xe6\x9d\xb1\xe4\xba\xac\","
	    "\"kubectl.kubernetes.io/"
	    "last-applied-configuration\":\"{\\\"kind\\\":\\\"Pod\\\",\\\"spec"
	    "\\\":{\\\"replicas\\\":3,\\\"path\\\":\\\"C:\\\\\\\\x\\\"}}\\n\"},"
	    "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":"
	    "\"ReplicaSet\",\"name\":\"web-%08x\","
	    "\"uid\":\"%08x-aaaa-bbbb-cccc-"
	    "%012x\",\"controller\":true,\"blockOwnerDeletion\":true}]",
	    rnd(1u << 31), rnd(1u << 20), rnd(1u << 31), rnd(165),
	    rnd(1u << 31), i, 1000000 + i, 1 + rnd(9), i, rnd(1u << 31),
	    rnd(1u << 31), rnd(1u << 31), i);
	buf_adds(b, ",\"managedFields\":[{\"manager\":\"kubelet\","
	    "\"operation\":\"Update\",\"apiVersion\":\"v1\","
	    "\"time\":\"2024-02-29T10:11:14Z\","
	    "\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:status\":{"
	    "\"f:conditions\":{\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{},"
	    "\"f:lastProbeTime\":{},\"f:lastTransitionTime\":{},\"f:status\":"
	    "{},"
	    "\"f:type\":{}},\"k:{\\\"type\\\":\\\"Initialized\\\"}\":{\".\":{},"
	    "\"f:status\":{},\"f:type\":{}}},\"f:containerStatuses\":{},"
	    "\"f:hostIP\":{},\"f:phase\":{},\"f:podIP\":{},\"f:podIPs\":{\".\":"
	    "{},\"k:{\\\"ip\\\":\\\"10.1.2.3\\\"}\":{\".\":{},\"f:ip\":{}}},"
	    "\"f:startTime\":{}}},\"subresource\":\"status\"}]},");
}

static void
add_container(struct buf *b, unsigned i, unsigned variables)
{
	unsigned k;

	buf_addf(b, "%s{\"name\":\"c%u\",\"image\":\"registry.example/team/web:"
	    "1.%u.%u\",\"command\":[\"/bin/web\",\"--listen\",\":8080\"],"
	    "\"ports\":[{\"name\":\"http\",\"containerPort\":8080,\"protocol\":"
	    "\"TCP\"}],\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":"
	    "\"256Mi\"},\"requests\":{\"cpu\":\"%um\",\"memory\":\"64Mi\"}},"
	    "\"livenessProbe\":{\"httpGet\":{\"path\":\"/healthz\","
	    "\"port\":8080,"
	    "\"scheme\":\"HTTP\"},\"initialDelaySeconds\":5,"
	    "\"timeoutSeconds\":1,"
	    "\"periodSeconds\":10,\"successThreshold\":1,"
	    "\"failureThreshold\":3},"
	    "\"volumeMounts\":[{\"name\":\"config\",\"readOnly\":true,"
	    "\"mountPath\":\"/etc/web\"}],\"terminationMessagePath\":"
	    "\"/dev/termination-log\",\"imagePullPolicy\":\"IfNotPresent\","
	    "\"securityContext\":{\"runAsUser\":1000,\"privileged\":false},"
	    "\"env\":[", i > 0 ? "," : "", i, rnd(100), rnd(100), rnd(500));
	for (k = 0; k < variables; k++)
		buf_addf(b, "%s{\"name\":\"SETTING_%u\",\"value\":\"%x\"}",
		    k > 0 ? "," : "", k, rnd(1u << (4 + rnd(27))));
	buf_adds(b, "]}");
}

static void
add_spec(struct buf *b, unsigned variables)
{
	unsigned i;

	buf_adds(b, "\"spec\":{\"volumes\":[{\"name\":\"config\","
	    "\"configMap\":{"
	    "\"name\":\"web\","
	    "\"defaultMode\":420}},{\"name\":\"kube-api-access\","
	    "\"projected\":{\"sources\":[{\"serviceAccountToken\":{"
	    "\"expirationSeconds\":3607,\"path\":\"token\"}}],"
	    "\"defaultMode\":420"
	    "}}],\"containers\":[");
	for (i = 0; i < 3; i++)
		add_container(b, i, variables);
	buf_addf(b, "],\"restartPolicy\":\"Always\",\"dnsPolicy\":"
	    "\"ClusterFirst\",\"nodeName\":\"node-%u\","
	    "\"tolerations\":[{\"key\":"
	    "\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\","
	    "\"effect\":"
	    "\"NoExecute\",\"tolerationSeconds\":300}],\"priority\":0},",
	    rnd(5000));
}

static void
add_status(struct buf *b)
{
	static const char *const types[] = { "PodReadyToStartContainers",
		"Initialized", "Ready", "ContainersReady", "PodScheduled" };
	size_t i;

	buf_adds(b, "\"status\":{\"phase\":\"Running\",\"conditions\":[");
	for (i = 0; i < NELEM(types); i++)
		buf_addf(b, "%s{\"type\":\"%s\",\"status\":\"True\","
		    "\"lastProbeTime\":null,\"lastTransitionTime\":"
		    "\"2024-02-29T10:11:%02uZ\"}", i > 0 ? "," : "", types[i],
		    rnd(60));
	buf_adds(b, "],\"containerStatuses\":[");
	for (i = 0; i < 3; i++)
		buf_addf(b, "%s{\"name\":\"c%zu\",\"state\":{\"running\":{"
		    "\"startedAt\":\"2024-02-29T10:11:14Z\"}},\"lastState\":{},"
		    "\"ready\":true,\"restartCount\":%u,\"image\":"
		    "\"registry.example/team/web:1.2.3\",\"started\":true,"
		    "\"containerID\":\"containerd://%08x%08x%08x%08x\"}",
		    i > 0 ? "," : "", i, rnd(4), rnd(1u << 31), rnd(1u << 31),
		    rnd(1u << 31), rnd(1u << 31));
	buf_addf(b, "],\"hostIP\":\"192.0.2.%u\",\"podIP\":\"10.1.2.%u\","
	    "\"podIPs\":[{\"ip\":\"10.1.2.3\"}],\"startTime\":"
	    "\"2024-02-29T10:11:12Z\",\"qosClass\":\"Burstable\"}",
	    rnd(256), rnd(256));
}

/* As many variables as make it POD_BYTES, about. */
static void
add_pod(struct buf *b, unsigned i)
{
	static unsigned variables;
	size_t begin = b->len;

	buf_adds(b, "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",");
	add_metadata(b, i);
	add_spec(b, variables);
	add_status(b);
	buf_addc(b, '}');
	if (b->len - begin < POD_BYTES)
		variables++;
}

struct input {
	struct buf	events;
	struct buf	list;
};

static void
make_input(struct input *in)
{
	struct buf pod = BUF_EMPTY;
	unsigned i;

	for (i = 0; pod.len < POD_BYTES; i++) {   /* until they are that long */
		buf_reset(&pod);
		add_pod(&pod, i);
	}
	buf_adds(&in->list, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\","
	    "\"metadata\":{\"resourceVersion\":\"77\"},\"items\":[");
	for (i = 0; i < OBJECTS; i++) {
		buf_reset(&pod);
		add_pod(&pod, i);
		buf_adds(&in->events, "{\"type\":\"MODIFIED\",\"object\":");
		buf_add(&in->events, pod.data, pod.len);
		buf_adds(&in->events, "}\n");
		if (i > 0)
			buf_addc(&in->list, ',');
		buf_add(&in->list, pod.data, pod.len);
	}
	buf_adds(&in->list, "]}");
	buf_free(&pod);
}

/* --- equality ------------------------------------------------------------- */

static void
same_json(struct slice raw, json_t *value, const char *what)
{
	json_t *mine = raw.p == NULL ? NULL : json_loadb(raw.p, raw.n,
	    JSON_DECODE_ANY, NULL);

	if (mine == NULL || value == NULL || !json_equal(mine, value))
		die(what);
	json_decref(mine);
}

static void
same_text(struct slice text, json_t *value, const char *what)
{
	if (!json_is_string(value) ||
	    !slice_is(text, json_string_value(value)))
		die(what);
}

static void
same_object(const struct kube_object *o, json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");

	same_text(o->kind, json_object_get(object, "kind"), "kind differs");
	same_text(o->uid, json_object_get(metadata, "uid"), "uid differs");
	same_text(o->namespace, json_object_get(metadata, "namespace"),
	    "namespace differs");
	same_text(o->name, json_object_get(metadata, "name"), "name differs");
	same_text(o->resource_version, json_object_get(metadata,
	    "resourceVersion"), "resourceVersion differs");
	same_json(o->owner_references, json_object_get(metadata,
	    "ownerReferences"), "ownerReferences differ");
	same_json(o->spec, json_object_get(object, "spec"), "spec differs");
	same_json(o->status, json_object_get(object, "status"),
	    "status differs");
	if (o->generation != json_integer_value(json_object_get(metadata,
	    "generation")))
		die("generation differs");
}

/* --- what is done --------------------------------------------------------- */

struct run {
	bool		check;
	unsigned	seen;
	uint64_t	sum;   /* that no compiler leaves the work out */
};

static bool
event_cb(struct slice frame, void *arg)
{
	struct run *run = arg;
	struct kube_event event;
	struct err err = { 0 };
	json_t *root;

	if (kube_object_parse_event(frame, &event, &err) < 0)
		die(err.text);
	run->seen++;
	run->sum += event.object.status.n;
	if (!run->check)
		return true;
	root = json_loadb(frame.p, frame.n, 0, NULL);
	if (event.type != KUBE_EVENT_MODIFIED)
		die("type differs");
	same_object(&event.object, json_object_get(root, "object"));
	json_decref(root);
	return true;
}

static bool
item_cb(struct slice item, void *arg)
{
	struct run *run = arg;
	struct kube_object object;
	struct err err = { 0 };
	json_t *root;

	if (kube_object_parse(item, &object, &err) < 0)
		die(err.text);
	run->seen++;
	run->sum += object.status.n;
	if (!run->check)
		return true;
	root = json_loadb(item.p, item.n, 0, NULL);
	same_object(&object, root);
	json_decref(root);
	return true;
}

static void
do_events(const struct input *in, struct run *run)
{
	struct watch_stream stream = { 0 };
	const char *p = (const char *)in->events.data;
	size_t left = in->events.len, n;

	for (; left > 0; p += n, left -= n) {
		n = MIN(left, (size_t)CHUNK);
		if (!watch_stream_feed(&stream, p, n, event_cb, run))
			die("the watch broke off");
	}
	watch_stream_reset(&stream);
}

static void
do_list(const struct input *in, struct run *run)
{
	struct list_stream stream = { 0 };
	const char *p = (const char *)in->list.data;
	size_t left = in->list.len, n;

	for (; left > 0; p += n, left -= n) {
		n = MIN(left, (size_t)CHUNK);
		if (!list_stream_feed(&stream, p, n, item_cb, run))
			die("the list broke off");
	}
	if (!list_stream_complete(&stream))
		die("the list has no end");
	list_stream_reset(&stream);
}

/* Frames are found here as there; the tree is freed, which is part of it. */
static void
do_jansson(const struct input *in, struct run *run)
{
	const char *p = (const char *)in->events.data, *newline;
	const char *end = p + in->events.len;
	json_t *root, *status;

	for (; p < end; p = newline + 1) {
		newline = memchr(p, '\n', (size_t)(end - p));
		root = json_loadb(p, (size_t)(newline - p), 0, NULL);
		status = json_object_get(json_object_get(root, "object"),
		    "status");
		run->seen++;
		run->sum += json_object_size(status);
		json_decref(root);
	}
}

/* --- time ----------------------------------------------------------------- */

typedef void (*work_fn)(const struct input *in, struct run *run);

static double
cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
check(const struct input *in, work_fn work)
{
	struct run run = { .check = true };

	work(in, &run);
	if (run.seen != OBJECTS)
		die("objects are missing");
}

static void
measure(const struct input *in, work_fn work, size_t bytes, const char *way,
    const char *what)
{
	double best = 0, took;
	struct run run = { 0 };
	char name[64];
	int i, k;

	(void)snprintf(name, sizeof(name), "%s_%s", way, what);
	if (only != NULL && strcmp(name, only) != 0)
		return;
	for (i = 0; i < ROUNDS; i++) {
		took = cpu_us();
		for (k = 0; k < REPEAT; k++)
			work(in, &run);
		took = (cpu_us() - took) / REPEAT;
		if (i == 0 || took < best)
			best = took;
	}
	if (run.sum == 0)
		die("nothing was found");
	printf("name=%s mb_s=%.1f us=%.3f\n", name, (double)bytes / best,
	    best / OBJECTS);
}

int
main(int argc, char **argv)
{
	bool brief = argc > 1 && strcmp(argv[1], "--short") == 0;
	struct input in = { BUF_EMPTY, BUF_EMPTY };
	int way;

	if (argc > 2 && strcmp(argv[1], "--only") == 0)
		only = argv[2];
	make_input(&in);
	if (argc > 1 && strcmp(argv[1], "--dump") == 0)
		return fwrite(in.events.data, 1, in.events.len, stdout) ==
		    in.events.len ? 0 : 1;
	for (way = 0; way < JSON_BLOCK_MAX; way++) {
		if (!json_block_use((enum json_block_way)way))
			continue;
		check(&in, do_events);
		check(&in, do_list);
		if (brief)
			continue;
		measure(&in, do_events, in.events.len,
		    json_block_name((enum json_block_way)way), "event");
		measure(&in, do_list, in.list.len,
		    json_block_name((enum json_block_way)way), "item");
	}
	if (!brief)
		measure(&in, do_jansson, in.events.len, "jansson", "event");
	printf("objects=%u bytes=%zu differences=0\n", OBJECTS,
	    in.events.len / OBJECTS);
	buf_free(&in.events);
	buf_free(&in.list);
	return 0;
}
