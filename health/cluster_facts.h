/*
 * cluster_facts: what is known of a cluster beyond its health, gathered from
 * the objects of its lists.
 *
 * Pure: JSON in, values out. Process: health. Source: doc/k8s-watch.md D.4;
 * doc/contract.md 3, cluster.metadata_updated. A list nobody may read stays
 * unknown: it is never reported as empty.
 */
#ifndef SLUICE_CLUSTER_FACTS_H
#define SLUICE_CLUSTER_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define CLUSTER_FACTS_NAMES_MAX  400u
#define CLUSTER_FACTS_NAMES_BYTES 16384u   /* two lists fit into one event */
#define CLUSTER_FACTS_WORD_MAX   64u

/* Names in the order they came, cut at the limits above. */
struct cluster_names {
	bool	 known;
	char	**at;
	size_t	 n;
	size_t	 bytes;
};

struct cluster_facts {
	bool		nodes_known;
	int64_t		node_count;
	int64_t		cpu_milli;
	int64_t		memory_bytes;
	char		provider[CLUSTER_FACTS_WORD_MAX];
	char		region[CLUSTER_FACTS_WORD_MAX];
	char		version[CLUSTER_FACTS_WORD_MAX];
	char		platform[CLUSTER_FACTS_WORD_MAX];
	struct cluster_names namespaces;
	struct cluster_names storage_classes;
};

void	cluster_facts_free(struct cluster_facts *f);   /* contents */

/* Adds one Node; false if it is no JSON object. */
bool	cluster_facts_node(struct cluster_facts *f, struct slice json);
/* Counts nodes that are there and were not read. */
void	cluster_facts_unread(struct cluster_facts *f, int64_t nodes);
/* Adds metadata.name of an object; false if it has none. */
bool	cluster_facts_name(struct cluster_names *names, struct slice json);
/* `continue` (to be freed; NULL: none) and `remainingItemCount` (0: none) of
 * a list's metadata; false if it is no JSON object. */
bool	cluster_facts_page(struct slice json, char **ret_continue,
	    int64_t *ret_remaining);
/* Guesses the provider from the version when no node told it. */
void	cluster_facts_finish(struct cluster_facts *f);

#endif
