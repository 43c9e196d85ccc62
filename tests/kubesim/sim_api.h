/*
 * sim_api: what the simulated API server answers: token check, health paths,
 * and the resource paths (cluster-wide and namespaced), which it hands to
 * sim_list, sim_watch and sim_write.
 */
#ifndef SIM_API_H
#define SIM_API_H

#include "tests/kubesim/sim_accept.h"
#include "tests/kubesim/sim_http.h"

/* A resource path taken apart. */
struct sim_path {
	enum sim_kind	kind;
	char		ns[SIM_NAME_MAX + 1];    /* "": cluster-wide */
	char		name[SIM_NAME_MAX + 1];  /* "": the collection */
	char		sub[16];                 /* "", "status", "scale" */
};

/* Called by sim_http for each complete request. */
void	sim_api_handle(struct sim_conn *c);

/* From the Accept header. */
enum sim_form sim_api_form(struct sim_conn *c, enum sim_shape shape);
/* A Status about the path's object or collection, with its details. */
void	sim_api_refuse(struct sim_conn *c, const struct sim_path *p, int code,
	    const char *reason, const char *fmt, ...) PRINTF(5, 6);
/* A resourceVersion parameter; absent and "" are 0 with *ret_given false. -1
 * after having answered 400, or a watch's 500. */
int	sim_api_version(struct sim_conn *c, bool watch, uint64_t *ret,
	    bool *ret_given);

/* Appends an object in a state: as it stands alone, or as an item of a typed
 * list. */
void	sim_api_add_object(struct evbuffer *out, const struct sim_object *o,
	    const struct sim_state *st, enum sim_form form, bool item,
	    const char *separator);
/* What this listener has seen of the store: less behind a lagging replica. */
uint64_t sim_api_seen(const struct sim_conn *c);
/* 200 (or another status) with one object. */
void	sim_api_reply_object(struct sim_conn *c, int status,
	    struct sim_object *o);

#endif
