/*
 * child: one child of the supervisor through all its lives: has its process
 * (child_process) started, pinged and ended, and tells its owner what changed.
 * The decisions are child_fsm's and backoff's; this is their thin shell.
 * Supervisor only, one thread.
 */
#ifndef SLUICE_CHILD_H
#define SLUICE_CHILD_H

#include <event2/event.h>

#include "common/conf.h"
#include "common/mono.h"
#include "supervisor/backoff.h"
#include "supervisor/child_fsm.h"
#include "supervisor/child_process.h"
#include "supervisor/child_text.h"

#define CHILD_PING_MS   500
#define CHILD_STABLE_MS 10000   /* of answered pings: back-off is reset */
#define CHILD_ROOM      64      /* messages that may wait for others' sake */

enum child_desired { CHILD_DOWN, CHILD_UP };
enum child_pending { CHILD_PENDING_NONE, CHILD_PENDING_RESTART };

struct child;

struct child_ops {
	/* A state was left; called once per change, after it was logged. */
	void	(*changed)(struct child *c, enum child_state old, void *arg);
	/* A message that is not READY, PONG or STATUS; fd as in channel. */
	void	(*message)(struct child *c, enum msg_type type,
		    const void *payload, size_t n, int fd, void *arg);
	/* The READY deadline is over: false puts it off (the broker is not
	 * ready, so this child cannot be). */
	bool	(*may_time_out)(struct child *c, void *arg);
	/* A memfd with its configuration, which is closed here (-1: not to be
	 * had), and the next incarnation. */
	int	(*conf_fd)(const struct child *c, struct err *err, void *arg);
	int	(*incarnation)(uint64_t *ret, struct err *err, void *arg);
	/* A process has ended: reap all, give ours to child_reaped(). */
	void	(*reap)(void *arg);
	void	*arg;
};

struct child {
	uint32_t		 magic;
	char			 role[16];
	char			 instance[64];   /* "-" where there is one */
	char			 title[84];
	char			*binary;
	struct event_base	*base;
	const struct conf	*conf;
	const struct child_ops	*ops;

	enum child_desired	 desired;
	enum child_state	 state;
	enum child_pending	 pending;

	struct child_process	 process;
	struct event		*timer;          /* of the state */
	uint64_t		 incarnation;
	struct backoff		 backoff;
	struct mono		 last_pong;
	struct mono		 ready_at;
	struct mono		 state_since;
	int64_t			 state_since_unix_ms;
	bool			 ponged;         /* answered since its start */
	bool			 stable;         /* back-off was reset */
	uint32_t		 bad_messages;
	uint32_t		 starts;
	uint32_t		 deaths;
	int64_t			 stop_ms;        /* time STOP leaves it */
	char			 cause[CHILD_CAUSE_MAX];      /* of the state */
	char			 last_death[CHILD_CAUSE_MAX];
	struct msg_status	 status;
	struct msg_pong		 pong;

	/* Kept for the owner (relay.c). */
	struct msg_peer		 peer;           /* path empty: none */
	bool			 slot_granted;
	bool			 slot_wanted;
	uint64_t		 listeners;      /* bits of those handed over */
	unsigned		 due;            /* what is still to be told */
	bool			 states_wanted;  /* a gateway: STATES */
	uint64_t		 bindings;     /* of a watcher: their version */
	bool			 drain;        /* a gateway, by command: until
						* it is restarted by one */
	bool			 unlisted;       /* freed once it rests */
};

struct child *child_new(struct event_base *base, const struct conf *conf,
    const char *role, const char *instance, const char *binary,
    const struct child_ops *ops);
/* It must rest (STOPPED) or its process must not matter any more. */
void	child_free(struct child *c);

void	child_want(struct child *c, enum child_desired desired,
	    const char *cause);
/* Wanted, but not to be started before child_want(c, CHILD_UP, ...). */
void	child_hold(struct child *c, const char *cause);
void	child_restart(struct child *c, const char *cause);
/* A gateway is to serve no stream, nor is its next process, until its `drain`
 * is taken back and it is restarted. */
void	child_drain(struct child *c, const char *cause);
/* STOP with this much time before SIGKILL (service stop); one that is hung
 * has no more time than that either. */
void	child_stop_within(struct child *c, int64_t ms, const char *cause);
/* The broker became ready: a starting child's READY deadline begins anew. */
void	child_extend(struct child *c);
/* The process was reaped. */
void	child_reaped(struct child *c, int wait_status);
/* Pings, and finds it hung. `forgive`: our own loop was late. */
void	child_tick(struct child *c, struct mono now, bool forgive);
/* False: not running, or the channel is full (the child is then hung). */
bool	child_send(struct child *c, enum msg_type type, const void *payload,
	    size_t n, int fd);
/* False: enough waits for it already. What one child makes us tell another is
 * put off then, so that none can make another look hung. */
bool	child_has_room(const struct child *c);
bool	child_running(const struct child *c);
/* "waiting" where it is wanted but not started yet, "draining" where it would
 * be "ready", else the state's name. */
const char *child_shown_state(const struct child *c);

#endif
