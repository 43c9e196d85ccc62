#include "gateway/jwt.h"

#include <jose/jws.h>
#include <string.h>

#include "gateway/b64url.h"
#include "gateway/jose_quiet.h"

#define PARTS 3

/* header.claims.signature */
static bool
split(struct slice token, struct slice parts[PARTS])
{
	const char *end = token.p + token.n, *p = token.p, *dot;

	for (int i = 0; i < PARTS; i++) {
		dot = memchr(p, '.', (size_t)(end - p));
		/* A dot behind the last part is one too many. */
		if ((dot == NULL) != (i == PARTS - 1))
			return false;
		if (dot == NULL)
			dot = end;
		parts[i] = (struct slice){ p, (size_t)(dot - p) };
		if (parts[i].n == 0)
			return false;
		p = dot + 1;
	}
	return true;
}

/* An object in base64url, no member twice; NULL if it is none. */
static json_t *
object_of(struct slice part)
{
	struct buf b = BUF_EMPTY;
	json_t *root = NULL;

	if (b64url_decode(part, &b) && b.len > 0)
		root = json_loadb((const char *)b.data, b.len,
		    JSON_REJECT_DUPLICATES, NULL);
	buf_wipe(&b);
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

/* The key that the head names, or the only one it can mean. */
static const struct jwks_key *
key_of(const json_t *head, const struct jwks *keys, struct err *err)
{
	const json_t *kid = json_object_get(head, "kid");
	struct slice name = { json_string_value(kid),
	    json_string_length(kid) };
	const struct jwks_key *key;
	enum jwks_alg alg;

	if (!jwks_alg_of(json_string_value(json_object_get(head, "alg")),
	    &alg)) {
		(void)err_set(err, "its algorithm is not HS256, RS256 or "
		    "ES256");
		return NULL;
	}
	if (json_object_get(head, "crit") != NULL ||
	    json_object_get(head, "b64") != NULL) {
		(void)err_set(err, "its head asks for an extension");
		return NULL;
	}
	if (kid != NULL && !json_is_string(kid)) {
		(void)err_set(err, "its kid is no text");
		return NULL;
	}
	key = jwks_find(keys, alg, name);
	if (key == NULL)
		(void)err_set(err, kid != NULL ? "no key of its algorithm has "
		    "its kid" : "it has no kid, and there is not just one key "
		    "of its algorithm");
	return key;
}

static bool
is_signed(const struct slice parts[PARTS], const struct jwks_key *key)
{
	jose_cfg_t *cfg = jose_quiet_cfg();
	json_t *jws = json_pack("{s:s%, s:s%, s:s%}",
	    "protected", parts[0].p, parts[0].n,
	    "payload", parts[1].p, parts[1].n,
	    "signature", parts[2].p, parts[2].n);
	bool good = jws != NULL && jose_jws_ver(cfg, jws, NULL, key->jwk,
	    false);

	json_decref(jws);
	jose_cfg_decref(cfg);
	return good;
}

json_t *
jwt_verify(struct slice token, const struct jwks *keys,
    const struct jwks_key **ret_key, struct err *err)
{
	struct slice parts[PARTS];
	const struct jwks_key *key;
	json_t *head, *claims = NULL;

	if (token.n > JWT_BYTES_MAX) {
		(void)err_set(err, "it has more than %u bytes", JWT_BYTES_MAX);
		return NULL;
	}
	head = split(token, parts) ? object_of(parts[0]) : NULL;
	if (head == NULL) {
		(void)err_set(err, "it is no JSON Web Token");
		return NULL;
	}
	key = key_of(head, keys, err);
	if (key != NULL && !is_signed(parts, key))
		(void)err_set(err, "its signature is wrong");
	else if (key != NULL && (claims = object_of(parts[1])) == NULL)
		(void)err_set(err, "its claims are no object, or have a "
		    "member twice");
	else if (key != NULL)
		*ret_key = key;
	json_decref(head);
	return claims;
}
