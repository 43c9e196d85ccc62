/*
 * route: which handler a request goes to, after the checks that hold for all
 * (Host, Origin, method, access, draining). Process: gateway.
 *
 * Contract 5: with auth: none the Host must name this machine, or a page whose
 * name was rebound to 127.0.0.1 could read all there is, /metrics included.
 * Only /healthz and /readyz answer by any Host: load balancers ask them with
 * names of their own, and they tell nothing of what is watched. With auth: jwt
 * neither Host nor Origin says anything that a token does not say better.
 */
#ifndef SLUICE_ROUTE_H
#define SLUICE_ROUTE_H

#include <stdbool.h>

struct conn;
struct http_request;

/* Only the head is here, and a body is to come. False with auth: jwt: it would
 * be read for nothing, since who asks may not, or there is nothing at this
 * path; the client was answered, and the connection ends. c may be gone. */
bool	route_head(struct conn *c, const struct http_request *r);
/* Answers, or begins to: the connection's state says what became of it. */
void	route_request(struct conn *c, const struct http_request *r);

#endif
