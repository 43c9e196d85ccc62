/*
 * status_api: GET /api/v1/status: how the installation is, whichever gateway
 * is asked: its processes as the supervisor sees them (MSG_STATES), every
 * gateway's figures (siblings) and their sum, the journal and the store. Three
 * questions at once, each with a time of its own; who does not answer in it is
 * named, or null, and never waited for longer. Rules: the contract, section 5.
 * Process: gateway.
 */
#ifndef SLUICE_STATUS_API_H
#define SLUICE_STATUS_API_H

#define STATUS_STATES_MS 1000   /* for the supervisor; siblings.h: the others */
#define STATUS_STORE_MS  3000

struct buf;
struct conn;
struct gateway;
struct http_request;
struct status_api;

struct status_api *status_api_new(void);
void	status_api_free(struct status_api *s);   /* NULL is none */
void	status_api_get(struct conn *c, const struct http_request *r);
/* MSG_STATES; the fd stays the caller's. */
void	status_api_states(struct status_api *s, int fd);
/* Appends this gateway's figures: what it tells the others, too. */
void	status_api_figures(struct buf *b, const struct gateway *g);

#endif
