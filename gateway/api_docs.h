/*
 * api_docs: the OpenAPI and AsyncAPI documents of this version, embedded in the
 * binary (gateway/api/). Process: gateway.
 *
 * The contract, section 5: told to anybody, as the page is. A client keeps one
 * and asks with If-None-Match whether it still holds (RFC 9110 13.1.2): 304.
 */
#ifndef SLUICE_API_DOCS_H
#define SLUICE_API_DOCS_H

struct conn;
struct http_request;

void	api_docs_openapi(struct conn *c, const struct http_request *r);
void	api_docs_asyncapi(struct conn *c, const struct http_request *r);

#endif
