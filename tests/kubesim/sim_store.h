/*
 * sim_store: what the simulated API server holds: objects sorted by key per
 * kind, one counter of resource versions over all kinds, the bounded window
 * of events a watch can begin in, and the truth log that tests compare with.
 *
 * States are plain data and are kept; text is rendered when somebody asks
 * (sim_render), so that a large cluster costs a few hundred bytes per object.
 * Owner of an object: the store while it is alive, and each event, snapshot
 * or truth entry that names it.
 */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_UID_SIZE   37
#define SIM_NAME_MAX   253u
#define SIM_FIRST_RV   1000u
#define SIM_WINDOW_MAX 1000000u

enum sim_kind {
	SIM_DEPLOYMENT,
	SIM_REPLICASET,
	SIM_POD,
	SIM_NODE,
	SIM_NAMESPACE,
	SIM_STORAGECLASS,
	SIM_SERVICE,
	SIM_STATEFULSET,
	SIM_DAEMONSET,
	SIM_JOB,
	SIM_CRONJOB,
	SIM_INGRESS,
	SIM_CONFIGMAP,
	SIM_SECRET,
	SIM_PVC,
	SIM_HPA,
	SIM_NETWORKPOLICY,
	SIM_KIND_MAX
};

#define SIM_BIT(kind)     (1u << (kind))
#define SIM_KINDS_DEFAULT (SIM_BIT(SIM_DEPLOYMENT) | SIM_BIT(SIM_REPLICASET) \
	| SIM_BIT(SIM_POD))
#define SIM_KINDS_ALL     ((1u << SIM_KIND_MAX) - 1)

enum sim_change { SIM_ADDED, SIM_MODIFIED, SIM_DELETED, SIM_CHANGE_MAX };

/* How far a pod is; TERMINATING is any of them with deleting_ms set. */
enum sim_pod_step {
	SIM_POD_PENDING,
	SIM_POD_CREATING,
	SIM_POD_STARTED,         /* running, not ready */
	SIM_POD_READY,
	SIM_POD_CRASHLOOP,
	SIM_POD_IMAGEPULL,
	SIM_POD_OOMKILLED,
	SIM_POD_SUCCEEDED,
	SIM_POD_FAILED,
	SIM_POD_STEP_MAX
};

/* How well an object of a kind without replicas is; a Job's and a claim's
 * names for it stand in their templates. */
enum sim_phase { SIM_WAITING, SIM_WELL, SIM_BROKEN };

/* All that changes about an object: plain data, copied into the truth log.
 * `overlay` (counted by jansson) is a merge patch over the kind's template:
 * what tests wrote that the template does not know. */
struct sim_state {
	uint64_t	 rv;
	int64_t		 changed_ms;     /* wall time of this state */
	int64_t		 deleting_ms;    /* deletionTimestamp, 0: none */
	int64_t		 started_ms;     /* container start, or last rollout */
	uint32_t	 generation;
	uint32_t	 observed;
	uint32_t	 image;          /* version of the image: 1.<image> */
	uint32_t	 current;        /* ... before this rollout */
	uint32_t	 replicas;       /* spec.replicas */
	uint32_t	 have;           /* status: replicas, updated, ... */
	uint32_t	 updated;
	uint32_t	 ready;
	uint32_t	 restarts;
	uint32_t	 touches;        /* by bulk changes; shown as message */
	uint32_t	 filler;         /* bytes of a member "filler" */
	enum sim_pod_step step;
	enum sim_phase	 phase;
	bool		 paused;         /* or suspended, or unschedulable */
	bool		 rolled_out;     /* deployment: rollout complete */
	json_t		*overlay;
};

/* Text of one version of an object. "{" kind, apiVersion "," begins at 0;
 * the rest, as list items have it, at `body` (text[body - 1] is taken as "{"
 * by the writer). metadata ends at meta_end; managedFields (with its comma)
 * can be left out. */
struct sim_blob {
	unsigned	 refs;
	size_t		 len;
	size_t		 body;
	size_t		 meta_end;
	size_t		 managed;
	size_t		 managed_len;
	char		 text[];
};

struct sim_object {
	unsigned		 magic;
	unsigned		 refs;
	enum sim_kind		 kind;
	char			*ns;             /* "" if cluster-scoped */
	char			*name;
	char			*app;            /* label, container name */
	char			 uid[SIM_UID_SIZE];
	int64_t			 created_ms;
	uint32_t		 ordinal;        /* for addresses, nodes */
	uint32_t		 pad;            /* more variables in a pod */
	struct sim_object	*owner;          /* counted, or NULL */
	struct sim_object      **children;       /* alive ones, not counted */
	size_t			 n_children;
	size_t			 cap_children;
	bool			 alive;
	/* For sim_life alone: */
	int64_t			 due_ms;
	int64_t			 fix_ms;
	bool			 active;
	bool			 broken_image;
	bool			 marked;         /* while sim_snapshot looks */
	struct sim_state	 st;
	struct sim_state	 shown;          /* the last with an event */
};

/* From SIM_PARTIAL on it is metadata alone. A watch's tables begin with one
 * that has columns. */
enum sim_form { SIM_FULL, SIM_NO_MANAGED, SIM_TABLE_HEAD, SIM_TABLE,
    SIM_PARTIAL, SIM_PARTIAL_NO_MANAGED, SIM_FORM_MAX };

/* Counted bytes of one watch line, framed as a chunk of HTTP/1.1; the line
 * itself is line_len bytes at `line`. */
struct sim_text {
	unsigned	refs;
	size_t		len;
	size_t		line;
	size_t		line_len;
	char		data[];
};

/* prev: the state before, of another than an ADDED. */
struct sim_event {
	uint64_t		 rv;
	enum sim_change		 change;
	struct sim_object	*object;
	struct sim_state	 st;
	struct sim_state	 prev;
	int64_t			 at_ms;          /* of the cluster's clock */
};

struct sim_truth {
	enum sim_change		 change;
	struct sim_object	*object;
	struct sim_state	 st;
};

typedef void sim_store_event_cb(struct sim_event *ev, void *ctx);

struct sim_store {
	uint64_t		  rv;
	uint64_t		  floor_rv;      /* a watch below it gets 410 */
	uint64_t		  seed;
	uint64_t		  rng;
	uint64_t		  changes;
	int64_t			  clock_ms;      /* 0: the machine's clock */
	struct sim_object	**sorted[SIM_KIND_MAX];
	size_t			  n[SIM_KIND_MAX];
	size_t			  cap[SIM_KIND_MAX];
	bool			  loading;       /* unsorted until loaded */
	struct sim_event	 *window;        /* ring */
	size_t			  window_size;
	size_t			  window_first;
	size_t			  window_n;
	int64_t			  window_ms;     /* younger ones are kept */
	struct sim_truth	 *truth;         /* ring */
	size_t			  truth_size;
	size_t			  truth_first;
	size_t			  truth_n;
	sim_store_event_cb	 *on_event;
	void			 *ctx;
};

/* window, truth: how many events are kept (> 0). The window grows for events
 * younger than window_ms (0 at first), up to SIM_WINDOW_MAX. */
struct sim_store *sim_store_new(uint64_t seed, size_t window, size_t truth);
void	 sim_store_free(struct sim_store *s);

/* Between the two, additions are cheap and nothing may be looked up. */
void	 sim_store_load_begin(struct sim_store *s);
void	 sim_store_load_end(struct sim_store *s);

/* The cluster's time, Unix milliseconds: the machine's, or what a script has
 * made it. */
int64_t	 sim_store_now(const struct sim_store *s);
uint64_t sim_store_random(struct sim_store *s);
uint64_t sim_store_below(struct sim_store *s, uint64_t limit);

/* An object not yet in the store; its strings are copied. */
struct sim_object *sim_store_object(struct sim_store *s, enum sim_kind kind,
    const char *ns, const char *name, const char *app,
    struct sim_object *owner);
void	 sim_store_add(struct sim_store *s, struct sim_object *o);
/* Call it after changing o->st: gives it a version, text and event. */
void	 sim_store_update(struct sim_store *s, struct sim_object *o);
void	 sim_store_delete(struct sim_store *s, struct sim_object *o);
struct sim_object *sim_store_find(struct sim_store *s, enum sim_kind kind,
    const char *ns, const char *name);
/* Index of the first object of the kind whose key is >= (ns, name). */
size_t	 sim_store_lower(struct sim_store *s, enum sim_kind kind,
    const char *ns, const char *name);

/* The i-th event of the window, 0 = oldest; index of the first above rv. */
struct sim_event *sim_store_event(struct sim_store *s, size_t i);
size_t	 sim_store_after(struct sim_store *s, uint64_t rv);
struct sim_truth *sim_store_truth(struct sim_store *s, size_t i);
/* Forgets the window: every watch that begins below now gets 410. */
void	 sim_store_compact(struct sim_store *s);
/* As after an etcd restore: the counter is n lower, the window forgotten,
 * objects that were newer are re-stamped with the new counter. */
void	 sim_store_rollback(struct sim_store *s, uint64_t n);

/* A state of its own; its overlay is counted. */
struct sim_state sim_state_copy(const struct sim_state *st);
void	 sim_state_clear(struct sim_state *st);
struct sim_object *sim_object_ref(struct sim_object *o);
void	 sim_object_unref(struct sim_object *o);
struct sim_blob *sim_blob_ref(struct sim_blob *b);
void	 sim_blob_unref(struct sim_blob *b);
struct sim_text *sim_text_ref(struct sim_text *t);
void	 sim_text_unref(struct sim_text *t);

#endif
