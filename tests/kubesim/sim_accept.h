/*
 * sim_accept: the Accept header, as the API server negotiates it: the first
 * clause it can serve wins, clauses with a transform it does not know are
 * passed over, parameters it does not know are ignored. Pure.
 */
#ifndef SIM_ACCEPT_H
#define SIM_ACCEPT_H

#include <stdbool.h>

#include "tests/kubesim/sim_modes.h"

/* What is to be shown; each has its own exact kinds. */
enum sim_shape { SIM_OBJECT, SIM_COLLECTION, SIM_STREAM };

enum sim_verdict {
	SIM_ACCEPT_OK,
	SIM_ACCEPT_NONE,         /* 406: no clause can be served */
	SIM_ACCEPT_UNKNOWN_KIND, /* 406: as= names what there is not */
	SIM_ACCEPT_WRONG_KIND    /* 406: as= names the other kind */
};

struct sim_accept {
	bool	partial;         /* metadata alone */
	bool	drop_managed;
	bool	table;
};

/* The header as it came, "" where absent. */
enum sim_verdict sim_accept_parse(const char *header, enum sim_shape shape,
    const struct sim_modes *m, struct sim_accept *ret);
/* Accepts aggregated discovery v2. */
bool	sim_accept_discovery(const char *header);
/* True: gzip is among the codings of Accept-Encoding. */
bool	sim_accept_gzip(const char *header);
/* True for a program that the server takes for a person. */
bool	sim_accept_pretty(const char *user_agent);

#endif
