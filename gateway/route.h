/*
 * route: which handler a request goes to, after the checks that hold for all
 * (Host, Origin, method, draining). Process: gateway.
 */
#ifndef SLUICE_ROUTE_H
#define SLUICE_ROUTE_H

struct conn;
struct http_request;

/* Answers, or begins to: the connection's state says what became of it. */
void	route_request(struct conn *c, const struct http_request *r);

#endif
