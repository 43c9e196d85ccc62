/*
 * sim_snapshot: a collection at one version, from which pages are cut: as it
 * is, or as it was at an older version that the truth log still knows.
 *
 * A snapshot is counted: by the shelf that keeps it for continue tokens, and
 * by every answer that is still being written from it.
 */
#ifndef SIM_SNAPSHOT_H
#define SIM_SNAPSHOT_H

#include "common/mono.h"
#include "tests/kubesim/sim_selector.h"
#include "tests/kubesim/sim_store.h"

#define SIM_SNAPSHOTS_MAX 128

struct sim_item {
	struct sim_object	*object;         /* counted */
	struct sim_state	 st;             /* its own */
};

/* What is asked for; the texts are borrowed, "" for none. */
struct sim_query {
	enum sim_kind			 kind;
	const char			*ns;     /* "": all */
	const char			*labels;
	const char			*fields;
	const struct sim_selector	*selector;
};

struct sim_snapshot {
	unsigned	 refs;
	enum sim_kind	 kind;
	char		*key;            /* namespace and selectors */
	bool		 selected;       /* by a selector */
	uint64_t	 rv;
	struct mono	 expires;
	size_t		 n;
	struct sim_item	*item;
};

/* As it is now, from the key (from_ns, from_name) on. */
struct sim_snapshot *sim_snapshot_now(struct sim_store *s,
    const struct sim_query *q, const char *from_ns, const char *from_name);
/* As it was at rv (not above the present one); NULL: nobody knows. */
struct sim_snapshot *sim_snapshot_at(struct sim_store *s,
    const struct sim_query *q, uint64_t rv);
struct sim_snapshot *sim_snapshot_ref(struct sim_snapshot *p);
void	sim_snapshot_unref(struct sim_snapshot *p);
/* Index of the first item whose key is >= (ns, name). */
size_t	sim_snapshot_index(const struct sim_snapshot *p, const char *ns,
	    const char *name);

/* The shelf: what continue tokens go on from, the oldest first. */
struct sim_shelf *sim_shelf_new(void);
void	sim_shelf_free(struct sim_shelf *f);
void	sim_shelf_clear(struct sim_shelf *f);
/* Takes a reference of its own, for ms. */
void	sim_shelf_put(struct sim_shelf *f, struct sim_snapshot *p, int64_t ms);
/* Borrowed; NULL: expired, or never there. */
struct sim_snapshot *sim_shelf_find(struct sim_shelf *f,
    const struct sim_query *q, uint64_t rv);

#endif
