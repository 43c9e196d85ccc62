/*
 * sim: the simulator's one private context, known to all its files but the
 * pure ones (sim_kinds, sim_template, sim_pod, sim_patch).
 */
#ifndef SIM_H
#define SIM_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/kubesim/sim_access.h"
#include "tests/kubesim/sim_modes.h"
#include "tests/kubesim/sim_store.h"

struct sim_http;
struct sim_watches;
struct sim_life;
struct sim_faults;
struct sim_control;
struct sim_shelf;
struct sim_log;
struct sim_bulk;
struct sim_script;

struct sim_options {
	const char	*dir;            /* certificates; NULL: none written */
	const char	*context;
	const char	*kubeconfig;     /* --print-kubeconfig */
	const char	*token;
	uint16_t	 port;
	uint16_t	 replica_port;
	bool		 tls;
	bool		 expired;        /* the certificate */
	bool		 http1;          /* no HTTP/2 over TLS */
	bool		 frozen;
	uint64_t	 seed;
	unsigned	 rate;           /* changes per second of the life */
	unsigned	 objects;
	unsigned	 pods;           /* beside those, evenly in ... */
	unsigned	 namespaces;
	unsigned	 pod_bytes;
	unsigned	 clusters;       /* in this process, a port each */
	bool		 sni;            /* ... or told apart by name */
	int64_t		 clock_ms;       /* where a script's clock begins */
	uint32_t	 kinds;          /* SIM_BIT of those that live */
	size_t		 window;         /* events kept for watches */
	int64_t		 window_ms;      /* younger ones are kept as well */
	size_t		 truth;          /* states kept for /_sim/history */
	size_t		 watch_buffer;   /* bytes a slow watcher may owe */
	int64_t		 continue_ms;    /* life of a continue token */
};

struct sim {
	struct event_base	*base;
	struct sim_options	 opt;
	struct sim_store	*store;
	struct sim_http		*http;
	struct sim_shelf	*shelf;
	struct sim_watches	*watches;
	struct sim_life		*life;
	struct sim_faults	*faults;
	struct sim_control	*control;
	struct sim_log		*log;
	struct sim_bulk		*bulk;
	struct sim_script	*script;
	struct sim_modes	 modes;
	struct sim_access	 access;
	uint64_t		 replica_rv;     /* what the replica has seen */
	char			*host;           /* a client's name for it */
	struct sim		*all;            /* by SNI; NULL: this one */
	unsigned		 n_all;
};

#endif
