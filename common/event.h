/*
 * event: the names and limits of StreamEvents, streams and positions that
 * every process shares, and the one binary form of an event (`item`).
 *
 * Source of the rules: the contract (doc/contract.md): section 1 (fields), 2
 * (keys, types), 4 (cursors).
 *
 * An item carries what the broker and the hub must see as fields of their own
 * (tenant, key, event type, subject), and the event's JSON as `frame`: the
 * members of the StreamEvent *without* `id` and `seq`, which only the broker
 * can give, without the opening brace, `data` last:
 *
 *     "type":"resource","stream_key":"resource:a/pod/b/c",…,"data":{…}}
 *
 * so that `{"id":"<epoch>-<position>","seq":N,` in front of it makes the
 * object a browser sees, and frame[data_off .. frame_len-2] is `data` itself.
 * The frame is valid UTF-8, one line, and was checked by who made the item.
 */
#ifndef SLUICE_EVENT_H
#define SLUICE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

/* --- limits (contract 1, 2, 5) ------------------------------------------- */
#define EVENT_MAX            (48u * 1024)   /* bytes of one event as received */
#define EVENT_DATA_LINE_MAX  60000u         /* bytes of one SSE data line */
#define EVENT_BATCH_MAX      1000u          /* events of one request */
#define EVENT_BATCH_BYTES    (1024u * 1024) /* bytes of one request */
#define EVENT_KEY_MAX        528u           /* "notifications:" + 512 + ... */
#define EVENT_NAME_MAX       512u
#define EVENT_TYPE_MAX       64u            /* event_type */
#define EVENT_SUBJECT_MAX    512u
#define EVENT_TENANT_MAX     63u
#define EVENT_IDEM_KEY_MAX   256u
#define EVENT_ID_MAX         40u            /* "<8 hex>-<20 digits>" and NUL */
#define EVENT_TENANT_DEFAULT "-"

/* --- stream types (contract 2) ------------------------------------------- */
/* Stored in projection.db: append only. */
enum stream_type {
	STREAM_JOB,
	STREAM_PACK_RUN,
	STREAM_RUN,
	STREAM_WORKFLOW,
	STREAM_RESOURCE,
	STREAM_POD_LOGS,
	STREAM_BUILD,
	STREAM_IMPORT,
	STREAM_CLUSTER,
	STREAM_WATCHER,
	STREAM_ALERTS,
	STREAM_NOTIFICATIONS,
	STREAM_TYPE_MAX
};

const char	*stream_type_name(enum stream_type type);
/* Whether streams of this type come to an end; what ends one is a matter of its
 * events (gateway/stream_kind.h). */
bool		 stream_type_ends(enum stream_type type);
/* Whether the store keeps all its events for a while (GET
 * /api/v1/streams/{key}/events), by the type that a checked key begins with:
 * job, pack-run, run, build, import, alerts, notifications, which publishers
 * tell. Not what Sluice's own watchers and checks see (resource, workflow,
 * cluster, watcher), of which the latest says it all, nor pod-logs, whose
 * history the cluster has. */
bool		 stream_has_history(struct slice key);
/* The type of a whole key "<type>:<name>" after checking its grammar and
 * length; -1 with *err naming what is wrong. `err` may be NULL. */
int		 stream_key_check(struct slice key, enum stream_type *ret_type,
		    struct err *err);
/* The same for a subscription: a key, or a prefix that ends in "/" "*" or ":*"
 * (contract 2); *ret_prefix_len is the bytes a key must begin with, or 0 when
 * it is an exact key. */
int		 stream_selector_check(struct slice selector,
		    size_t *ret_prefix_len, struct err *err);
/* True when `key` is, or begins as, the checked selector says. */
bool		 stream_selector_matches(struct slice selector,
		    struct slice key);
/* ^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$, at most EVENT_TYPE_MAX. */
bool		 event_type_valid(struct slice event_type);
/* [a-z0-9][a-z0-9.-]{0,62}: a cluster's id. */
bool		 slug_valid(struct slice slug);

/* --- positions and cursors ----------------------------------------------- */
/* A place in the one order. Epochs compare by equality only; positions never
 * go back over epochs, so (position) alone orders everything. */
struct position {
	uint32_t	epoch;     /* 0: none */
	uint64_t	number;    /* 1, 2, 3 ...; 0: before everything */
};

/* "<8 lowercase hex>-<decimal>"; returns buf. */
const char	*position_format(struct position pos, char buf[EVENT_ID_MAX]);
/* Strict inverse; false if malformed (leading zeros in the number too). */
bool		 position_parse(struct slice text, struct position *ret);
bool		 position_eq(struct position a, struct position b);

/* --- items --------------------------------------------------------------- */
enum item_flag {
	ITEM_LIFECYCLE  = 1 << 0,  /* moves the stream's own guard */
	ITEM_TERMINAL   = 1 << 1,  /* the stream's last lifecycle event */
	ITEM_DELETED    = 1 << 2,  /* object gone: stream may be forgotten */
	ITEM_IDEMPOTENT = 1 << 3,  /* idem and body are set */
	ITEM_GUARDED    = 1 << 4,  /* requests: only if guard still holds */
	ITEM_LAST       = 1 << 5,  /* the last line of its stream's log */
	ITEM_LOG        = 1 << 6,  /* a line of its log: attempt, line_no */
	ITEM_LOG_NEXT   = 1 << 7,  /* requests: only if line_no is the one
				    * after the last that the broker has */
	ITEM_PART       = 1 << 8,  /* moves the guard of a part of the stream
				    * (a step), not the stream's own */
};

#define EVENT_HASH_SIZE 16u   /* first half of a SHA-256 */

/* A guard that no machine has: the answer is where it stands. */
#define ITEM_GUARD_NEVER ((struct position){ 0, UINT64_MAX })

/* Slices point into the caller's memory; an item owns nothing. */
struct item {
	uint32_t	group;      /* ordinal of its atomic group in batch */
	uint16_t	flags;      /* enum item_flag */
	uint8_t		state;      /* opaque state byte, kept per machine */
	uint64_t	seq;        /* given by the broker; 0 in a request */
	struct position	position;   /* likewise (not stored per item) */
	struct position	guard;      /* with ITEM_GUARDED: the last lifecycle
				     * event's position the publisher judged on
				     * ({0,0}: none yet), of its machine (the
				     * stream's own, or its part's); requests
				     * only */
	struct slice	tenant;
	struct slice	key;
	struct slice	event_type;
	struct slice	subject;    /* may be empty */
	struct slice	frame;
	uint32_t	data_off;   /* of `data` inside frame */
	uint32_t	attempt;    /* of a lifecycle event or a line, from 1 */
	uint64_t	line_no;    /* with ITEM_LOG, from 1; the pieces of a
				     * long line have one number */
	uint8_t		idem[EVENT_HASH_SIZE];  /* of (tenant, source, key) */
	uint8_t		body[EVENT_HASH_SIZE];  /* of the event as received */
	uint8_t		part[EVENT_HASH_SIZE];  /* with ITEM_PART: whose */
};

/* Appends the item's binary form. It is the same in a request, in a record,
 * and in a store answer; `with_position` adds the position (store answers). */
void		 item_encode(struct buf *b, const struct item *item,
		    bool with_position);
/* Reads one item; its slices point into the reader's bytes. -1 if malformed
 * (also: a data_off or flag that cannot be). */
int		 item_decode(struct rd *r, struct item *ret,
		    bool with_position);
/* `data` of the frame. */
struct slice	 item_data(const struct item *item);

#endif
