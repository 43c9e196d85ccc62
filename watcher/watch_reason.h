/*
 * watch_reason: why a kind's LIST or WATCH is not well: a word, a sentence for
 * the operator, and what its machine (watch_fsm) is told of it. Pure.
 *
 * The word is the API server's own reason where it gave one ("Forbidden"), a
 * name for libcurl's error ("TlsFailed") where nothing was answered.
 */
#ifndef SLUICE_WATCH_REASON_H
#define SLUICE_WATCH_REASON_H

#include "watcher/kube_api.h"
#include "watcher/kube_object.h"
#include "watcher/watch_fsm.h"

#define WATCH_REASON_RETRY_MAX_S 3600   /* a server may ask to be left alone */

struct watch_reason {
	long	code;           /* HTTP, 0: none */
	char	reason[64];     /* "" when all is well */
	char	message[512];
	char	audit[SERVER_WORDS_AUDIT_MAX + 1];  /* of the request, or "" */
};

/* Text that does not fit is cut. "" and "": all is well. */
void	watch_reason_set(struct watch_reason *r, long code,
	    const char *reason, const char *message);

/* An answer that is not 200; `error` all zero when its body was no Status. */
enum watch_input watch_reason_status(struct watch_reason *r, long status,
	    const struct kube_error *error);
/* An ERROR event of a watch. */
enum watch_input watch_reason_event(struct watch_reason *r,
	    const struct kube_error *error);
/* No whole answer: it did not come, or broke off. `origin` is where the
 * cluster's address and credentials stand (kube_api_origin). */
void	watch_reason_no_answer(struct watch_reason *r,
	    const struct kube_result *result, const char *origin);

/* The end of a request as a whole. True: it was 200 and came to its end.
 * False: *ret_input and *ret_retry_ms (0: not asked for) say what follows. */
bool	watch_reason_result(struct watch_reason *r,
	    const struct kube_result *result, const char *origin,
	    enum watch_input *ret_input, int64_t *ret_retry_ms);

/* How long the Status asks to wait, bounded; 0: it does not. */
int64_t	watch_reason_retry_ms(long status, const struct kube_error *error);

#endif
