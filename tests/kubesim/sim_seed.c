/* The cluster as it is when the simulator starts. */
#include <stdio.h>

#include "common/macros.h"
#include "common/mono.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_seed.h"
#include "tests/kubesim/sim_template.h"

#define NODES   3
#define AGE_MS  (3 * 86400 * 1000LL)

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

	for (size_t i = 0; i < sizeof(tail) - 1; i++)
		tail[i] = letters[sim_store_below(s, sizeof(letters) - 1)];
	tail[sizeof(tail) - 1] = '\0';
	(void)snprintf(name, sizeof(name), "%.240s-%s", set->name, tail);
	pod = sim_store_object(s, SIM_POD, set->ns, name, set->app, set);
	pod->st.image = set->st.image;
	return pod;
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
seed_app(struct sim_store *s, unsigned number, unsigned room)
{
	unsigned where = number % NELEM(namespaces);
	unsigned which = number / (unsigned)NELEM(namespaces);
	const char *base = apps[where][which % NELEM(apps[0])];
	unsigned round = which / (unsigned)NELEM(apps[0]);
	unsigned replicas = 2 + (unsigned)sim_store_below(s, 3);
	struct sim_object *deployment, *set, *pod;
	char name[64];

	(void)snprintf(name, sizeof(name), round != 0 ? "%s-%u" : "%s", base,
	    round + 1);
	replicas = room > 3 ? MIN(replicas, room - 2) : 1;
	deployment = sim_store_object(s, SIM_DEPLOYMENT, namespaces[where],
	    name, name, NULL);
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

void
sim_seed_fill(struct sim_store *s, unsigned objects)
{
	unsigned number = 0, made = 0;

	sim_store_load_begin(s);
	seed_cluster_scoped(s);
	while (made < objects)
		made += seed_app(s, number++, objects - made);
	sim_store_load_end(s);
}
