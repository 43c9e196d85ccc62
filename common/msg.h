/*
 * msg: everything the supervisor and its children say to each other, over one
 * SOCK_SEQPACKET pair per child (fd 3 in the child). The X-macro list is the
 * whole protocol: name, who may send it, whether a file descriptor comes with
 * it. Payload structs and their encoders stand below, in the same order.
 *
 * A message: u16 protocol version, u16 type, u32 payload length, payload.
 * Decoding checks every length and that nothing is left over. A child that
 * gets a message it cannot read or may not get dies (the versions differ); the
 * supervisor logs it once and counts it. EOF = the other side is gone.
 */
#ifndef SLUICE_MSG_H
#define SLUICE_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define MSG_VERSION      4u
#define MSG_PAYLOAD_MAX  (60u * 1024)   /* larger things travel as a memfd */
#define MSG_STATES_MAX   (16u * 1024 * 1024)   /* of a thousand processes that
						* say all that they can */
#define MSG_CHANNEL_FD   3

/*        name              sender      fd     meaning */
#define MSG_LIST(X)                                                            \
	X(CONFIG,           SUPERVISOR, true)  /* memfd: conf_encode() */      \
	X(LISTENER,         SUPERVISOR, true)  /* a gateway's socket */        \
	X(UNLISTEN,         SUPERVISOR, false) /* another has it now */        \
	X(DRAIN,            SUPERVISOR, false) /* let go of all streams */     \
	X(PING,             SUPERVISOR, false) /* answer with PONG */          \
	X(STOP,             SUPERVISOR, false) /* leave in order, exit 0 */    \
	X(RELOAD,           SUPERVISOR, true)  /* memfd: new configuration */  \
	X(PEER_UP,          SUPERVISOR, false) /* broker: connect PUB there */ \
	X(PEER_DOWN,        SUPERVISOR, false) /* broker: disconnect */        \
	X(CLUSTER_STATE,    SUPERVISOR, false) /* health: a watcher's state */ \
	X(BINDINGS_CHANGED, BOTH,       false) /* from store, to a watcher */  \
	X(RESYNC,           BOTH,       false) /* from store, to watchers */   \
	X(LIST_SLOT,        BOTH,       false) /* asked, granted, returned */  \
	X(SEGMENT,          BOTH,       true)  /* broker: a memory segment */  \
	X(READY,            CHILD,      false) /* start-up is complete */      \
	X(PONG,             CHILD,      false) /* what keeps the loop busy */  \
	X(BUS_PATH,         CHILD,      false) /* a reader: SUB bound there */ \
	X(STATUS,           CHILD,      false) /* a line for sluicectl */      \
	X(CHECK_NOW,        BOTH,       false) /* a watcher's cluster fails */ \
	X(CREDENTIAL_ASK,   CHILD,      false) /* run this cluster's plugin */ \
	X(CREDENTIAL,       SUPERVISOR, true)  /* memfd: exec_credential.h */  \
	X(STATES_ASK,       CHILD,      false) /* a gateway: how are all? */   \
	X(STATES,           SUPERVISOR, true)  /* memfd: JSON, child_json */

enum msg_sender { MSG_FROM_SUPERVISOR = 1, MSG_FROM_CHILD = 2,
	MSG_FROM_BOTH = 3 };

enum msg_type {
#define X(name, sender, fd) MSG_##name,
	MSG_LIST(X)
#undef X
	MSG_TYPE_MAX
};

const char	*msg_name(enum msg_type type);
enum msg_sender	 msg_sender(enum msg_type type);
bool		 msg_has_fd(enum msg_type type);

/* PEER_UP, PEER_DOWN, BUS_PATH (role and instance empty in BUS_PATH). */
struct msg_peer {
	char		role[16];
	char		instance[64];
	uint64_t	incarnation;
	char		path[108];      /* ipc address of its SUB socket */
};

/* CLUSTER_STATE: what the supervisor sees of a watcher. */
struct msg_cluster {
	char	cluster[64];
	char	state[16];             /* starting, ready, backoff, failed... */
};

/* BINDINGS_CHANGED, RESYNC, CHECK_NOW: cluster ("" in RESYNC: all).
 * CREDENTIAL_ASK: version = the id of the credential that the API server
 * refused (0: none was). CREDENTIAL: version = the id of the one in the fd;
 * every question has one answer, and one question at a time is asked. */
struct msg_bindings {
	char		cluster[64];
	uint64_t	version;
};

enum msg_slot { MSG_SLOT_ASK, MSG_SLOT_GRANT, MSG_SLOT_RETURN };

/* PONG: what the loop last did; `busy` is a word ("", "journal"). */
struct msg_pong {
	uint64_t	turns;
	char		busy[16];
};

/* STATUS: state a word, text a line: why a process cannot start, whole, since
 * the remedy stands at its end. */
struct msg_status {
	char	state[24];
	char	text[ERR_TEXT_MAX];
};

/* STATES_ASK, STATES: no payload. Each question is answered once, or several
 * that came together; nobody asks again before that. */

/* SEGMENT: first position of the memory segment in the fd.
 * LISTENER, UNLISTEN: whose of the gateways it is by number, from 0. */

void	msg_peer_encode(struct buf *b, const struct msg_peer *m);
int	msg_peer_decode(const void *p, size_t n, struct msg_peer *ret);
void	msg_cluster_encode(struct buf *b, const struct msg_cluster *m);
int	msg_cluster_decode(const void *p, size_t n, struct msg_cluster *ret);
void	msg_bindings_encode(struct buf *b, const struct msg_bindings *m);
int	msg_bindings_decode(const void *p, size_t n,
	    struct msg_bindings *ret);
void	msg_slot_encode(struct buf *b, enum msg_slot slot);
int	msg_slot_decode(const void *p, size_t n, enum msg_slot *ret);
void	msg_pong_encode(struct buf *b, const struct msg_pong *m);
int	msg_pong_decode(const void *p, size_t n, struct msg_pong *ret);
void	msg_status_encode(struct buf *b, const struct msg_status *m);
int	msg_status_decode(const void *p, size_t n, struct msg_status *ret);
void	msg_segment_encode(struct buf *b, uint64_t first);
int	msg_segment_decode(const void *p, size_t n, uint64_t *ret_first);
void	msg_listener_encode(struct buf *b, uint32_t index);
int	msg_listener_decode(const void *p, size_t n, uint32_t *ret_index);

#endif
