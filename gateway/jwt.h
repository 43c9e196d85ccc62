/*
 * jwt: a signed token (RFC 7519 as a compact RFC 7515), verified by libjose:
 * what it claims, or why it is refused. Process: gateway. No clock: what the
 * claims are worth is identity's business.
 *
 * Rules: RFC 8725. HS256, RS256 and ES256, the algorithm pinned to the key
 * (jwks); `kid` chooses among our keys and is nothing else; no crit; `jku`,
 * `jwk` and `x5u` are never looked at. Nothing of a token that was not verified
 * is believed, and no text says more of it than what is wrong.
 */
#ifndef SLUICE_JWT_H
#define SLUICE_JWT_H

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"
#include "gateway/jwks.h"

#define JWT_BYTES_MAX 8192u

/* The claims, an object, to be given to json_decref, and the key of the set
 * that the token is signed with; NULL with *err. */
json_t	*jwt_verify(struct slice token, const struct jwks *keys,
	    const struct jwks_key **ret_key, struct err *err);

#endif
