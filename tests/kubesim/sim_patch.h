/*
 * sim_patch: JSON merge patch (RFC 7386) on documents. Pure.
 */
#ifndef SIM_PATCH_H
#define SIM_PATCH_H

#include <jansson.h>

/* Applies the patch to the object `target` in place; null removes. */
void	sim_patch_merge(json_t *target, json_t *patch);
/* The patch that makes `from` into `to`; NULL when they are equal. New
 * reference. Members whose value is null in `to` are dropped. */
json_t	*sim_patch_diff(json_t *from, json_t *to);
/* The value at a path of member names ending in NULL, or NULL. Borrowed. */
json_t	*sim_patch_get(json_t *doc, const char *const *path);

#endif
