/*
 * page: the dashboard, embedded in the binary (the files of page/: the page,
 * its style, and a module for each part of it). Process: gateway.
 */
#ifndef SLUICE_PAGE_H
#define SLUICE_PAGE_H

struct conn;
struct http_request;

void	page_index(struct conn *c, const struct http_request *r);
/* What it loads: one of page_data's by the name that is the path. */
void	page_file(struct conn *c, const struct http_request *r);

#endif
