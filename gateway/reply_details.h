/*
 * reply_details: the rows of `details`: what is wrong in a request, with the
 * place in its body and, of events that are published, the code that each was
 * refused by (contract, section 5). Pure. Process: gateway.
 */
#ifndef SLUICE_REPLY_DETAILS_H
#define SLUICE_REPLY_DETAILS_H

#include <stddef.h>

#include "common/buf.h"

/* Rows that are told in full. Behind them each event has still one, so that
 * whoever sent many knows the fate of each; the rest is only counted. */
#define REPLY_DETAILS_MAX 200u

/* Begins as { .n = 0 }. */
struct reply_details {
	struct buf	json;     /* the array's members */
	unsigned int	n;
	size_t		event;    /* the last one's place and 1; 0: none */
};

void	reply_detail(struct reply_details *d, const char *path,
	    const char *fmt, ...) PRINTF(3, 4);
/* Of an event: where there are several its path begins with its place, as in
 * "[2].data.state". Rows of one event come one behind the other. `code`: a word
 * of the contract. */
void	reply_detail_code(struct reply_details *d, const char *path,
	    const char *code, const char *text);

#endif
