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

struct conn;
struct http_request;

/* Answers, or begins to: the connection's state says what became of it. */
void	route_request(struct conn *c, const struct http_request *r);

#endif
