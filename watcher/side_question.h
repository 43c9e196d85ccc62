/*
 * side_question: the small questions about a kind beside its LIST and WATCH,
 * each of which ends in an outcome as those do:
 *   probe     does the server's history reach this version?
 *             CURRENT, TOO_LARGE (also when the server's own is lower)
 *   discover  is the kind served (in namespaces, if asked there)? SERVED,
 *             UNSERVED
 *   review    do the server's own rules allow what it refused? ALLOWED, DENIED
 * or why there was no answer (FAILED, UNAUTHORIZED, STALE ...). Runs in the
 * watcher's loop; one question at a time, its answer bounded.
 */
#ifndef SLUICE_SIDE_QUESTION_H
#define SLUICE_SIDE_QUESTION_H

#include "watcher/kube_api.h"
#include "watcher/request_path.h"
#include "watcher/watch_outcome.h"

#define SIDE_QUESTION_MS (60 * 1000)   /* to the answer's end */

struct side_question;

/* The question is over; may ask again. */
typedef void (*side_question_cb)(const struct watch_outcome *outcome,
    void *arg);

/* `api` and `place` must outlive it. */
struct side_question *side_question_new(struct event_base *base,
    struct kube_api *api, const struct request_place *place,
    side_question_cb cb, void *arg);
void	side_question_free(struct side_question *q);   /* cancels */

/* Each asks; the callback may come from within (no credentials). `silent` as
 * in kube_get. */
void	side_question_probe(struct side_question *q, const char *version,
	    struct mono silent);
void	side_question_discover(struct side_question *q);
void	side_question_review(struct side_question *q, const char *verb);
void	side_question_cancel(struct side_question *q);
/* When the last one began; ns 0: there was none. */
struct mono side_question_begun(const struct side_question *q);

#endif
