/*
 * supervisor: the one private context of this process: what main, service,
 * settings, relay and control share. One thread, one loop.
 */
#ifndef SLUICE_SUPERVISOR_H
#define SLUICE_SUPERVISOR_H

#include <event2/event.h>

#include "common/conf.h"
#include "common/notify.h"
#include "supervisor/child.h"
#include "supervisor/keeper.h"
#include "supervisor/state_dir.h"

#define SUPERVISOR_SEGMENTS_MAX 64u

/* Order in which the service stops; children of one phase stop together. */
enum stop_phase {
	STOP_NOT,
	STOP_PUBLISHERS,   /* watchers, health */
	STOP_GATEWAYS,
	STOP_STORE,
	STOP_BROKER,
	STOP_DONE
};

/* A memory segment of the journal (MSG_SEGMENT), kept for late readers. */
struct kept_segment {
	uint64_t	first;
	int		fd;
};

struct control;
struct plugins;

struct supervisor {
	struct event_base	*base;
	struct conf		 conf;        /* clusters: those to watch */
	const char		*conf_path;   /* NULL: defaults */
	char			*bin_directory;
	struct state_dir	 state_dir;
	struct keeper		 keeper;
	struct notify		 notify;
	struct control		*control;
	struct plugins		*plugins;     /* credentials they give */
	struct child_ops	 child_ops;
	struct child		**children;
	size_t			 n_children;
	struct kept_segment	 segments[SUPERVISOR_SEGMENTS_MAX];
	size_t			 n_segments;
	struct event		*tick;
	struct event		*signals[4];
	struct mono		 last_tick;
	struct mono		 last_watchdog;
	struct mono		 stop_started;
	uint64_t		 ticks;
	enum stop_phase		 stop_phase;
	bool			 broker_was_ready;
	bool			 is_ready;    /* once all had settled */
	bool			 told_ready;  /* READY=1 to systemd */
	char			 told_status[192];
	unsigned		 slots;       /* LIST_SLOT grants out */
	struct mono		 states_next; /* all_states.c: not before */
	bool			 states_soon; /* a timer runs */
};

/* --- service.c: the set of children --------------------------------------- */

/* Reads the kubeconfig's contexts, makes the children, starts the broker. */
void	service_start(struct supervisor *s);
void	service_stop(struct supervisor *s, const char *cause);
/* Makes and starts those of the configuration's clusters that are not there. */
void	service_add_watchers(struct supervisor *s);
void	service_tick(struct supervisor *s);
void	service_free(struct supervisor *s);
/* By title ("watcher/prod"), or NULL; by role and instance (NULL: any). */
struct child *service_find(struct supervisor *s, const char *title);
struct child *service_role(struct supervisor *s, const char *role,
	    const char *instance);
/* Reaps everything that has ended, known or not; kills strays. */
void	service_reap(struct supervisor *s);

/* --- settings.c: the configuration ---------------------------------------- */

/* Puts the clusters to watch into *conf: its own, and the kubeconfig's; -1
 * with *err when that cannot be read (*conf has its own then). */
int	settings_clusters(struct conf *conf, struct err *err) MUST_CHECK;
/* What a child is told of the configuration, as a sealed memfd of its own, to
 * be closed by the caller; -1 with *err. */
int	settings_seal(const struct conf *conf, const struct child *c,
	    struct err *err) MUST_CHECK;
/* SIGHUP: reads the configuration again; -1 with *err (the old one stays). */
int	settings_reload(struct supervisor *s, struct err *err) MUST_CHECK;

/* --- relay.c: messages from child to child -------------------------------- */

void	relay_message(struct child *c, enum msg_type type,
	    const void *payload, size_t n, int fd, void *arg);
/* What follows for the others from a child's change of state. */
void	relay_changed(struct supervisor *s, struct child *c);
/* Tells what was put off because the other side had no room. */
void	relay_tick(struct supervisor *s);
/* plugins_answer_cb: what a plugin gave, for the child `title`. */
void	relay_credential(const char *title, const char *cluster, uint64_t id,
	    int fd, void *arg);
void	relay_free(struct supervisor *s);

/* --- listeners.c: which gateway accepts where ----------------------------- */

/* A gateway's state has changed. */
void	listeners_changed(struct supervisor *s, struct child *c);
/* By command: `c` serves no streams until it is started again. */
void	listeners_drain(struct supervisor *s, struct child *c);

/* --- control.c: the operator's socket ------------------------------------- */

struct control *control_open(struct supervisor *s, struct err *err)
	    MUST_CHECK;
void	control_close(struct control *c);

#endif
