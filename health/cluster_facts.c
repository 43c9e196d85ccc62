#include "health/cluster_facts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "health/quantity.h"

#define CONTINUE_MAX 4096u

void
cluster_facts_free(struct cluster_facts *f)
{
	struct cluster_names *lists[] = { &f->namespaces,
		&f->storage_classes };

	for (size_t k = 0; k < NELEM(lists); k++) {
		for (size_t i = 0; i < lists[k]->n; i++)
			free(lists[k]->at[i]);
		free(lists[k]->at);
		*lists[k] = (struct cluster_names){ 0 };
	}
}

static json_t *
parse(struct slice json)
{
	json_t *root = json_loadb(json.p, json.n, 0, NULL);

	if (root != NULL && !json_is_object(root)) {
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* --- where it runs -------------------------------------------------------- */
static void
copy_word(char *dst, const char *src, size_t n)
{
	size_t len = MIN(n, CLUSTER_FACTS_WORD_MAX - 1);

	for (size_t i = 0; i < len; i++)
		dst[i] = src[i] > ' ' && src[i] <= '~' ? src[i] : '?';
	dst[len] = '\0';
}

/* "aws:///eu-west-1a/i-0" -> eu-west-1; "gce://project/us-central1-a/x" ->
 * us-central1: the zone without its last part. */
static void
region_of_provider_id(struct cluster_facts *f, const char *rest)
{
	const char *zone = strchr(rest, '/');
	size_t n;

	if (zone == NULL)
		return;
	n = strcspn(++zone, "/");
	if (strcmp(f->provider, "aws") == 0) {
		if (n > 1 && zone[n - 1] >= 'a' && zone[n - 1] <= 'z')
			copy_word(f->region, zone, n - 1);
	} else if (strcmp(f->provider, "gce") == 0) {
		while (n > 0 && zone[n - 1] != '-')
			n--;
		if (n > 1)
			copy_word(f->region, zone, n - 1);
	}
}

static void
take_provider(struct cluster_facts *f, const char *id)
{
	const char *sep = strstr(id, "://");

	if (f->provider[0] != '\0')
		return;
	if (sep != NULL && sep != id)
		copy_word(f->provider, id, (size_t)(sep - id));
	else if (strncmp(id, "ocid1.", 6) == 0)
		copy_word(f->provider, "oci", 3);
	if (sep != NULL && f->region[0] == '\0')
		region_of_provider_id(f, sep + 3);
}

static void
take_region(struct cluster_facts *f, const json_t *labels)
{
	static const char *const keys[] = {
		"topology.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/region",
	};
	const char *value = NULL;

	for (size_t i = 0; i < NELEM(keys) && value == NULL; i++)
		value = json_string_value(json_object_get(labels, keys[i]));
	if (value != NULL && *value != '\0' && f->region[0] == '\0')
		copy_word(f->region, value, strlen(value));
}

void
cluster_facts_finish(struct cluster_facts *f)
{
	static const struct {
		const char	*mark;
		const char	*provider;
	} marks[] = {
		{ "-gke.", "gce" }, { "-eks-", "aws" }, { "+k3s", "k3s" },
		{ "+rke2", "rke2" },
	};

	for (size_t i = 0; i < NELEM(marks) && f->provider[0] == '\0'; i++)
		if (strstr(f->version, marks[i].mark) != NULL)
			copy_word(f->provider, marks[i].provider,
			    strlen(marks[i].provider));
}

/* --- nodes ---------------------------------------------------------------- */
static int64_t
sum(int64_t a, int64_t b)
{
	int64_t r;

	return CKD_ADD(&r, a, b) ? INT64_MAX : r;
}

static void
take_capacity(struct cluster_facts *f, const json_t *capacity)
{
	const char *cpu = json_string_value(json_object_get(capacity, "cpu"));
	const char *memory = json_string_value(json_object_get(capacity,
	    "memory"));
	int64_t v;

	if (cpu != NULL && quantity_milli(slice_str(cpu), &v) == 0 && v > 0)
		f->cpu_milli = sum(f->cpu_milli, v);
	if (memory != NULL && quantity_value(slice_str(memory), &v) == 0 &&
	    v > 0)
		f->memory_bytes = sum(f->memory_bytes, v);
}

bool
cluster_facts_node(struct cluster_facts *f, struct slice json)
{
	json_t *root = parse(json);
	const char *id;

	if (root == NULL)
		return false;
	f->node_count++;
	take_capacity(f, json_object_get(json_object_get(root, "status"),
	    "capacity"));
	take_region(f, json_object_get(json_object_get(root, "metadata"),
	    "labels"));
	id = json_string_value(json_object_get(json_object_get(root, "spec"),
	    "providerID"));
	if (id != NULL)
		take_provider(f, id);
	json_decref(root);
	return true;
}

void
cluster_facts_unread(struct cluster_facts *f, int64_t nodes)
{
	f->node_count = sum(f->node_count, nodes);
}

/* --- names and pages ------------------------------------------------------ */
bool
cluster_facts_name(struct cluster_names *names, struct slice json)
{
	json_t *root = parse(json);
	const char *name;
	size_t n;

	name = json_string_value(json_object_get(json_object_get(root,
	    "metadata"), "name"));
	n = name != NULL ? strlen(name) : 0;
	if (n != 0 && names->n < CLUSTER_FACTS_NAMES_MAX &&
	    names->bytes + n <= CLUSTER_FACTS_NAMES_BYTES) {
		names->at = xreallocarray(names->at, names->n + 1,
		    sizeof(*names->at));
		names->at[names->n++] = xstrdup(name);
		names->bytes += n;
	}
	json_decref(root);
	return n != 0;
}

bool
cluster_facts_page(struct slice json, char **ret_continue,
    int64_t *ret_remaining)
{
	json_t *root = parse(json);
	const char *next;
	int64_t remaining;

	if (root == NULL)
		return false;
	next = json_string_value(json_object_get(root, "continue"));
	remaining = json_integer_value(json_object_get(root,
	    "remainingItemCount"));
	*ret_continue = next != NULL && *next != '\0' &&
	    strlen(next) <= CONTINUE_MAX ? xstrdup(next) : NULL;
	*ret_remaining = remaining > 0 ? remaining : 0;
	json_decref(root);
	return true;
}
