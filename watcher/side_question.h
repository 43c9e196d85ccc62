/*
 * side_question: the small questions about a kind beside its LIST and WATCH,
 * each of which ends in what its machine (watch_fsm) is told:
 *   probe     does the server's history reach this version?
 *             CURRENT, TOO_LARGE (also when the server's own is lower)
 *   discover  is the kind served (in namespaces, if asked there)? SERVED,
 *             UNSERVED
 *   review    do the server's own rules allow what it refused? ALLOWED, DENIED
 *             (`why` all zero: the refusal's own stands)
 * or why there was no answer (FAILED, UNAUTHORIZED ...). Runs in the watcher's
 * loop; one question at a time, its answer bounded.
 */
#ifndef SLUICE_SIDE_QUESTION_H
#define SLUICE_SIDE_QUESTION_H

#include "watcher/kube_api.h"
#include "watcher/request_path.h"
#include "watcher/watch_reason.h"

struct side_question;

/* Once; may ask again. `why` is valid during the call. */
typedef void (*side_question_cb)(enum watch_input input,
    const struct watch_reason *why, int64_t retry_after_ms, void *arg);

/* `place` must outlive it. */
struct side_question *side_question_new(struct kube_api *api,
    const struct request_place *place, side_question_cb cb, void *arg);
void	side_question_free(struct side_question *q);   /* cancels */

/* -1: the request could not be made; the callback is not called. `silent` as
 * in kube_get. */
int	side_question_probe(struct side_question *q, const char *version,
	    struct mono silent, struct err *err) MUST_CHECK;
int	side_question_discover(struct side_question *q, struct err *err)
	    MUST_CHECK;
int	side_question_review(struct side_question *q, const char *verb,
	    struct err *err) MUST_CHECK;
void	side_question_cancel(struct side_question *q);

#endif
