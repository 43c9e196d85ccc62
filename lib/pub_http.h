/*
 * pub_http: one POST at a time to a Sluice, on a connection that is kept.
 * All by one thread but pub_http_wake, which any may call.
 */
#ifndef SLUICE_PUB_HTTP_H
#define SLUICE_PUB_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct pub_http;

/* ca_file may be NULL. The texts are copied. */
struct pub_http	*pub_http_new(const char *url, const char *ca_file,
		    struct err *err);
/* A request under way is given up. */
void		 pub_http_free(struct pub_http *h);
/* Begins a request; `body` must stay until it is done. token: NULL, or what is
 * sent as Bearer. */
int		 pub_http_post(struct pub_http *h, struct slice body,
		    bool ndjson, const char *token, struct err *err);
bool		 pub_http_is_busy(const struct pub_http *h);
/* Works until the request is done (true), it was woken, or the time is over. */
bool		 pub_http_work(struct pub_http *h, int timeout_ms);
/* Of the request that is done: 0, and why, where no answer came; the body
 * lives until the next request. */
int		 pub_http_status(const struct pub_http *h);
struct slice	 pub_http_body(const struct pub_http *h);
/* What Retry-After said, in milliseconds; 0: nothing. */
int64_t		 pub_http_retry_after_ms(const struct pub_http *h);
void		 pub_http_wake(struct pub_http *h);

#endif
