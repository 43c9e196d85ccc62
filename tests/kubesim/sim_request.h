/*
 * sim_request: the head of an HTTP/1.1 request, as text, made into its parts:
 * path and query decoded, the headers the simulator knows. Pure. The body is
 * read and put there by sim_http, which owns the request; sim_request_clear
 * frees all of it.
 */
#ifndef SIM_REQUEST_H
#define SIM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

#define SIM_BODY_MAX    (32u * 1024 * 1024)
#define SIM_PARAMS_MAX  32      /* those beyond are left out */

struct sim_request {
	char		*method;
	char		*target;         /* as received */
	char		*path;           /* decoded */
	struct { char *name, *value; } param[SIM_PARAMS_MAX];
	size_t		 n_params;
	char		*authorization;  /* "" where absent, as all these */
	char		*accept;
	char		*accept_encoding;
	char		*user_agent;
	char		*content_type;
	char		*body;
	size_t		 body_len;
	uint64_t	 log_id;
};

/* How the body comes, and what follows it. */
struct sim_framing {
	int64_t		 length;         /* -1: no number, or too large */
	bool		 chunked;
	bool		 close;          /* no further request */
};

/* `head` is the lines up to the empty one; it is written into. `r` is empty
 * before; -1: not HTTP, then it may be filled in part. */
int	sim_request_parse(struct sim_request *r, char *head,
	    struct sim_framing *ret) MUST_CHECK;
void	sim_request_clear(struct sim_request *r);
/* The first of that name; NULL when the parameter is absent. */
const char *sim_request_param(const struct sim_request *r, const char *name);

#endif
