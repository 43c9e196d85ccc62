/*
 * rest: workflows, clusters, health and metrics. Workflows and clusters are
 * the store's: a question to it is answered when it answers. Process: gateway.
 */
#ifndef SLUICE_REST_H
#define SLUICE_REST_H

struct conn;
struct http_request;

void	rest_healthz(struct conn *c, const struct http_request *r);
void	rest_readyz(struct conn *c, const struct http_request *r);
void	rest_metrics(struct conn *c, const struct http_request *r);
void	rest_clusters(struct conn *c, const struct http_request *r);
void	rest_workflows(struct conn *c, const struct http_request *r);
void	rest_workflow(struct conn *c, const struct http_request *r);

#endif
