/*
 * watch_outcome: what one request came to, of a LIST, a WATCH or a side
 * question: what its machine (watch_fsm) is told, and why. Pure; list_ask and
 * side_question fill it while the request runs. The first decision stands: a
 * body that was refused is not judged once more by how its transfer ended.
 */
#ifndef SLUICE_WATCH_OUTCOME_H
#define SLUICE_WATCH_OUTCOME_H

#include "watcher/list_pages.h"
#include "watcher/watch_body.h"
#include "watcher/watch_reason.h"

struct watch_outcome {
	bool			 decided;
	enum watch_input	 input;
	bool			 explained;   /* `why` says something new */
	struct watch_reason	 why;
	bool			 refused;     /* by what a 200 brought */
	bool			 cut;         /* a 200 broke off */
	bool			 quick;       /* ENDED: as in watch_facts */
	bool			 paged;       /* of a list's further page */
	bool			 full;        /* not all found room */
	bool			 unreachable; /* nothing was answered */
	bool			 silent;      /* STALE, though bytes were due */
	int64_t			 retry_after_ms;
	uint64_t		 oversized;   /* LISTED: objects skipped */
};

/* What the request was, as far as it matters here. */
struct watch_asked {
	bool		 stream;     /* a list by watch */
	bool		 open;       /* its head was 200 */
	bool		 metadata;   /* only that is accepted */
	const char	*origin;     /* kube_api_origin */
};

/* All zero is a good start of the next request. */
void	watch_outcome_decide(struct watch_outcome *o, enum watch_input input);
void	watch_outcome_say(struct watch_outcome *o, long code,
	    const char *reason, const char *message);
/* What a 200 brought is not what was asked for. */
void	watch_outcome_refuse(struct watch_outcome *o, const char *text);
/* The body of a watch is over: not WATCH_BODY_OPEN. */
void	watch_outcome_body(struct watch_outcome *o,
	    const struct watch_body *body, const struct watch_asked *asked);
/* The answer as a whole, unless its body decided already. True: it was 200 and
 * came to its end; nothing is decided yet. */
bool	watch_outcome_result(struct watch_outcome *o,
	    const struct kube_result *result, const struct watch_asked *asked)
	    MUST_CHECK;
/* Whether its `why` is the kind's from now on, in the state it was asked in. Of
 * a review only what it allows says more than the refusal it asks about. */
bool	watch_outcome_explains(const struct watch_outcome *o,
	    enum watch_state state);
/* The API server may have been away meanwhile, as far as can be seen: a watch
 * that it ended well, and that is answered at once when asked for again, says
 * nothing of it. */
bool	watch_outcome_outage(const struct watch_outcome *o);
/* A whole page is there: where it stands in the list. */
void	watch_outcome_page(struct watch_outcome *o, struct list_pages *list);

#endif
