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

#define PUB_ANSWER_MAX (1024u * 1024)   /* bytes of an answer's body */

enum pub_verdict {
	PUB_TAKEN,          /* all, or all but `refused` */
	PUB_REFUSED,        /* none, and a repeat will not change that */
	PUB_UNAUTHORIZED,   /* none: the token */
	PUB_AWAY,           /* not known: repeat */
};

/* Of one of several events. */
enum pub_fate {
	PUB_NOT_NAMED,        /* it was taken, if some were */
	PUB_REFUSED_ITSELF,   /* for good */
	PUB_LATER,            /* a trouble that passes */
	PUB_NOT_CLEAR,        /* refused, by a code that is not known here */
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
/* Sets ret[i] for each of n events by the `code` of the rows of `details` that
 * speak of it, which begin with its place ("[2].data.state"); how many are
 * named at all. */
size_t	pub_answer_fates(const struct pub_answer *a, enum pub_fate *ret,
	    size_t n);
/* The answer that the i-th, which is PUB_REFUSED_ITSELF, would have had alone:
 * in its rows the place is left out. To be released by pub_answer_clear. */
void	pub_answer_of(const struct pub_answer *a, size_t i,
	    struct pub_answer *ret);

#endif
