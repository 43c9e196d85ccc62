/*
 * http_private: what the files of http_request share and nobody else uses.
 */
#ifndef SLUICE_HTTP_PRIVATE_H
#define SLUICE_HTTP_PRIVATE_H

#include "gateway/http_request.h"

/* Set *p; return -1 and HTTP_BAD. Inline, so that who reads one file only (the
 * analyser) sees what they return. */
static inline int
http_problem_set(struct http_problem *p, int status, const char *text)
{
	p->status = status;
	p->text = text;
	return -1;
}

static inline enum http_progress
http_bad(struct http_problem *p, int status, const char *text)
{
	(void)http_problem_set(p, status, text);
	return HTTP_BAD;
}

/* r->target, checked and decoded into segments and parameters; r->method and
 * r->host are known. -1 with *problem. */
int	http_target_parse(struct http_request *r,
	    struct http_problem *problem);

#endif
