/*
 * sim_kinds: the table of kinds.
 *
 * Pure. A kind is one row and one template (sim_template*.c); lists, watches,
 * writes and tests need no more to serve it.
 */
#ifndef SIM_KINDS_H
#define SIM_KINDS_H

#include <stdbool.h>

#include "common/buf.h"
#include "tests/kubesim/sim_store.h"

struct sim_kind_row {
	const char	*name;           /* as tests write it: pod */
	const char	*kind;           /* Pod */
	const char	*plural;         /* pods */
	const char	*group;          /* "" = core */
	const char	*version;
	const char	*bookmark_tail;  /* spec and status of a bookmark */
	const char	*alias;          /* short name, or NULL */
	bool		 namespaced;
	bool		 generation;     /* metadata.generation is kept */
	const char	*finalizer;      /* holds a deletion back, or NULL */
	/* Appends labels, annotations and all behind metadata. */
	void		(*labels)(struct buf *b, const struct sim_object *o,
			    const struct sim_state *st);
	void		(*tail)(struct buf *b, const struct sim_object *o,
			    const struct sim_state *st);
	/* A visible change of status; n counts up. */
	void		(*touch)(struct sim_state *st);
	/* Takes what the template knows out of a written document. */
	void		(*absorb)(struct sim_state *st, json_t *doc);
};

const struct sim_kind_row *sim_kinds_row(enum sim_kind kind);
/* By name, plural or Kind; -1: no such kind. */
int	sim_kinds_by_name(const char *name);
/* "all", or names with commas between them, as a set of SIM_BIT; 0: one of
 * them is no kind. */
uint32_t sim_kinds_set(const char *names);
/* True: some kind of it is, beside those `unserved` (a set of SIM_BIT). */
bool	sim_kinds_group_served(const char *group, const char *version,
	    uint32_t unserved);
/* By API group, version and plural; -1: not served. */
int	sim_kinds_by_path(const char *group, const char *version,
	    const char *plural);
/* "apps/v1" or "v1"; static storage per kind. */
const char *sim_kinds_api_version(enum sim_kind kind);

#endif
