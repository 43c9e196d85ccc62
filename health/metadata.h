/*
 * metadata: fetches what cluster_facts.h holds: nodes in pages, names of
 * namespaces and storage classes as PartialObjectMetadata; METADATA_BUDGET_MS
 * and METADATA_BYTES_MAX in all.
 *
 * Process: health, in a worker thread. Lists are cut into objects as they
 * arrive (list_stream), so that no list is ever in memory whole.
 */
#ifndef SLUICE_METADATA_H
#define SLUICE_METADATA_H

#include <stdatomic.h>

#include "common/err.h"
#include "common/kubeconfig.h"
#include "health/cluster_facts.h"

#define METADATA_BUDGET_MS 10000
#define METADATA_BYTES_MAX (128u * 1024 * 1024)
#define METADATA_ITEM_MAX  (1024u * 1024)
#define METADATA_PAGES_MAX 40u
#define METADATA_PAGE      250u

/* 0 with *ret (cluster_facts_free) when at least one list or the version was
 * had; what could not be read stays unknown. -1 with *err otherwise. */
int	metadata_fetch(const struct kube_credentials *cred,
	    const atomic_bool *cancelled, struct cluster_facts *ret,
	    struct err *err) MUST_CHECK;

#endif
