#include "gateway/access.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/conn_list.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/install_key.h"
#include "gateway/jwks_file.h"
#include "gateway/jwt.h"
#include "gateway/reply.h"
#include "gateway/revocations.h"
#include "gateway/subject_limit.h"
#include "gateway/ticket_uses.h"
#include "gateway/token_place.h"

#define ACCESS_MAGIC 0x41434345u   /* "ACCE" */
#define LOOK_MS      200           /* what was revoked ends within a second */
#define UNDER_WAY    " while this request was under way: what it asked for " \
		     "may have been done"

static_assert(IDENTITY_KEY_SIZE == JWKS_PRINT_SIZE,
    "an identity holds a key's thumbprint");

struct access {
	uint32_t		 magic;
	struct identity		*anybody;   /* auth: none; else NULL */
	struct jwks_file	*keys;      /* auth: jwt; else NULL */
	struct identity_rules	 rules;     /* point into the configuration */
	const char		*cookie;    /* NULL: none is looked at */
	struct ticket_key	 seal;      /* of tickets */
	struct ticket_uses	*uses;
	struct gateway		*gateway;
	struct subject_limit	*limit;
	bool			 crowd_told; /* that nobody's share it */
	struct revocations	*revoked;
	struct event		*look;      /* for what was revoked */
	uint64_t		 key_changes;  /* that were acted on */
	bool			 blind;     /* to revocations; was logged */
};

/* --- life ----------------------------------------------------------------- */

/* Whether only the operator can mend it: what a file says, or whose it is.
 * What a full disk or table of files did, or who writes a file just now, may
 * be gone when the gateway is started again. */
static bool
is_hopeless(const struct err *err)
{
	return err->code == 0 || err->code == EACCES || err->code == EPERM ||
	    err->code == ELOOP;
}

static int
open_tickets(struct access *a, const struct conf *conf, struct err *err)
{
	const char *given = conf->encryption_key_file;
	char *path = given != NULL ? xstrdup(given) :
	    conf_state_path(conf, "key");
	char *uses = xasprintf("%s/tickets", conf->runtime_directory);
	uint8_t key[INSTALL_KEY_SIZE];
	int rc = install_key_read(path, given == NULL, key, err);

	if (rc == 0) {
		ticket_key_derive(&a->seal, key, sizeof(key));
		a->uses = ticket_uses_open(uses, err);
		rc = a->uses != NULL ? 0 : -1;
	} else {
		(void)err_prefix(err, "encryption_key_file");
	}
	explicit_bzero(key, sizeof(key));
	free(path);
	free(uses);
	return rc;
}

/* For subjects that were revoked, and for other sets of keys. */
static void
access_look_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct access *a = arg;
	struct err err = { 0 };
	uint64_t key_changes;
	bool fresh, blind;

	assert(a->magic == ACCESS_MAGIC);
	key_changes = jwks_file_changes(a->keys);
	blind = revocations_look(a->revoked, &fresh, &err) == -1;
	if (blind && !a->blind)
		log_error("%s", err.text);
	a->blind = blind;
	if (!fresh && key_changes == a->key_changes)
		return;
	a->key_changes = key_changes;
	conn_list_close_revoked(a->gateway);
	revocations_ended(a->revoked);
}

static int
open_revocations(struct access *a, const struct conf *conf, struct err *err)
{
	const struct timeval every = mono_timeval_ms(LOOK_MS);
	char *path = conf_state_path(conf, "revoked");

	a->revoked = revocations_open(path, err);
	free(path);
	if (a->revoked == NULL)
		return -1;
	if (revocations_trouble(a->revoked) != NULL)
		log_error("%s: nobody can be revoked through this gateway, nor "
		    "may it hear of whom others revoke, until it is restarted "
		    "when that is mended", revocations_trouble(a->revoked));
	a->key_changes = jwks_file_changes(a->keys);
	a->look = event_new(a->gateway->role->base, -1, EV_PERSIST,
	    access_look_cb, a);
	if (a->look == NULL || event_add(a->look, &every) != 0)
		fatalx("event_new failed");
	return 0;
}

struct access *
access_new(struct gateway *g, struct err *err)
{
	const struct conf *conf = &g->role->conf;
	struct access *a = xcalloc(1, sizeof(*a));

	a->magic = ACCESS_MAGIC;
	a->gateway = g;
	if (conf->auth == CONF_AUTH_NONE) {
		a->anybody = identity_anybody();
		return a;
	}
	a->rules = (struct identity_rules){ conf->jwt.issuer,
	    conf->jwt.audience };
	a->cookie = conf->jwt.cookie;
	a->keys = jwks_file_open(g->role->base, conf->jwt.jwks_file, err);
	if (a->keys == NULL)
		(void)err_prefix(err, "jwt.jwks_file");
	if (a->keys == NULL || open_tickets(a, conf, err) == -1 ||
	    open_revocations(a, conf, err) == -1) {
		if (is_hopeless(err))
			err->code = EX_CONFIG;
		access_free(a);
		return NULL;
	}
	a->limit = subject_limit_new(conf->gateway.max_per_token);
	log_info("auth: jwt: %zu keys", jwks_file_keys(a->keys)->n);
	return a;
}

void
access_free(struct access *a)
{
	if (a == NULL)
		return;
	identity_unref(a->anybody);
	jwks_file_close(a->keys);
	ticket_uses_close(a->uses);
	if (a->look != NULL)
		event_free(a->look);
	revocations_close(a->revoked);
	subject_limit_free(a->limit);
	explicit_bzero(&a->seal, sizeof(a->seal));
	a->magic = 0;
	free(a);
}

void
access_reload(struct access *a)
{
	if (a->keys != NULL)
		jwks_file_reload(a->keys);
}

bool
access_is_free(const struct access *a)
{
	return a->anybody != NULL;
}

void
access_forget(struct conn *c)
{
	if (c->admitted)
		subject_limit_give(c->gateway->access->limit, c->identity);
	c->admitted = false;
	identity_unref(c->identity);
	c->identity = NULL;
	c->ticket = (struct ticket_use){ 0, 0 };
}

/* --- refusing ------------------------------------------------------------- */

/* RFC 6750 3: without a token nothing is said of one. The text is ours, but a
 * pattern of a token may stand in it. */
static void
refuse(struct conn *c, enum metrics_auth why, const char *text)
{
	static const char *const codes[AUTH_MAX] = {
		[AUTH_MISSING] = "unauthorized",
		[AUTH_INVALID] = "invalid_token",
		[AUTH_REVOKED] = "token_revoked",
	};
	struct buf b = BUF_EMPTY;

	c->gateway->metrics.auth_failures[why]++;
	/* Each try costs a signature: who guesses pays with a new connection,
	 * which the limit per address counts. */
	if (why == AUTH_INVALID || why == AUTH_REVOKED)
		c->keep_alive = false;
	buf_adds(&b, "WWW-Authenticate: Bearer realm=\"sluice\"");
	if (why != AUTH_MISSING)
		buf_adds(&b, ", error=\"invalid_token\"");
	buf_adds(&b, "\r\n");
	reply_refusal(c, 401, codes[why], text, NULL, buf_cstr(&b));
	buf_free(&b);
}

/* Names the ways that there are for it here. */
static void
refuse_missing(struct conn *c, const struct access *a, enum access_need need)
{
	struct buf b = BUF_EMPTY;

	buf_adds(&b, "a token is needed, as Authorization: Bearer TOKEN");
	if (need == ACCESS_SUBSCRIBE) {
		buf_adds(&b, ", as ticket= (POST /api/v1/tickets gives one)");
		if (a->cookie != NULL)
			buf_addf(&b, " or in the cookie %s", a->cookie);
	}
	refuse(c, AUTH_MISSING, buf_cstr(&b));
	buf_free(&b);
}

void
access_forbid(struct conn *c, const char *text, struct reply_details *details)
{
	c->gateway->metrics.auth_failures[AUTH_FORBIDDEN]++;
	reply_refusal(c, 403, "forbidden", text, details, "WWW-Authenticate: "
	    "Bearer realm=\"sluice\", error=\"insufficient_scope\"\r\n");
}

/* --- who it is ------------------------------------------------------------ */

/* By a token; NULL with *err. */
static struct identity *
by_token(const struct access *a, struct slice token, struct err *err)
{
	const struct jwks_key *key;
	json_t *claims = jwt_verify(token, jwks_file_keys(a->keys), &key, err);
	struct identity *id;

	if (claims == NULL)
		return NULL;
	id = identity_of_claims(claims, &a->rules, wall_unix_ms(), err);
	if (id != NULL)
		memcpy(id->key, key->print, sizeof(id->key));
	json_decref(claims);
	return id;
}

static const char too_old[] = "the ticket is too old: ask for a new one";

/* An EventSource that reconnects says where it was; a cursor such as -1 is
 * anybody's. Whether it is one of this journal is judged by access_resume. */
static bool
resumes(const struct http_request *r)
{
	struct slice all[] = { http_header(r, "last-event-id"),
	    http_param(r, "last_event_id"), http_param(r, "lastEventId") };
	struct position p;

	for (size_t i = 0; i < NELEM(all); i++)
		if (all[i].p != NULL && position_parse(all[i], &p))
			return true;
	return false;
}

/* By a ticket; NULL with *err. */
static struct identity *
by_ticket(struct conn *c, const struct http_request *r, struct slice ticket,
    struct err *err)
{
	const struct access *a = c->gateway->access;
	struct ticket_use use;
	struct identity *id;

	id = ticket_open(ticket, &a->seal, wall_unix_ms(), &use, err);
	if (id == NULL)
		return NULL;
	if (!jwks_has(jwks_file_keys(a->keys), id->key))
		(void)err_set(err, "the key that the ticket's token was signed "
		    "with is not in force any more");
	else if (!ticket_good(&use, resumes(r), ticket_uses_knows(a->uses,
	    use.tag)))
		(void)err_set(err, "%s", too_old);
	else {
		c->ticket = use;
		return id;
	}
	identity_unref(id);
	return NULL;
}

bool
access_resume(struct conn *c, const struct position *cursor)
{
	const struct access *a = c->gateway->access;
	uint32_t epoch = ring_tip(c->gateway->ring).epoch;
	/* The number is not judged: another gateway may be ahead of this one,
	 * and who knows the epoch can always name a number of it. */
	bool known = cursor != NULL && cursor->epoch != 0 &&
	    cursor->epoch == epoch;

	if (c->ticket.tag == 0 || ticket_good(&c->ticket, known,
	    ticket_uses_knows(a->uses, c->ticket.tag)))
		return true;
	refuse(c, AUTH_INVALID, too_old);
	return false;
}

void
access_opened(struct conn *c)
{
	if (c->ticket.tag != 0)
		ticket_uses_add(c->gateway->access->uses, c->ticket.tag,
		    wall_unix_ms());
}

/* NULL: the client was answered. */
static struct identity *
identify(struct conn *c, const struct http_request *r, enum access_need need)
{
	const struct access *a = c->gateway->access;
	struct identity *id = NULL;
	struct err err = { 0 };
	struct slice token;

	switch (token_place_find(r, need == ACCESS_SUBSCRIBE, a->cookie,
	    &token)) {
	case TOKEN_PLACE_BROKEN:
		refuse(c, AUTH_INVALID, "Authorization must be there once, as "
		    "Bearer TOKEN");
		return NULL;
	case TOKEN_PLACE_NONE:
		refuse_missing(c, a, need);
		return NULL;
	case TOKEN_PLACE_TICKET:
		id = by_ticket(c, r, token, &err);
		break;
	case TOKEN_PLACE_HEADER:
	case TOKEN_PLACE_COOKIE:
		id = by_token(a, token, &err);
		break;
	}
	if (id == NULL) {
		refuse(c, AUTH_INVALID, err.text);
	} else if (revocations_has(a->revoked, id)) {
		identity_unref(id);
		id = NULL;
		refuse(c, AUTH_REVOKED, "what this subject's tokens were good "
		    "for was revoked: it needs a new one");
	}
	return id;
}

/* --- limits and revocation ------------------------------------------------ */

bool
access_admit(struct conn *c)
{
	struct access *a = c->gateway->access;

	if (a->limit == NULL)
		return true;
	assert(!c->admitted);
	c->admitted = subject_limit_take(a->limit, c->identity);
	if (c->admitted)
		return true;
	c->gateway->metrics.over_token++;
	if (c->identity->subject[0] == '\0' && !a->crowd_told) {
		a->crowd_told = true;
		log_warn("gateway.max_per_token: a stream is refused to a "
		    "token without sub: all of one key, tenant and iat share "
		    "one allowance, so have tokens say sub (said once)");
	}
	return false;
}

bool
access_is_revoked(const struct conn *c)
{
	const struct access *a = c->gateway->access;

	return a->keys != NULL && c->identity != NULL &&
	    (!jwks_has(jwks_file_keys(a->keys), c->identity->key) ||
	    revocations_ends(a->revoked, c->identity));
}

void
access_refuse_revoked(struct conn *c)
{
	if (!jwks_has(jwks_file_keys(c->gateway->access->keys),
	    c->identity->key))
		refuse(c, AUTH_INVALID, "the key that the token was signed "
		    "with went out of force" UNDER_WAY);
	else
		refuse(c, AUTH_REVOKED, "what this subject's tokens were good "
		    "for was revoked" UNDER_WAY);
}

int
access_revoke(struct access *a, const char *tenant, const char *subject,
    int64_t now_unix_ms, struct err *err)
{
	assert(a->revoked != NULL);
	if (revocations_add(a->revoked, tenant, subject, now_unix_ms,
	    err) == -1)
		return -1;
	log_info("revoked: subject %s of %s%s", subject, tenant != NULL ?
	    "tenant " : "every tenant", tenant != NULL ? tenant : "");
	/* Now: the other gateways look by themselves. */
	event_active(a->look, EV_TIMEOUT, 0);
	return 0;
}

static bool
has_grant(struct conn *c, enum access_need need)
{
	const struct identity *id = c->identity;

	if ((need == ACCESS_SUBSCRIBE || need == ACCESS_TICKET) &&
	    id->subscribe.n == 0)
		access_forbid(c, "this token may read no stream", NULL);
	else if (need == ACCESS_PUBLISH && id->publish.n == 0)
		access_forbid(c, "this token may publish to no stream", NULL);
	else if (need == ACCESS_ADMIN && !id->admin)
		access_forbid(c, "only an admin's token may do this",
		    NULL);
	else if (need == ACCESS_ADMIN &&
	    strcmp(id->tenant, EVENT_TENANT_DEFAULT) != 0)
		access_forbid(c, "clusters and workflows of this installation "
		    "belong to the tenant -, and so must its admins", NULL);
	else
		return true;
	return false;
}

bool
access_check(struct conn *c, const struct http_request *r,
    enum access_need need)
{
	const struct access *a = c->gateway->access;

	assert(a->magic == ACCESS_MAGIC);
	access_forget(c);
	if (a->anybody != NULL)
		c->identity = identity_ref(a->anybody);
	else if (need == ACCESS_OPEN)
		return true;
	else
		c->identity = identify(c, r, need);
	return c->identity != NULL && has_grant(c, need);
}

void
access_ticket(struct conn *c, const struct http_request *r UNUSED)
{
	const struct access *a = c->gateway->access;
	struct buf b = BUF_EMPTY;
	struct err err = { 0 };
	int64_t now = wall_unix_ms();
	char until[MONO_RFC3339_SIZE];

	if (a->anybody != NULL) {
		reply_error(c, 404, "not_found", "with auth: none a stream "
		    "needs no ticket", NULL);
		return;
	}
	buf_adds(&b, "{\"ticket\":\"");
	if (ticket_seal(&b, &a->seal, c->identity, now, &err) == -1) {
		buf_free(&b);
		reply_error(c, 413, "too_large", err.text, NULL);
		return;
	}
	buf_addf(&b, "\",\"first_use_ms\":%d,\"expires_at\":\"%s\"}",
	    TICKET_FIRST_MS, wall_format(ticket_end(c->identity, now),
	    until));
	reply_json(c, 201, (struct slice){ (const char *)b.data, b.len });
	buf_wipe(&b);
}
