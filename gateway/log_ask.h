/*
 * log_ask: what the path, the query and the headers of POST
 * /api/v1/streams/{key}/logs say. Pure: a request in; what is asked, or why it
 * cannot be, out. Process: gateway.
 */
#ifndef SLUICE_LOG_ASK_H
#define SLUICE_LOG_ASK_H

#include "gateway/http_request.h"
#include "gateway/log_body.h"

#define LOG_LEVEL_MAX   32u
#define LOG_OFFSET_MAX  UINT64_C(9007199254740991)   /* 2^53 - 1 */

/* Why there is nothing to do: the parameter or header that is to blame, and an
 * answer's status, code and text. */
struct log_refusal {
	const char	*name;
	int		 status;
	const char	*code;
	char		 text[256];
};

/* Slices point into the request and the constants. *ret_offset: the first
 * line's number as X-Log-Offset has it, 0 without one (ret->first is then 0
 * too, and the caller's to set). Limits of sizes are the caller's to set. -1
 * with *ret_refusal. */
int	log_ask_read(const struct http_request *r, struct log_ask *ret,
	    uint64_t *ret_offset, struct log_refusal *ret_refusal);

#endif
