/*
 * list_stream: the body of a Kubernetes LIST, as it arrives, item by item: no
 * page is ever held as a whole (doc/k8s-watch.md A.2: an unpaged list may be
 * gigabytes). Pure (its buffers apart). Processes: watcher (every object),
 * health (nodes and names).
 *
 * It finds where each element of the root's `items` begins and ends; whether
 * an item is valid JSON, of any depth, is for its reader to say. Every other
 * member of the root must be small; `metadata` and `kind` are kept, and are
 * whole when the list is. An item longer than item_max is skipped and counted
 * in `oversized`; who cannot do without it ends the transfer.
 *
 * With kind_only (a raw JSON string) a list that does not call itself that
 * before its items is refused before one of them is kept, and memory that held
 * a part of one is wiped: it may be what must not be read.
 */
#ifndef SLUICE_LIST_STREAM_H
#define SLUICE_LIST_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/json_skip.h"

#define LIST_STREAM_ITEM_MAX   (16u * 1024 * 1024)
#define LIST_STREAM_MEMBER_MAX (64u * 1024)

enum list_state {
	LIST_START, LIST_NAME, LIST_COLON, LIST_VALUE, LIST_MEMBER,
	LIST_AFTER, LIST_ITEM_FIRST, LIST_ITEM, LIST_IN_ITEM,
	LIST_AFTER_ITEM, LIST_NEXT_NAME, LIST_IN_NAME, LIST_END, LIST_BROKEN,
};

enum list_value { LIST_SCALAR, LIST_STRING, LIST_CONTAINER };

struct list_stream {
	size_t		item_max;  /* 0: LIST_STREAM_ITEM_MAX; outlives reset */
	const char	*kind_only;  /* NULL: any; outlives reset */
	bool		other_kind;  /* refused for that */
	enum list_state	state;
	enum list_value	value;       /* what the current one is */
	struct json_skip skip;       /* where in it, if it is a container */
	bool		in_string;   /* ... a string: behind its first quote */
	bool		escaped;
	bool		skipping;    /* the current item is too long */
	uint64_t	oversized;
	uint64_t	items;
	struct buf	partial;     /* begun name, member or item */
	struct buf	name;        /* of the current member */
	struct buf	metadata;    /* raw JSON of these members */
	struct buf	kind;
};

/* One item's bytes, valid during the call. False: stop here. */
typedef bool (*list_stream_cb)(struct slice item, void *arg);

/* All zero but for item_max and kind_only is a good start. Releases and begins
 * anew. */
void	list_stream_reset(struct list_stream *s);
/* False when the callback said so or the body cannot be a list. */
bool	list_stream_feed(struct list_stream *s, const char *p, size_t n,
	    list_stream_cb cb, void *arg);
/* True when the list has ended as it should. */
bool	list_stream_complete(const struct list_stream *s);

#endif
