/*
 * cors: which pages of other origins may read our answers (Fetch standard,
 * "CORS protocol"). Pure: a list of origins and a request in, header lines out.
 *
 * An origin is allowed when gateway.cors_origins names it, byte by byte as the
 * browser sends it: no patterns, no "*", no "null". Who is not named gets the
 * answer without the headers, and the browser keeps it from the page. Writes
 * are another matter: route judges those by their origin as well.
 *
 * Cookies and the Authorization header may come along: they only prove who
 * asks, and the list says whose pages may.
 */
#ifndef SLUICE_CORS_H
#define SLUICE_CORS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/conf.h"
#include "gateway/http_request.h"

#define CORS_MAX_AGE_S 600u   /* a browser asks again after that */

/* The header lines that an answer to this request needs, with CRLF; none when
 * no origin is configured. r may be NULL: a request that could not be read. */
void	cors_answer(struct buf *b, const struct conf *conf,
	    const struct http_request *r);
/* What the answer to OPTIONS needs beside those. `methods` as in Allow. */
void	cors_preflight(struct buf *b, const struct conf *conf,
	    const struct http_request *r, const char *methods);

#endif
