/*
 * fuzz_jwt: any bytes on the way of a token (jwks, jwt, identity, ticket).
 *
 * As a token they are refused, unless they are, to the last character, one that
 * was signed. As changes to a signed token: refused. As a set of keys: whatever
 * set it is, no token of ours is good by it but with the key that signed it. As
 * the claims of a token that is signed well: an identity within its limits, or
 * a reason; and its ticket says the same of it.
 */
#include <openssl/hmac.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/b64url.h"
#include "gateway/jwt.h"
#include "gateway/ticket.h"
#include "tests/unit/jwt_fixture.h"

#define OUR_KEYS  "{\"keys\":[" JWT_OCT "," JWT_RSA "," JWT_EC "]}"
#define SECRET    "a secret of thirty-two bytes....!"
#define NOW       INT64_C(1800000000000)
#define TOKENS    3u
#define CLAIMS_MAX 6000u

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tokens[TOKENS] = { JWT_TOKEN_HS256, JWT_TOKEN_RS256,
	JWT_TOKEN_ES256 };
static struct jwks *ours;

/* --- tokens --------------------------------------------------------------- */

static bool
is_good(struct slice token, const struct jwks *keys)
{
	const struct jwks_key *key = NULL;
	struct err err = { .text = "" };
	json_t *claims = jwt_verify(token, keys, &key, &err);

	if (claims == NULL && err.text[0] == '\0')
		abort();
	if (claims != NULL && (!json_is_object(claims) || key == NULL ||
	    !jwks_has(ours, key->print)))
		abort();
	json_decref(claims);
	return claims != NULL;
}

static void
as_token(struct slice bytes)
{
	if (!is_good(bytes, ours))
		return;
	/* Without a kid, and of another library. */
	if (slice_is(bytes, JWT_TOKEN_NO_KID))
		return;
	for (size_t i = 0; i < TOKENS; i++)
		if (slice_is(bytes, tokens[i]))
			return;
	abort();
}

/* The first byte chooses; then two of where and one of what, as often as
 * there are. */
static void
as_changes(const uint8_t *data, size_t size)
{
	const char *token = tokens[data[0] % TOKENS];
	size_t n = strlen(token);
	char *changed = xmemdup(token, n + 1);

	for (size_t i = 1; i + 3 <= size; i += 3)
		changed[(data[i] | (size_t)data[i + 1] << 8) % n] =
		    (char)data[i + 2];
	if (is_good((struct slice){ changed, n }, ours) !=
	    (memcmp(changed, token, n) == 0))
		abort();
	free(changed);
}

/* --- keys ----------------------------------------------------------------- */

static void
as_keys(struct slice bytes)
{
	struct err err = { .text = "" };
	struct jwks *set = jwks_read(bytes, &err);

	if (set == NULL && err.text[0] == '\0')
		abort();
	if (set == NULL)
		return;
	if (set->n > JWKS_KEYS_MAX)
		abort();
	for (size_t i = 0; i < set->n; i++) {
		const struct jwks_key *k = &set->keys[i];

		if (k->alg >= JWKS_ALGS || !jwks_has(set, k->print) ||
		    (k->kid != NULL && (strlen(k->kid) > JWKS_KID_MAX ||
		    jwks_find(set, k->alg, slice_str(k->kid)) != k)))
			abort();
	}
	for (size_t i = 0; i < TOKENS; i++)
		(void)is_good(slice_str(tokens[i]), set);
	jwks_free(set);
}

/* --- claims --------------------------------------------------------------- */

static void
check_grants(const struct grants *g)
{
	struct grants again = { NULL, 0 };

	if (g->n > GRANTS_MAX)
		abort();
	for (size_t i = 0; i < g->n; i++)
		if (grants_add(&again, slice_str(g->patterns[i]), NULL) == -1)
			abort();
	grants_clear(&again);
}

/* Its ticket tells the same, and reads only. */
static void
check_ticket(const struct identity *id)
{
	static const struct ticket_key key = { "a key that only this has" };
	struct buf b = BUF_EMPTY;
	struct ticket_use use;
	struct identity *got;

	if (ticket_seal(&b, &key, id, NOW, NULL) == -1) {
		buf_free(&b);
		return;
	}
	got = ticket_open((struct slice){ (const char *)b.data, b.len }, &key,
	    NOW, &use, NULL);
	if (got == NULL || strcmp(got->tenant, id->tenant) != 0 ||
	    strcmp(got->subject, id->subject) != 0 || got->admin ||
	    got->publish.n != 0 || got->subscribe.n != id->subscribe.n ||
	    got->expires_unix_ms > id->expires_unix_ms)
		abort();
	identity_unref(got);
	/* The last bit of it belongs to its tag. */
	b.data[b.len - 1] ^= 1;
	if (ticket_open((struct slice){ (const char *)b.data, b.len }, &key,
	    NOW, &use, NULL) != NULL)
		abort();
	buf_free(&b);
}

static void
check_claims(const json_t *claims)
{
	const struct identity_rules rules = { NULL, "sluice" };
	struct err err = { .text = "" };
	struct identity *id = identity_of_claims(claims, &rules, NOW, &err);

	if (id == NULL) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	if (identity_expired(id, NOW) || id->expires_unix_ms <= NOW ||
	    !tenant_valid(slice_str(id->tenant)) ||
	    strlen(id->subject) > IDENTITY_SUBJECT_MAX)
		abort();
	check_grants(&id->subscribe);
	check_grants(&id->publish);
	check_ticket(id);
	identity_unref(id);
}

static void
as_claims(struct slice bytes)
{
	static const char head[] = "{\"alg\":\"HS256\",\"kid\":\"secret\"}";
	unsigned char mac[32];
	struct buf b = BUF_EMPTY;
	const struct jwks_key *key;
	json_t *claims;

	b64url_encode(&b, head, sizeof(head) - 1);
	buf_addc(&b, '.');
	b64url_encode(&b, bytes.p, bytes.n);
	if (HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, b.data, b.len, mac,
	    NULL) == NULL)
		abort();
	buf_addc(&b, '.');
	b64url_encode(&b, mac, sizeof(mac));
	claims = jwt_verify((struct slice){ (const char *)b.data, b.len },
	    ours, &key, NULL);
	if (claims != NULL)
		check_claims(claims);
	json_decref(claims);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = { (const char *)data, size };

	if (ours == NULL)
		ours = jwks_read(slice_str(OUR_KEYS), NULL);
	if (ours == NULL || !is_good(slice_str(tokens[0]), ours))
		abort();
	if (size == 0)
		return 0;
	as_token(bytes);
	as_changes(data, size);
	as_keys(bytes);
	if (size <= CLAIMS_MAX)
		as_claims(bytes);
	return 0;
}
