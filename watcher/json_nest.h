/*
 * json_nest: skips one array or object, to its end, and checks that in it all
 * stands where it may. Pure; json_scan's, over the places that json_index
 * finds. No recursion: what is open is a bit per level.
 */
#ifndef SLUICE_JSON_NEST_H
#define SLUICE_JSON_NEST_H

#include "watcher/json_index.h"

#define JSON_NEST_MAX 256u   /* levels open at once */

/* The container at the place p, which json_index gave last; `depth` levels are
 * open around it. Its end, or NULL: it is malformed, cut, or too deep. */
const char *json_nest_skip(struct json_index *index, const char *p,
    unsigned depth);

#endif
