/*
 * sim_write: POST, PUT, PATCH (merge patch), DELETE of objects, with their
 * status and scale subresources.
 *
 * As on a real server: a write to the object ignores its status, a write to
 * /status ignores all else, generation grows when spec changes, a write that
 * changes nothing makes no event, a PUT with an old resourceVersion is 409.
 * Every patch is taken as a merge patch, whatever its content type, except a
 * JSON patch, which is 415.
 */
#ifndef SIM_WRITE_H
#define SIM_WRITE_H

#include "tests/kubesim/sim_api.h"

void	sim_write_handle(struct sim_conn *c, const struct sim_path *p);
void	sim_write_not_found(struct sim_conn *c, const struct sim_path *p);
/* Answers with the object's Scale. */
void	sim_write_scale(struct sim_conn *c, struct sim_object *o);

/* The same without a request, for scripts; the documents are written into.
 * The name is valid and not taken. */
struct sim_object *sim_write_create(struct sim *sim, enum sim_kind kind,
    const char *ns, const char *name, json_t *doc);
/* The object may be gone after it, when its last finalizer was. */
void	sim_write_document(struct sim *sim, struct sim_object *o,
	    json_t *desired, bool status_only);
void	sim_write_delete(struct sim *sim, struct sim_object *o);

#endif
