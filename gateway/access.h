/*
 * access: who a request comes from, and whether it may do what it asks for.
 * Process: gateway. Rules: the contract, section 5.
 *
 * With auth: none everybody may do everything (route then holds the Host and
 * the Origin). With auth: jwt a request bears a token: as Authorization:
 * Bearer, and on a GET of a stream also as a ticket in the URL, or in the
 * configured cookie, which a page elsewhere can make a browser send but whose
 * answer it cannot read. The first of these that is there counts; a bad one is
 * not made good by the next.
 *
 * What was found is the connection's `identity`, until its next request, or
 * for as long as it is a stream. Neither a token nor a part of one is logged or
 * told to the client.
 */
#ifndef SLUICE_ACCESS_H
#define SLUICE_ACCESS_H

#include <stdbool.h>

#include "gateway/gateway.h"
#include "gateway/http_request.h"

enum access_need {
	ACCESS_OPEN,         /* nobody is asked */
	ACCESS_SUBSCRIBE,    /* some stream may be read: which, is for later */
	ACCESS_TICKET,       /* the same, by a token of its own alone */
	ACCESS_PUBLISH,      /* likewise written */
	ACCESS_ADMIN         /* of the tenant that the clusters belong to */
};

struct access;
struct conn;
struct reply_details;

/* NULL with *err, whose code is EX_CONFIG when a restart cannot help. */
struct access	*access_new(struct gateway *g, struct err *err);
void		 access_free(struct access *a);   /* NULL is none */
/* A reload: keys are read again. */
void		 access_reload(struct access *a);
/* auth: none. */
bool		 access_is_free(const struct access *a);
/* Sets the connection's identity. False: the client was answered 401 or
 * 403. */
bool		 access_check(struct conn *c, const struct http_request *r,
		    enum access_need need);
/* A stream is asked for, and this gateway has caught up. False: it comes by a
 * ticket that only who was here before may use, and the cursor (NULL: none) is
 * none of this journal; the client was answered 401. */
bool		 access_resume(struct conn *c, const struct position *cursor);
/* A stream is about to open: counts it for who asks. False: that one has
 * max_per_token of them on this gateway. The count is given back by
 * access_forget. */
bool		 access_admit(struct conn *c);
/* The subject of what is under way on c was revoked since this was asked of
 * every connection, or the key that its token was signed with is not in force
 * any more. */
bool		 access_is_revoked(const struct conn *c);
/* The answer to a request of such: 401, and the connection ends. Nobody waits
 * with the request any more. */
void		 access_refuse_revoked(struct conn *c);
/* From now on the tokens of this subject that were issued until now are
 * refused on every gateway, and what is open by them ends; `tenant` NULL: of
 * every tenant. Not with auth: none. -1 with *err as of revocations_add. */
int		 access_revoke(struct access *a, const char *tenant,
		    const char *subject, int64_t now_unix_ms,
		    struct err *err);
/* A stream was opened: its ticket, if it came by one, is used. */
void		 access_opened(struct conn *c);
/* POST /api/v1/tickets: a ticket for who asks. */
void		 access_ticket(struct conn *c, const struct http_request *r);
/* The answer where a grant is missing; `text` says for what. details may be
 * NULL; its contents are released. */
void		 access_forbid(struct conn *c, const char *text,
		    struct reply_details *details);
/* The request, or the stream, is done with. */
void		 access_forget(struct conn *c);

#endif
