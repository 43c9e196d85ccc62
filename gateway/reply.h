/*
 * reply: answers that are not streams: JSON, text, errors in the contract's
 * form (section 5) with a trace id. Process: gateway.
 */
#ifndef SLUICE_REPLY_H
#define SLUICE_REPLY_H

#include "common/buf.h"
#include "gateway/connection.h"
#include "gateway/reply_details.h"

/* Sends an answer; `headers` is "" or whole lines with CRLF, of which a
 * Cache-Control, if there is one, comes first; else it is no-store. The
 * connection goes on to its next request, or closes. */
void	reply_send(struct conn *c, int status, const char *content_type,
	    const void *body, size_t n, const char *headers);
void	reply_json(struct conn *c, int status, struct slice json);
/* details may be NULL; its contents are released. */
void	reply_error(struct conn *c, int status, const char *code,
	    const char *text, struct reply_details *details);
/* An error with one row of details: the place in the body, or the name of the
 * parameter or the header, that it is about. */
void	reply_error_at(struct conn *c, int status, const char *code,
	    const char *path, const char *text);
/* 405; `allow`: the methods there are, as the header names them. */
void	reply_method(struct conn *c, const char *allow);
/* An error with header lines of its own, as reply_send takes them; details as
 * of reply_error. */
void	reply_refusal(struct conn *c, int status, const char *code,
	    const char *text, struct reply_details *details,
	    const char *headers);
/* Its body has the members of `more` too, as in "\"expected_offset\":7". */
void	reply_error_more(struct conn *c, int status, const char *code,
	    const char *text, struct reply_details *details, const char *more,
	    const char *headers);
/* 503 with Retry-After. */
void	reply_unavailable(struct conn *c, const char *code, const char *text);
/* Only writes the answer to a request that could not be read into `out`. */
void	reply_problem(struct conn *c, const struct http_problem *problem);

#endif
