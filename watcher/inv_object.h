/*
 * inv_object: one object of the inventory: which it is, what it shows, and
 * what of that differs from what its streams show. Pure. The inventory owns
 * the objects, their bindings and futures, and changes them; payload reads,
 * and so does outbox, which may set `sync`.
 */
#ifndef SLUICE_INV_OBJECT_H
#define SLUICE_INV_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "watcher/kube_object.h"

#define INV_OBJECT_BINDINGS_MAX 500u   /* nodes bound to one object */
#define INV_OBJECT_FUTURES_MAX  4u

struct inv_binding {
	struct inv_binding	*next;
	char			*tenant;
	char			*workflow;
	char			*node;
	uint64_t		 published;   /* hash, 0: nothing yet */
	bool			 keep;        /* while bindings are renewed */
};

struct inv_future {
	struct inv_future	*next;
	int64_t			 at_unix_ms;
	char			*status;
};

struct inv_object {
	struct inv_object	*next;         /* of the bucket */
	struct inv_object	*next_dirty;
	struct inv_binding	*bindings;
	struct inv_future	*futures;
	char			*status;       /* JSON; NULL: never seen */
	char			*gone_status;  /* of the pending deletion */
	const char		*published_state; /* static word, or NULL */
	uint64_t		 published;    /* hash, 0: nothing yet */
	uint64_t		 version;      /* 0: is no number */
	int64_t			 since_unix_ms; /* it has waited, if it does */
	uint32_t		 hash;
	uint32_t		 mark;         /* list that last named it */
	uint8_t			 uid[16];      /* as bytes, or its hash */
	uint8_t			 kind;
	bool			 uid_real : 1; /* uid is an RFC 4122 one */
	bool			 present : 1;  /* it exists in the cluster */
	bool			 stored : 1;   /* streams show it as existing */
	bool			 gone : 1;     /* a deletion is unpublished */
	bool			 gone_unknown : 1; /* it was not seen */
	bool			 sync : 1;     /* publish even if unchanged */
	bool			 dirty : 1;
	bool			 in_flight : 1;
	bool			 leaving : 1; /* what is in flight deletes it */
	bool			 shown : 1;    /* `stored` before that */
	bool			 compared : 1; /* inv_compare: named, or new */
	bool			 behind : 1;   /* there: as it was before */
	uint16_t		 namespace_len;
	char			 path[];       /* "namespace/name" */
};

/* --- which object --------------------------------------------------------- */
struct slice inv_object_namespace(const struct inv_object *o);
struct slice inv_object_name(const struct inv_object *o);
/* Of any text; never 0. */
uint64_t inv_object_hash(struct slice text);
/* "8-4-4-4-12" in lower case becomes its 16 bytes (true); anything else is
 * hashed. */
bool	inv_object_uid(struct slice uid, uint8_t out[16]);
/* A resourceVersion as a number; 0: it is none. */
uint64_t inv_object_version(struct slice version);

/* --- what it shows -------------------------------------------------------- */
/* Sets the status that the kind's rule gives at `now`, and as futures those
 * that time alone will bring. */
void	inv_object_judge(struct inv_object *o,
	    const struct kube_object *object, int64_t now);
/* The first future has come: it is the status. */
void	inv_object_advance(struct inv_object *o);
/* The static word for a status' "state", NULL when it has none known. */
const char *inv_object_state(const char *status);
/* What a node bound to this object shows now. */
struct slice inv_object_node_status(const struct inv_object *o);
/* Of all that such a node shows: that status, and the uid of the object, which
 * is another one's where the name is used again; NULL: it shows none. */
uint64_t inv_object_node_hash(struct slice status, const uint8_t *uid);
const uint8_t *inv_object_shown_uid(const struct inv_object *o);
/* Its own stream, or that of a node bound to it, shows something else. */
bool	inv_object_differs(const struct inv_object *o);
bool	inv_object_node_differs(const struct inv_object *o,
	    const struct inv_binding *b);
bool	inv_object_nodes_differ(const struct inv_object *o);   /* any */

/* --- what belongs to it --------------------------------------------------- */
void	inv_object_futures_clear(struct inv_object *o);
/* The binding of that node, or NULL. */
struct inv_binding *inv_object_binding(const struct inv_object *o,
	    struct slice tenant, struct slice workflow, struct slice node);
/* Adds one (kept); false when there are INV_OBJECT_BINDINGS_MAX already. */
bool	inv_object_bind(struct inv_object *o, struct slice tenant,
	    struct slice workflow, struct slice node);
/* Frees one that was taken out of its list. */
void	inv_object_unbind(struct inv_binding *b);
/* Frees all of it; returns how many bindings it had. */
unsigned inv_object_free(struct inv_object *o);

#endif
