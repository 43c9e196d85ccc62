/*
 * conn_table: all client connections: slots and rows, limits, accepting, and
 * the wheel that says when one is due. What happens on a connection is
 * connection's business. Process: gateway.
 *
 * Limits: at most max_connections, and max_per_address of one client's address
 * (CONN_SPARE more of each are answered with a reason, all beyond are closed);
 * fds in reserve; after a failed accept the listeners rest 100 ms. Behind a
 * trusted proxy a stream counts for the address that its request names.
 */
#ifndef SLUICE_CONN_TABLE_H
#define SLUICE_CONN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/err.h"
#include "common/macros.h"

#define CONN_MAX_DEFAULT    20000u
#define CONN_SPARE          16u           /* slots to say "overloaded" with */
#define CONN_LISTENERS_MAX  CONF_GATEWAYS_MAX
#define CONN_ACCEPT_TURN    16            /* accepts per turn of the loop */

struct conn;
struct connections;
struct gateway;

struct connections *connections_new(struct gateway *g, struct err *err)
		    MUST_CHECK;
void		 connections_free(struct connections *cs);
/* Takes a listening socket, by its number below CONN_LISTENERS_MAX, and closes
 * it in the end, or when it is another's to accept on. */
void		 connections_listen(struct connections *cs, uint32_t index,
		    int fd);
void		 connections_unlisten(struct connections *cs, uint32_t index);
/* It has one at least. */
bool		 connections_listening(const struct connections *cs);
uint32_t	 connections_max(const struct connections *cs);
size_t		 connections_count(const struct connections *cs);
/* How many client addresses are counted now. */
size_t		 connections_addresses(const struct connections *cs);
/* Nothing is left to say: every peer has acknowledged all, and our end. */
bool		 connections_drained(const struct connections *cs);
/* A stream is about to open on c, whose request is still there. False: the
 * client that a trusted proxy named has as many as it may. */
bool		 connections_admit(struct conn *c);
/* It did not open, or is no more. */
void		 connections_dismiss(struct conn *c);
struct conn	*connections_get(struct connections *cs, uint32_t id);
/* Calls back for every open connection; the callback may close it. */
void		 connections_each(struct connections *cs,
		    void (*cb)(struct conn *c, void *arg), void *arg);

#endif
