/*
 * list_scan: cuts a Kubernetes list, as it arrives, into its objects, so that
 * never more than one object of it is in memory.
 *
 * Pure (its buffer apart). Process: health. It follows strings, braces and the
 * keys of the outermost object only; what an object holds is judged by who
 * parses the slice. An object over LIST_SCAN_OBJECT_MAX ends the scan.
 */
#ifndef SLUICE_LIST_SCAN_H
#define SLUICE_LIST_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define LIST_SCAN_OBJECT_MAX (1024u * 1024)
#define LIST_SCAN_DEPTH_MAX  256u

enum list_scan_part {
	LIST_SCAN_ITEM,        /* one member of `items` */
	LIST_SCAN_METADATA,    /* the list's own `metadata` */
};

/* Bytes are valid during the call. False ends the scan as failed. */
typedef bool (*list_scan_cb)(enum list_scan_part part, struct slice json,
    void *arg);

struct list_scan {
	list_scan_cb	 cb;
	void		*arg;
	struct buf	 object;      /* the one being collected */
	uint32_t	 depth;
	uint32_t	 base;        /* depth at which it began */
	char		 key[16];     /* of the outermost object; cut */
	uint32_t	 key_len;
	enum list_scan_part part;
	bool		 collecting;
	bool		 in_string;
	bool		 escaped;
	bool		 in_key;
	bool		 want_key;
	bool		 in_items;
	bool		 failed;
	bool		 complete;    /* the outermost object was closed */
};

void	list_scan_init(struct list_scan *s, list_scan_cb cb, void *arg);
void	list_scan_free(struct list_scan *s);   /* contents */
/* The next bytes; false when it is no list, too deep or too large, or the
 * callback said so: nothing more is taken then. */
bool	list_scan_feed(struct list_scan *s, const char *p, size_t n);
/* True when a whole list was seen. */
bool	list_scan_done(const struct list_scan *s);

#endif
