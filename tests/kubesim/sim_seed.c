/* The cluster as it is when the simulator starts. */
#include <stdio.h>

#include "common/macros.h"
#include "common/mono.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_render.h"
#include "tests/kubesim/sim_seed.h"
#include "tests/kubesim/sim_template.h"

#define NODES   3
#define AGE_MS  (3 * 86400 * 1000LL)
#define PAD_SAMPLE 20u

static const char *const namespaces[] = { "shop", "data", "platform" };

static const char *const apps[][8] = {
	{ "checkout", "payments", "search", "catalog", "cart", "pricing",
	    "reviews", "recommendations" },
	{ "ingest", "warehouse", "feature-store", "reports", "stream-joiner",
	    "exporter", "scheduler", "quality" },
	{ "gateway", "identity", "notifications", "audit", "config", "mailer",
	    "metrics-adapter", "docs" },
};

static void
age(struct sim_store *s, struct sim_object *o)
{
	o->created_ms -= AGE_MS + (int64_t)sim_store_below(s, (uint64_t)AGE_MS);
	o->st.started_ms = o->created_ms + 4000;
}

struct sim_object *
sim_seed_pod(struct sim_store *s, struct sim_object *set)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	char name[SIM_NAME_MAX + 1], tail[6];
	struct sim_object *pod;

	do {
		for (size_t i = 0; i < sizeof(tail) - 1; i++)
			tail[i] = letters[sim_store_below(s,
			    sizeof(letters) - 1)];
		tail[sizeof(tail) - 1] = '\0';
		(void)snprintf(name, sizeof(name), "%.240s-%s", set->name,
		    tail);
	} while (!s->loading &&
	    sim_store_find(s, SIM_POD, set->ns, name) != NULL);
	pod = sim_store_object(s, SIM_POD, set->ns, name, set->app, set);
	pod->st.image = set->st.image;
	return pod;
}

struct sim_object *
sim_seed_numbered_pod(struct sim_store *s, struct sim_object *set,
    unsigned index)
{
	char name[SIM_NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%.240s-%u", set->name, index);
	return sim_store_object(s, SIM_POD, set->ns, name, set->app, set);
}

struct sim_object *
sim_seed_set(struct sim_store *s, struct sim_object *deployment)
{
	char name[SIM_NAME_MAX + 1], hash[SIM_HASH_SIZE];
	struct sim_object *set;

	sim_template_hash(deployment->app, deployment->st.image, hash);
	(void)snprintf(name, sizeof(name), "%.240s-%s", deployment->name,
	    hash);
	set = sim_store_object(s, SIM_REPLICASET, deployment->ns, name,
	    deployment->app, deployment);
	set->st.image = deployment->st.image;
	set->st.replicas = 0;
	set->st.observed = 1;
	return set;
}

static void
settled(struct sim_object *o, uint32_t replicas)
{
	o->st.replicas = o->st.have = o->st.updated = o->st.ready = replicas;
	o->st.observed = o->st.generation;
	o->st.rolled_out = true;
}

/* One Deployment with its ReplicaSet and pods, all well; returns objects. */
static unsigned
seed_deployment(struct sim_store *s, const char *ns, const char *name,
    unsigned room)
{
	unsigned replicas = 2 + (unsigned)sim_store_below(s, 3);
	struct sim_object *deployment, *set, *pod;

	replicas = room > 3 ? MIN(replicas, room - 2) : 1;
	deployment = sim_store_object(s, SIM_DEPLOYMENT, ns, name, name, NULL);
	deployment->st.image = 1 + (uint32_t)sim_store_below(s, 20);
	age(s, deployment);
	settled(deployment, replicas);
	sim_store_add(s, deployment);
	set = sim_seed_set(s, deployment);
	age(s, set);
	settled(set, replicas);
	sim_store_add(s, set);
	for (unsigned i = 0; i < replicas; i++) {
		pod = sim_seed_pod(s, set);
		age(s, pod);
		pod->st.step = SIM_POD_READY;
		sim_store_add(s, pod);
	}
	return replicas + 2;
}

/* Adds the set with its pods, all well. */
static unsigned
seed_set(struct sim_store *s, struct sim_object *o, unsigned n, bool numbered)
{
	struct sim_object *pod;

	settled(o, n);
	sim_store_add(s, o);
	for (unsigned i = 0; i < n; i++) {
		pod = numbered ? sim_seed_numbered_pod(s, o, i) :
		    sim_seed_pod(s, o);
		pod->st.image = o->st.image;
		age(s, pod);
		pod->st.step = SIM_POD_READY;
		sim_store_add(s, pod);
	}
	return n + 1;
}

static struct sim_object *
plain(struct sim_store *s, enum sim_kind kind, const char *ns,
    const char *name, const char *app)
{
	struct sim_object *o = sim_store_object(s, kind, ns, name, app, NULL);

	age(s, o);
	o->st.phase = SIM_WELL;
	return o;
}

/* A Job that is complete, with its pod. */
static unsigned
seed_job(struct sim_store *s, struct sim_object *o)
{
	struct sim_object *pod;

	o->st.observed = o->st.ready = 1;
	sim_store_add(s, o);
	pod = sim_seed_pod(s, o);
	age(s, pod);
	pod->st.step = SIM_POD_SUCCEEDED;
	sim_store_add(s, pod);
	return 2;
}

/* What runs beside a Deployment: one of these per application in turn. */
static unsigned
seed_workload(struct sim_store *s, uint32_t kinds, const char *ns,
    const char *app, unsigned number)
{
	static const enum sim_kind turn[] = { SIM_STATEFULSET, SIM_CRONJOB,
	    SIM_DAEMONSET, SIM_JOB };
	static const char *const tail[] = { "db", "nightly", "agent",
	    "migrate" };
	enum sim_kind kind = turn[number % NELEM(turn)];
	struct sim_object *o;
	char name[96];

	if (!(kinds & SIM_BIT(kind)))
		return 0;
	(void)snprintf(name, sizeof(name), "%.64s-%s", app,
	    tail[number % NELEM(turn)]);
	o = plain(s, kind, ns, name, name);
	if (kind == SIM_STATEFULSET)
		return seed_set(s, o, 2, true);
	if (kind == SIM_DAEMONSET)
		return seed_set(s, o, NODES, false);
	if (kind == SIM_CRONJOB) {
		sim_store_add(s, o);
		return 1;
	}
	return seed_job(s, o);
}

/* One of each kind that needs no pods. */
static unsigned
seed_rest(struct sim_store *s, uint32_t kinds, const char *ns,
    const char *app)
{
	static const struct { enum sim_kind kind; const char *tail; } rest[] = {
		{ SIM_SERVICE, "" }, { SIM_CONFIGMAP, "-config" },
		{ SIM_SECRET, "-credentials" }, { SIM_PVC, "-data" },
		{ SIM_INGRESS, "" }, { SIM_HPA, "" },
		{ SIM_NETWORKPOLICY, "-allow" },
	};
	struct sim_object *o;
	unsigned made = 0;
	char name[96];

	for (size_t i = 0; i < NELEM(rest); i++) {
		if (!(kinds & SIM_BIT(rest[i].kind)))
			continue;
		(void)snprintf(name, sizeof(name), "%.64s%s", app,
		    rest[i].tail);
		o = plain(s, rest[i].kind, ns, name, app);
		o->st.replicas = 2;
		sim_store_add(s, o);
		made++;
	}
	return made;
}

/* One application in all its kinds; returns objects. */
static unsigned
seed_app(struct sim_store *s, uint32_t kinds, unsigned number, unsigned room)
{
	unsigned where = number % NELEM(namespaces);
	unsigned which = number / (unsigned)NELEM(namespaces);
	const char *base = apps[where][which % NELEM(apps[0])];
	unsigned round = which / (unsigned)NELEM(apps[0]), made = 0;
	char name[64];

	(void)snprintf(name, sizeof(name), round != 0 ? "%s-%u" : "%s", base,
	    round + 1);
	if (kinds & SIM_KINDS_DEFAULT)
		made += seed_deployment(s, namespaces[where], name, room);
	made += seed_workload(s, kinds, namespaces[where], name, number);
	return made + seed_rest(s, kinds, namespaces[where], name);
}

static void
seed_cluster_scoped(struct sim_store *s)
{
	struct sim_object *o;
	char name[64];

	for (unsigned i = 0; i < NODES; i++) {
		(void)snprintf(name, sizeof(name), "sim-node-%u", i + 1);
		o = sim_store_object(s, SIM_NODE, "", name, name, NULL);
		o->ordinal = i;
		age(s, o);
		sim_store_add(s, o);
	}
	for (size_t i = 0; i < NELEM(namespaces); i++)
		sim_store_add(s, sim_store_object(s, SIM_NAMESPACE, "",
		    namespaces[i], namespaces[i], NULL));
	sim_store_add(s, sim_store_object(s, SIM_NAMESPACE, "", "default",
	    "default", NULL));
	sim_store_add(s, sim_store_object(s, SIM_STORAGECLASS, "", "standard",
	    "standard", NULL));
}

/* ---- a large cluster ---- */

/* How many variables make a pod about `bytes` long. */
static uint32_t
pad_for(struct sim_object *pod, unsigned bytes)
{
	size_t bare, padded;
	struct sim_blob *blob;

	blob = sim_render_blob(pod, &pod->st);
	bare = blob->len;
	sim_blob_unref(blob);
	pod->pad = PAD_SAMPLE;
	blob = sim_render_blob(pod, &pod->st);
	padded = (blob->len - bare) / PAD_SAMPLE;
	sim_blob_unref(blob);
	pod->pad = 0;
	return bytes > bare ? (uint32_t)((bytes - bare) / padded) : 0;
}

/* A Deployment of n pods in a namespace of its own. */
static void
seed_crowd(struct sim_store *s, unsigned number, unsigned n, unsigned bytes)
{
	struct sim_object *deployment, *set, *pod;
	uint32_t pad = 0;
	char ns[64];

	(void)snprintf(ns, sizeof(ns), "load-%03u", number);
	sim_store_add(s, sim_store_object(s, SIM_NAMESPACE, "", ns, ns, NULL));
	deployment = sim_store_object(s, SIM_DEPLOYMENT, ns, "crowd", "crowd",
	    NULL);
	age(s, deployment);
	settled(deployment, n);
	sim_store_add(s, deployment);
	set = sim_seed_set(s, deployment);
	age(s, set);
	settled(set, n);
	sim_store_add(s, set);
	for (unsigned i = 0; i < n; i++) {
		pod = sim_seed_numbered_pod(s, set, i);
		pod->st.image = set->st.image;
		pod->st.step = SIM_POD_READY;
		age(s, pod);
		if (i == 0)
			pad = pad_for(pod, bytes);
		pod->pad = pad;
		sim_store_add(s, pod);
	}
}

void
sim_seed_crowd(struct sim_store *s, unsigned pods, unsigned namespaces_,
    unsigned bytes)
{
	sim_store_load_begin(s);
	for (unsigned i = 0; i < namespaces_; i++)
		seed_crowd(s, i, pods / namespaces_ +
		    (i < pods % namespaces_ ? 1 : 0), bytes);
	sim_store_load_end(s);
}

void
sim_seed_fill(struct sim_store *s, uint32_t kinds, unsigned objects)
{
	unsigned number = 0, made = 0;

	sim_store_load_begin(s);
	seed_cluster_scoped(s);
	while (made < objects && number < objects)
		made += seed_app(s, kinds, number++, objects - made);
	sim_store_load_end(s);
}
