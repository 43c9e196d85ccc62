/*
 * departed: which objects a watcher itself announced as deleted while it waits
 * for the store's answer to one question. Pure. Such an answer may be older
 * than the deletion and still name the object; since nobody else publishes for
 * this cluster, what the watcher said stands.
 *
 * A name is that of the object's stream behind the cluster:
 * "<kind>/<namespace>/<name>". All is forgotten when the next question is
 * asked, which waits for what was announced before it.
 */
#ifndef SLUICE_DEPARTED_H
#define SLUICE_DEPARTED_H

#include "common/buf.h"

#define DEPARTED_MAX 16384u   /* during one question */

/* All zero: none. */
struct departed {
	struct buf	 names;
	struct slice	*sorted;   /* of names; NULL: to be made */
	size_t		 n;
	bool		 full;     /* some are missing: ask again */
};

/* Beyond DEPARTED_MAX it only becomes full. */
void	departed_add(struct departed *d, const char *kind, const char *path);
bool	departed_has(struct departed *d, struct slice name);
/* Forgets all; also frees what it holds. */
void	departed_clear(struct departed *d);

#endif
