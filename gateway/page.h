/*
 * page: the dashboard, embedded in the binary (page/index.html, app.js,
 * style.css). Process: gateway.
 */
#ifndef SLUICE_PAGE_H
#define SLUICE_PAGE_H

struct conn;
struct http_request;

void	page_index(struct conn *c, const struct http_request *r);
void	page_script(struct conn *c, const struct http_request *r);
void	page_style(struct conn *c, const struct http_request *r);

#endif
