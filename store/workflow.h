/*
 * workflow: the checks of a workflow as it comes by the API or from MongoDB.
 * Pure: values in, values out.
 *
 * Source of the rules: doc/contract.md section 5 (PUT workflows) and 2 (kinds).
 */
#ifndef SLUICE_WORKFLOW_H
#define SLUICE_WORKFLOW_H

#include <stdbool.h>

#include <jansson.h>

#include "common/buf.h"

#define WORKFLOW_NODES_MAX  500u
#define WORKFLOW_NAME_MAX   253u   /* of an object or a namespace */
#define WORKFLOW_PROBLEMS_MAX 200u /* that an answer tells */

/* Everything is owned; see workflow_clear. */
struct workflow {
	char	*tenant;
	char	*id;
	char	*cluster;
	json_t	*nodes;    /* [{"id","type","name","namespace"}], in order */
};

/* Reads {"id","tenant","cluster","nodes"}; `tenant` and each `namespace` have
 * defaults. Every problem (the first WORKFLOW_PROBLEMS_MAX of them) is appended
 * to the array `problems` as {"path","problem"}; 0 and *ret filled when there
 * is none, else -1. */
int	workflow_parse(const json_t *request, struct workflow *ret,
	    json_t *problems);
void	workflow_clear(struct workflow *w);
/* Whether it may stand after "workflow:" in a stream key. NULL is fine. */
bool	workflow_id_valid(const char *id);
/* A node of KubeOrch's document {id, type, data: {name, namespace}} as ours (a
 * new reference); NULL when it stands for no object a watcher follows. */
json_t	*workflow_node_make(const char *id, const char *type,
	    const char *name, const char *namespace);
/* Lower case, every other character '-': the id of the cluster of this name.
 * To be freed; NULL when nothing usable is left. */
char	*workflow_slug(const char *name);

#endif
