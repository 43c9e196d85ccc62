/*
 * http_accept: which media types a request's Accept headers name, and how much
 * each is wanted (RFC 9110, 12.5.1). Pure.
 */
#ifndef SLUICE_HTTP_ACCEPT_H
#define SLUICE_HTTP_ACCEPT_H

#include "gateway/http_request.h"

#define HTTP_ACCEPT_MAX 1000u

/* The q of a type, or of a range with its "*", that stands there word for word,
 * in thousandths; where it does so twice the higher, 0 where it does not. One
 * that is no number counts as none, which is 1. */
unsigned int	http_accept(const struct http_request *r, const char *type);

#endif
