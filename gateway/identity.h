/*
 * identity: who asks, as the claims of a token say: tenant, subject, until
 * when, and what is granted (the contract, section 5). Pure: claims and a time
 * in; an identity, or why it is none, out. Signatures are jwt's business.
 *
 *	exp       required; from that second on it is expired
 *	nbf       at most IDENTITY_LEEWAY_MS ahead
 *	iat       at most IDENTITY_LEEWAY_MS ahead; when a subject is revoked it
 *	          says whether this token is older
 *	aud       required: the configured one, or a list that has it
 *	iss       as configured, if it is
 *	sub       text, may be absent
 *	sluice    {tenant, subscribe: [patterns], publish: [patterns], admin};
 *	          absent grants nothing. A member that is not as it must be
 *	          refuses the token: a grant that was misread is worse than none
 *
 * An identity is counted, since streams outlive their request.
 */
#ifndef SLUICE_IDENTITY_H
#define SLUICE_IDENTITY_H

#include <jansson.h>

#include "common/event.h"
#include "gateway/grants.h"

#define IDENTITY_LEEWAY_MS   30000
#define IDENTITY_SUBJECT_MAX 255u
#define IDENTITY_KEY_SIZE    32u
#define IDENTITY_SOURCE_MAX  256u
#define IDENTITY_NAME_SIZE   16u

struct identity {
	uint32_t	 refs;
	bool		 admin;
	char		*subject;          /* "" without */
	int64_t		 expires_unix_ms;  /* 0: never (auth: none) */
	int64_t		 issued_unix_ms;   /* 0: the token does not say */
	struct grants	 subscribe;
	struct grants	 publish;
	char		 tenant[EVENT_TENANT_MAX + 1];
	/* The thumbprint of the key that signed the token (jwks), which the
	 * caller sets; zeros with auth: none. */
	uint8_t		 key[IDENTITY_KEY_SIZE];
	/* revocations: hashes of the subject, once they were needed. */
	bool		 named;
	uint8_t		 names[2][IDENTITY_NAME_SIZE];
};

/* What a token must be made for; issuer NULL: any. */
struct identity_rules {
	const char	*issuer;
	const char	*audience;
};

/* With auth: none, everybody. One reference. */
struct identity	*identity_anybody(void);
/* The identity of a token's claims, with one reference; NULL with *err, one
 * sentence that tells nothing of the token but what is wrong with it. */
struct identity	*identity_of_claims(const json_t *claims,
		    const struct identity_rules *rules, int64_t now_unix_ms,
		    struct err *err);
struct identity	*identity_ref(struct identity *id);
void		 identity_unref(struct identity *id);   /* NULL is none */
/* Appends the source of events that name none: /publisher/ and the subject,
 * percent-encoded; /publisher where there is none, or one that would make it
 * longer than IDENTITY_SOURCE_MAX. */
void		 identity_source(const struct identity *id, struct buf *b);
/* The time has come. */
bool		 identity_expired(const struct identity *id,
		    int64_t now_unix_ms);
/* [A-Za-z0-9][A-Za-z0-9._-]{0,62}, or "-". */
bool		 tenant_valid(struct slice tenant);

#endif
