/*
 * pub_answer: what an answer to POST /api/v1/events says of the events that
 * were sent (the contract, section 5). Pure: a status and a body in.
 *
 * An answer counts only in the contract's own form: a refusal with its `code`,
 * a 202 with figures that tell the fate of each event that was sent. A proxy's
 * 401 or 403 page, or the 202 of something that only queues requests, says
 * nothing of an event, and nothing is given up because of it.
 */
#ifndef SLUICE_PUB_ANSWER_H
#define SLUICE_PUB_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/sluice.h"

#define PUB_ANSWER_MAX (512u * 1024)   /* bytes of an answer's body */

enum pub_verdict {
	PUB_TAKEN,          /* all, or all but `refused` */
	PUB_REFUSED,        /* none, and a repeat will not change that */
	PUB_UNAUTHORIZED,   /* none: the token */
	PUB_AWAY,           /* not known: repeat */
};

struct pub_answer {
	enum pub_verdict verdict;
	int		 status;
	size_t		 duplicates;
	size_t		 refused;      /* with PUB_TAKEN */
	char		 code[64];
	char		 text[SLUICE_ERROR_MAX];
	json_t		*details;      /* array, or NULL */
};

/* The answer to n events. status 0: there was none, and `body` (NUL-terminated)
 * says why. What it owns is released by pub_answer_clear. */
void	pub_answer_read(struct pub_answer *a, size_t n, int status,
	    const char *body, size_t size);
void	pub_answer_clear(struct pub_answer *a);
/* Sets named[i] for each of n events that `details` speak of, by the place
 * that begins a path ("[2].data.state"); how many there are. */
size_t	pub_answer_named(const struct pub_answer *a, bool *named, size_t n);

#endif
