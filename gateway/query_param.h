/*
 * query_param: what stands in a request's query, where more than one request
 * has the like: numbers, event types, and whether a parameter stands there
 * twice. Pure. Rules: the contract, sections 4 and 5. Process: gateway.
 */
#ifndef SLUICE_QUERY_PARAM_H
#define SLUICE_QUERY_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "gateway/http_request.h"

#define QUERY_PARAM_DIGITS 16u

/* Decimal, without sign or leading zeros, of at most QUERY_PARAM_DIGITS; false,
 * and *ret untouched, if it is none from min to max. */
bool	query_param_number(struct slice text, uint64_t min, uint64_t max,
	    uint64_t *ret);
/* Appends the event types of a list with commas to types[*n], which has room
 * for max in all; the slices point into the list. -1 with *err: one of them is
 * none, or there are more; what was appended before stays. */
int	query_param_types(struct slice list, struct slice *types, size_t max,
	    size_t *n, struct err *err);
/* Whether parameter i has the name of one before it. */
bool	query_param_again(const struct http_request *r, size_t i);

#endif
