#include "gateway/cors.h"

/* The request's origin if it is one of ours, else SLICE_NONE. */
static struct slice
allowed(const struct conf *conf, const struct http_request *r)
{
	struct slice origin;
	size_t i;

	if (r == NULL || http_header_count(r, "origin") != 1)
		return SLICE_NONE;
	origin = http_header(r, "origin");
	for (i = 0; i < conf->gateway.n_cors_origins; i++)
		if (slice_is(origin, conf->gateway.cors_origins[i]))
			return origin;
	return SLICE_NONE;
}

void
cors_answer(struct buf *b, const struct conf *conf,
    const struct http_request *r)
{
	struct slice origin = allowed(conf, r);

	if (conf->gateway.n_cors_origins == 0)
		return;
	/* Also for the others: a cache must not give them this one. */
	buf_adds(b, "Vary: Origin\r\n");
	if (origin.p == NULL)
		return;
	buf_adds(b, "Access-Control-Allow-Origin: ");
	buf_add(b, origin.p, origin.n);
	buf_adds(b, "\r\nAccess-Control-Allow-Credentials: true\r\n"
	    "Access-Control-Expose-Headers: Retry-After, X-Log-Offset, "
	    "X-History-Next, X-History-As-Of, X-History-Complete, "
	    "X-History-Gaps\r\n");
}

void
cors_preflight(struct buf *b, const struct conf *conf,
    const struct http_request *r, const char *methods)
{
	if (allowed(conf, r).p == NULL ||
	    http_header(r, "access-control-request-method").p == NULL)
		return;
	buf_addf(b, "Access-Control-Allow-Methods: %s\r\n"
	    "Access-Control-Allow-Headers: Authorization, Content-Type, "
	    "Last-Event-ID, X-Log-Offset\r\n"
	    "Access-Control-Max-Age: %u\r\n", methods, CORS_MAX_AGE_S);
}
