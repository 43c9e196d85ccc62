/*
 * sim_status: the Status objects by which an API server refuses, with the
 * details that clients look at. Pure.
 */
#ifndef SIM_STATUS_H
#define SIM_STATUS_H

#include <jansson.h>

#include "tests/kubesim/sim_kinds.h"

/* {"kind":"Status",...}; `details` (stolen) or NULL; the reason may be "". New
 * reference. */
json_t	*sim_status_make(int code, const char *reason, const char *message,
	    json_t *details);
/* {"name", "group", "kind"}: kind is the plural, as on a real server. The
 * name may be "". New reference. */
json_t	*sim_status_details(const struct sim_kind_row *row, const char *name);
/* The 504 of a version that has not been seen. New reference. */
json_t	*sim_status_too_large(uint64_t rv, uint64_t seen);
/* The 409 of a DELETE that means another uid. New reference. */
json_t	*sim_status_make_other(const struct sim_kind_row *row,
	    const char *name, const char *asked, const char *real);
/* "pods", "deployments.apps". Static, until the next call. */
const char *sim_status_resource(const struct sim_kind_row *row);

#endif
