/*
 * conf: the configuration: one struct, one table of keys (name, type, place,
 * default, range, help) that drives parsing, defaults, `sluiced -t`, the hint
 * for a misspelt key and the list in sluice.yaml(5).
 *
 * Parsed by the supervisor, and by sluicectl to find the directories, from YAML
 * (libyaml); each child is handed what it needs of it as bytes (conf_encode /
 * conf_decode, MSG_CONFIG). A problem is `file:line: key: what, and what would
 * be right`; every problem of a file is reported, not only the first. Durations
 * are written 100ms, 5s, 10m, 24h and kept in ms; sizes 64KiB, 64MiB, 1GiB, in
 * bytes.
 */
#ifndef SLUICE_CONF_H
#define SLUICE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/event.h"
#include "common/log.h"

#define CONF_PATH_MAX      4096u
#define CONF_CLUSTERS_MAX  1000u
#define CONF_GATEWAYS_MAX  64u
#define CONF_NAMESPACES_MAX 64u
#define CONF_FILE_MAX      (1024u * 1024)
#define CONF_CUSTOM_MAX    16u

enum conf_sync { CONF_SYNC_INTERVAL, CONF_SYNC_ALWAYS, CONF_SYNC_NEVER };
enum conf_contexts { CONF_CONTEXTS_CURRENT, CONF_CONTEXTS_ALL,
	CONF_CONTEXTS_LIST };
enum conf_overflow { CONF_OVERFLOW_GAP, CONF_OVERFLOW_JOURNAL,
	CONF_OVERFLOW_CLOSE };
enum conf_auth { CONF_AUTH_NONE, CONF_AUTH_JWT };
enum conf_heartbeat_form { CONF_HEARTBEAT_EVENT, CONF_HEARTBEAT_COMMENT };

/* A cluster as configured, or as found in the kubeconfig by the supervisor
 * (which reads only the names of contexts). */
struct conf_cluster {
	char	*id;           /* slug; the name of its watcher */
	char	*context;      /* in `kubeconfig` */
	char	*kubeconfig;   /* path list as in KUBECONFIG */
};

/* A kind of the operator's. */
struct conf_kind {
	char	*name;         /* made: RESOURCE.GROUP, or RESOURCE */
	char	*group;        /* "" = core */
	char	*version;
	char	*resource;     /* plural, as in paths */
	char	*kind;
};

/* Contract 6, per stream type (index STREAM_TYPE_MAX = the default row). */
struct conf_stream {
	int64_t			heartbeat_interval_ms;
	enum conf_heartbeat_form heartbeat_form;
	int64_t			idle_timeout_ms;         /* 0: off */
	int64_t			max_duration_ms;         /* 0: off */
	int64_t			write_stall_timeout_ms;
	enum conf_overflow	on_overflow;
	int64_t			retry_ms;
	uint64_t		max_event;               /* bytes */
	uint64_t		max_line;                /* likewise */
	int64_t			log_grace_ms;
	int64_t			snapshot_retention_ms;
};

struct conf {
	char	*file;                /* where it was read; NULL: defaults */
	char	*listen_host;         /* numeric address */
	uint16_t listen_port;
	char	*state_directory;
	char	*runtime_directory;
	char	*mongodb;             /* URI, or NULL: none */
	char	*kubeconfig;          /* path list, or NULL: none */
	enum conf_contexts contexts;
	char	**context_names;      /* with CONF_CONTEXTS_LIST */
	size_t	 n_context_names;
	struct conf_cluster *clusters;
	size_t	 n_clusters;
	char	*encryption_key_file; /* NULL: made in state_directory */
	enum conf_auth auth;
	struct {
		char	*jwks_file;
		char	*issuer;      /* NULL: any that has one of the keys */
		char	*audience;
		char	*cookie;      /* its name; NULL: none is looked at */
	} jwt;                        /* with CONF_AUTH_JWT */
	struct {
		uint32_t processes;   /* resolved: auto = cores, at most 4 */
		char	**cors_origins;
		size_t	  n_cors_origins;
		char	**trusted_proxies; /* for address_network_parse */
		size_t	  n_trusted_proxies;
		uint32_t max_connections; /* 0: from RLIMIT_NOFILE */
		uint32_t max_per_address;
		uint32_t max_per_token;
		size_t	 ring;            /* bytes */
		bool	 sandbox;
	} gateway;
	struct conf_stream streams[STREAM_TYPE_MAX + 1];
	struct {
		uint32_t workers;
		int64_t	 interval_ms;
		int64_t	 metadata_max_age_ms;
	} health;
	struct {
		char	**kinds;      /* short names */
		size_t	  n_kinds;
		struct conf_kind *custom;
		size_t	  n_custom;
		int64_t	  backoff_base_ms;
		int64_t	  backoff_max_ms;
		bool	  http2;
		bool	  watch_list;  /* streaming lists */
		char	**namespaces;  /* where a kind is looked for that may
					* not be listed cluster-wide */
		size_t	  n_namespaces;
		int64_t	  denied_ms;   /* 403, 404: asked again */
		int64_t	  stale_ms;    /* silence of a watch */
		int64_t	  timeout_ms;  /* of a watch, to twice that */
		int64_t	  slow_list_ms;   /* 64 KiB must come in it */
		uint32_t  max_objects;    /* of one cluster */
		int64_t	  compare_ms;     /* 0: never; to twice that */
		int64_t	  no_address_ms;  /* an ingress may wait for one */
		bool	  helm_releases;  /* secrets of that type, too */
		bool	  jobs_as_streams;
	} watch;
	struct {
		uint64_t size;
		uint64_t segment;
		int64_t	 retain_ms;
		enum conf_sync sync;
		int64_t	 sync_ms;
		uint32_t max_streams;
		int64_t	 idempotency_window_ms;
		uint32_t idempotency_keys;
	} journal;
	struct {
		int64_t	 retain_ms;   /* 0: off */
		uint64_t size;
	} history;
	struct {
		int64_t	 first_ms;
		int64_t	 base_ms;
		int64_t	 max_ms;
		uint32_t circuit_deaths;
		int64_t	 circuit_window_ms;
		int64_t	 circuit_retry_ms;
		int64_t	 hang_timeout_ms;
		int64_t	 ready_timeout_ms;
	} supervise;
	enum log_level	log_level;
	enum log_format	log_format;
};

/* All defaults (as root: /var/lib/sluice; else $XDG_STATE_HOME/sluice). */
void	conf_init(struct conf *conf);
void	conf_free(struct conf *conf);   /* contents */
void	conf_clusters_free(struct conf_cluster *clusters, size_t n);

/* Reads a file over the defaults into *conf (which needs no conf_init, and is
 * to be freed also after problems). Problems are written to `problems`, one per
 * line; returns how many there were (0: *conf is good). conf_parse is the
 * same from memory, `name` standing for the file in messages. */
int	conf_load(struct conf *conf, const char *path, FILE *problems);
int	conf_parse(struct conf *conf, const char *text, size_t n,
	    const char *name, FILE *problems);
/* Whether the files that it names for its gateways can be read, which only who
 * starts them can say, and nobody has a hand in them who must not. What they
 * say is judged by the gateways alone, which read them. Problems as above;
 * returns how many there were. */
int	conf_check_files(const struct conf *conf, FILE *problems);
/* What is nobody's business but lies where the sandbox lets gateways read for
 * the sake of jwt.jwks_file: below its directory. A line of each is written to
 * `out`; returns how many there are. It is no reason not to start. */
int	conf_exposed(const struct conf *conf, FILE *out);
/* The normalised file, every key, that reads back as the same conf, but for
 * secrets in the URI of MongoDB: they are printed as ***. */
void	conf_print(const struct conf *conf, FILE *out);

/* What the process `role`, `instance` needs, and nothing of what is another's:
 * the URI of MongoDB goes to the store alone, a watcher is told of its own
 * cluster. What it is not told, `file` too, is NULL or zero once decoded. */
void	conf_encode(struct buf *b, const struct conf *conf, const char *role,
	    const char *instance);
int	conf_decode(struct conf *ret, const void *p, size_t n,
	    struct err *err);

/* Told each key whose values differ, as "journal.size"; "streams" stands for
 * every option of every type. */
typedef void (*conf_differs_cb)(const char *path, void *arg);
void	conf_differences(const struct conf *a, const struct conf *b,
	    conf_differs_cb cb, void *arg);

/* state_directory/journal, state_directory/sluice.db, projection.db, and
 * runtime_directory/bus: one place for their names. To be freed. */
char	*conf_journal_directory(const struct conf *conf);
char	*conf_bus_directory(const struct conf *conf);
char	*conf_state_path(const struct conf *conf, const char *leaf);
/* The id of a cluster from its context's name (lower case, every other
 * character '-'); to be freed. NULL with *err that names the remedy when the
 * result is no slug. */
char	*conf_slug(const char *context, struct err *err);
/* The options of a stream type, or with STREAM_TYPE_MAX the default ones;
 * every type has a whole row. */
const struct conf_stream *conf_stream(const struct conf *conf,
    enum stream_type type);

#endif
