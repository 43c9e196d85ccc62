/*
 * access_review: asks an API server whether its own rules allow what it just
 * refused with 403 (SelfSubjectAccessReview, k8s-watch.md A 22). Pure: the
 * question to post, the answer to judge. A 403 that no rule gave comes from
 * something else, and goes by sooner than a missing role.
 */
#ifndef SLUICE_ACCESS_REVIEW_H
#define SLUICE_ACCESS_REVIEW_H

#include <stdbool.h>

#include "watcher/request_path.h"

#define ACCESS_REVIEW_PATH \
	"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

/* Appends the body of the question; `verb` is "list" or "watch". */
void	access_review_ask(struct buf *b, const struct request_place *place,
	    const char *verb);
/* The body of an answer 201. False when it does not say so. */
bool	access_review_allows(struct slice body);

#endif
