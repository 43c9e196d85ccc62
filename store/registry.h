/*
 * registry: the store's primary data, sluice.db (SQLite, synchronous=FULL):
 * workflows with their nodes. Cannot be made again from the journal; a copy of
 * the file is kept beside it (registry_file.h). Used by the reader thread; the
 * MongoDB thread reads the file on a connection of its own.
 *
 * `change` numbers every change of a workflow, `id` names the file: what
 * "since" means to the MongoDB thread. A deleted workflow leaves its row with
 * deleted = 1. Bindings of a cluster carry a version that grows whenever one
 * of its workflows changes.
 */
#ifndef SLUICE_REGISTRY_H
#define SLUICE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/err.h"
#include "store/workflow.h"

struct registry;

/* Called for every cluster whose bindings changed, after the commit. */
typedef void (*registry_changed_fn)(const char *cluster, uint64_t version,
    void *arg);

/* err->code EX_CONFIG when the file is damaged or newer than this program; the
 * text then says how to go on. */
struct registry *registry_open(const char *path, registry_changed_fn changed,
    void *arg, struct err *err) MUST_CHECK;
void	registry_close(struct registry *r);

/* Stores a workflow that came by the API; the same again changes nothing.
 * *ret is the stored object (a new reference). */
int	registry_put(struct registry *r, const struct workflow *w,
	    json_t **ret, struct err *err) MUST_CHECK;
/* *ret NULL: there is none. */
int	registry_get(struct registry *r, const char *tenant, const char *id,
	    json_t **ret, struct err *err) MUST_CHECK;
/* 1 = deleted, 0 = there was none, -1 = error. */
int	registry_delete(struct registry *r, const char *tenant,
	    const char *id, struct err *err) MUST_CHECK;
/* All of a tenant's workflows, without their nodes. */
int	registry_list(struct registry *r, const char *tenant, json_t **ret,
	    struct err *err) MUST_CHECK;
/* {"version", "bindings": [{"tenant","workflow","node","kind","namespace",
 * "name"}]} of a cluster. */
int	registry_bindings(struct registry *r, const char *cluster,
	    json_t **ret, struct err *err) MUST_CHECK;
/* The cluster a workflow is bound to, copied; NULL if there is none. */
char	*registry_cluster_of(struct registry *r, struct slice tenant,
	    struct slice workflow);
/* Replaces what MongoDB said is followed: an array of {"id","cluster",
 * "nodes"}; those that came by the API keep their row. */
int	registry_follow(struct registry *r, const json_t *workflows,
	    struct err *err) MUST_CHECK;
/* Announces every cluster's present version by `changed`. */
int	registry_announce(struct registry *r, struct err *err) MUST_CHECK;
int	registry_count(struct registry *r, int64_t *ret, struct err *err)
	    MUST_CHECK;
/* Copies the file to <path>.daily, whole or not at all; err->code EX_CONFIG
 * when it is damaged. */
int	registry_copy(struct registry *r, struct err *err) MUST_CHECK;
/* The age of that copy in ms, or -1 if there is none. */
int64_t	registry_copy_age_ms(const struct registry *r);

#endif
