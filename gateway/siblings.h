/*
 * siblings: asks the other gateways of this host something (desk.h), all at
 * once. Process: gateway.
 *
 * Who has no desk, or a desk at which nobody sits, does not run and has no
 * streams. Who does not answer within SIBLINGS_WAIT_MS is `silent`: it hangs,
 * or has too many who ask.
 */
#ifndef SLUICE_SIBLINGS_H
#define SLUICE_SIBLINGS_H

#include <stdbool.h>

#include "common/buf.h"

#define SIBLINGS_WAIT_MS    1000
#define SIBLINGS_ASKS_MAX   16u                   /* at one time */
#define SIBLINGS_ANSWER_MAX (4u * 1024 * 1024)    /* of one; more is silence */

struct gateway;
struct siblings;

struct siblings_answer {
	unsigned int	gateway;   /* its index */
	bool		silent;
	struct buf	text;      /* a line of JSON, unless silent */
};

/* Called once, from the loop, unless siblings_cancel() was; the answers are the
 * caller's to read during the call. */
typedef void (*siblings_cb)(const struct siblings_answer *answers, size_t n,
    void *arg);

/* `request` is one line without its newline. NULL: too many ask. */
struct siblings	*siblings_ask(struct gateway *g, struct slice request,
		    siblings_cb cb, void *arg);
void		 siblings_cancel(struct siblings *s);

#endif
