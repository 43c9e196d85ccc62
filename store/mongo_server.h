/*
 * mongo_server: the MongoDB server as the store's MongoDB thread sees it: bulks
 * of updates and finds, each with the errors as text. One thread; the driver's
 * own threads watch the servers. Every call may wait, for as long as the
 * MONGO_SERVER_ limits or the connection string say.
 */
#ifndef SLUICE_MONGO_SERVER_H
#define SLUICE_MONGO_SERVER_H

#include <bson/bson.h>

#include "common/err.h"
#include "store/mongo_doc.h"
#include "store/mongo_reply.h"

#define MONGO_SERVER_SOCKET_MS    3000
#define MONGO_SERVER_SELECTION_MS 2000
#define MONGO_SERVER_HEARTBEAT_MS 2000

struct mongo_server;

/* Takes the driver into use; nothing is connected yet. err->code EX_CONFIG
 * when the text is no connection string. */
struct mongo_server *mongo_server_new(const char *uri, struct err *err)
    MUST_CHECK;
void	mongo_server_free(struct mongo_server *s);

/* Around every round of calls. */
void	mongo_server_enter(struct mongo_server *s);
void	mongo_server_leave(struct mongo_server *s);

/* Writes with w: majority, j: true, in any order, and clears the writes: one
 * that is refused holds up none. */
int	mongo_server_write(struct mongo_server *s, const char *collection,
	    struct mongo_write *writes, size_t n, struct mongo_tally *tally,
	    struct err *err) MUST_CHECK;
/* Calls `found` for each document, which is valid during the call; opts may be
 * NULL. `doing` says in the error what was tried. */
int	mongo_server_find(struct mongo_server *s, const char *collection,
	    const bson_t *filter, const bson_t *opts, const char *doing,
	    void (*found)(const bson_t *document, void *arg), void *arg,
	    struct err *err) MUST_CHECK;

#endif
