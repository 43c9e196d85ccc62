/*
 * child_json: a child as operators are told of it, by the control socket and
 * through the gateways (MSG_STATES): one JSON object. Pure: reads the child,
 * appends bytes that are valid UTF-8 whatever the child said of itself.
 */
#ifndef SLUICE_CHILD_JSON_H
#define SLUICE_CHILD_JSON_H

#include "common/buf.h"
#include "supervisor/child.h"

/* A JSON string: text of a child may have been cut inside a character, and may
 * hold what a server said; what a terminal may obey becomes '?'. */
void	child_json_text(struct buf *b, const char *text);
/* {"process":"watcher/prod","state":"ready",...}: what sluicectl status
 * shows. */
void	child_json(struct buf *b, const struct child *c);
/* An array of them: what MSG_STATES brings. */
void	child_json_all(struct buf *b, struct child *const *children, size_t n);

#endif
