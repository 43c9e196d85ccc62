#include "gateway/jwks.h"

#include <errno.h>
#include <jose/jwk.h>
#include <jose/openssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/b64url.h"
#include "gateway/jose_quiet.h"

#define RSA_BITS_MIN     2048
#define SECRET_BYTES_MIN 32u
#define SECRET_BYTES_MAX 1024u   /* libjose's KEYMAX, beyond which it refuses */

static const char *const alg_names[JWKS_ALGS] = { "HS256", "RS256", "ES256" };
static const char *const kind_names[JWKS_ALGS] = { "oct", "RSA", "EC" };

bool
jwks_alg_of(const char *name, enum jwks_alg *ret)
{
	for (int i = 0; i < JWKS_ALGS; i++)
		if (name != NULL && strcmp(name, alg_names[i]) == 0) {
			*ret = (enum jwks_alg)i;
			return true;
		}
	return false;
}

/* --- one key -------------------------------------------------------------- */

static const char *
text_of(const json_t *jwk, const char *name)
{
	return json_string_value(json_object_get(jwk, name));
}

static bool
may_verify(const json_t *jwk)
{
	const json_t *ops = json_object_get(jwk, "key_ops");
	const char *use = text_of(jwk, "use");
	size_t i;
	json_t *v;

	if (use != NULL && strcmp(use, "sig") != 0)
		return false;
	if (ops == NULL)
		return true;
	json_array_foreach(ops, i, v)
		if (json_is_string(v) &&
		    strcmp(json_string_value(v), "verify") == 0)
			return true;
	return false;
}

/* A key this service uses, and for which algorithm; false: left out. */
static bool
is_ours(const json_t *jwk, enum jwks_alg *ret)
{
	const char *kty = text_of(jwk, "kty"), *crv = text_of(jwk, "crv");
	int i;

	for (i = 0; i < JWKS_ALGS; i++)
		if (kty != NULL && strcmp(kty, kind_names[i]) == 0)
			break;
	if (i == JWKS_ALGS || !may_verify(jwk))
		return false;
	if (i == JWKS_ES256 && (crv == NULL || strcmp(crv, "P-256") != 0))
		return false;
	*ret = (enum jwks_alg)i;
	return json_object_get(jwk, "alg") == NULL ||
	    (text_of(jwk, "alg") != NULL &&
	    strcmp(text_of(jwk, "alg"), alg_names[i]) == 0);
}

static int
check_secret(const json_t *jwk, struct err *err)
{
	const json_t *k = json_object_get(jwk, "k");
	struct buf secret = BUF_EMPTY;
	struct slice text = { json_string_value(k), json_string_length(k) };
	size_t n = 0;

	if (text.p != NULL && b64url_decode(text, &secret))
		n = secret.len;
	buf_wipe(&secret);
	if (n > SECRET_BYTES_MAX)
		return err_set(err, "its secret has %zu bytes, and at most %u "
		    "can be used: 32 to 64 random ones are enough", n,
		    SECRET_BYTES_MAX);
	if (n >= SECRET_BYTES_MIN)
		return 0;
	return err_set(err, n == 0 ? "its k is no base64url" : "its secret "
	    "has %zu bytes, and HS256 needs at least %u (RFC 7518 3.2)", n,
	    SECRET_BYTES_MIN);
}

static int
check_public(const json_t *jwk, enum jwks_alg alg, struct err *err)
{
	jose_cfg_t *cfg;
	EVP_PKEY *key;
	int bits = 0;

	if (json_object_get(jwk, "d") != NULL)
		return err_set(err, "it is a private key; put only its public "
		    "part here");
	cfg = jose_quiet_cfg();
	key = jose_openssl_jwk_to_EVP_PKEY(cfg, jwk);
	if (key != NULL)
		bits = EVP_PKEY_get_bits(key);
	EVP_PKEY_free(key);
	jose_cfg_decref(cfg);
	if (bits == 0)
		return err_set(err, "its numbers are no %s key",
		    kind_names[alg]);
	if (alg == JWKS_RS256 && bits < RSA_BITS_MIN)
		return err_set(err, "it has %d bits, and RSA needs at least "
		    "%d", bits, RSA_BITS_MIN);
	return 0;
}

static bool
has_kid(const struct jwks_key *k, struct slice kid)
{
	return k->kid != NULL && slice_is(kid, k->kid);
}

static int
take_name(struct jwks *set, const json_t *jwk, char **ret, struct err *err)
{
	const json_t *v = json_object_get(jwk, "kid");
	struct slice kid = { json_string_value(v), json_string_length(v) };

	*ret = NULL;
	if (v == NULL)
		return 0;
	if (!json_is_string(v) || kid.n > JWKS_KID_MAX)
		return err_set(err, "its kid must be a text of at most %u "
		    "bytes", JWKS_KID_MAX);
	for (size_t i = 0; i < set->n; i++)
		if (has_kid(&set->keys[i], kid))
			return err_set(err, "its kid is that of another key");
	*ret = slice_dup(kid);
	return 0;
}

static int
take_print(const json_t *jwk, uint8_t ret[JWKS_PRINT_SIZE], struct err *err)
{
	jose_cfg_t *cfg = jose_quiet_cfg();
	size_t n = jose_jwk_thp_buf(cfg, jwk, "S256", ret, JWKS_PRINT_SIZE);

	jose_cfg_decref(cfg);
	return n == JWKS_PRINT_SIZE ? 0 : err_set(err, "it has no thumbprint "
	    "(RFC 7638)");
}

static int
add_key(struct jwks *set, json_t *jwk, struct err *err)
{
	uint8_t print[JWKS_PRINT_SIZE];
	enum jwks_alg alg;
	char *kid;

	if (!json_is_object(jwk) || text_of(jwk, "kty") == NULL)
		return err_set(err, "it must be an object with a kty");
	if (!is_ours(jwk, &alg)) {
		set->others++;
		return 0;
	}
	if ((alg == JWKS_HS256 ? check_secret(jwk, err) :
	    check_public(jwk, alg, err)) == -1 ||
	    take_print(jwk, print, err) == -1 ||
	    take_name(set, jwk, &kid, err) == -1)
		return -1;
	/* libjose holds a key to its alg. */
	(void)json_object_set_new(jwk, "alg", json_string(alg_names[alg]));
	set->keys[set->n] = (struct jwks_key){ json_incref(jwk), kid, alg,
	    { 0 } };
	memcpy(set->keys[set->n++].print, print, sizeof(print));
	set->secret |= alg == JWKS_HS256;
	return 0;
}

/* --- the set -------------------------------------------------------------- */

static int
add_keys(struct jwks *set, const json_t *root, struct err *err)
{
	const json_t *keys = json_object_get(root, "keys");
	size_t i;
	json_t *jwk;

	if (!json_is_array(keys))
		return err_set(err, "is no JSON Web Key Set: {\"keys\": "
		    "[...]}");
	if (json_array_size(keys) > JWKS_KEYS_MAX)
		return err_set(err, "has more than %u keys", JWKS_KEYS_MAX);
	json_array_foreach(keys, i, jwk)
		if (add_key(set, jwk, err) == -1)
			return err_prefix(err, "keys[%zu]", i);
	if (set->n == 0 && set->others > 0)
		return err_set(err, "has no key for HS256, RS256 or ES256 "
		    "(%zu others)", set->others);
	return 0;
}

static void
wipe_secret(const json_t *jwk)
{
	const json_t *k = json_object_get(jwk, "k");
	const char *p = json_string_value(k);

	if (p != NULL)
		explicit_bzero((void *)(uintptr_t)p, json_string_length(k));
}

static void
wipe_refused(const json_t *root)
{
	size_t i;
	json_t *jwk;

	json_array_foreach(json_object_get(root, "keys"), i, jwk)
		wipe_secret(jwk);
}

struct jwks *
jwks_read(struct slice text, struct err *err)
{
	struct jwks *set;
	json_error_t e;
	json_t *root;

	if (text.n == 0 || text.n > JWKS_BYTES_MAX) {
		(void)err_set(err, text.n == 0 ? "is empty" :
		    "is larger than %u bytes", JWKS_BYTES_MAX);
		if (err != NULL && text.n == 0)
			err->code = EBADMSG;
		return NULL;
	}
	root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &e);
	if (root == NULL) {
		/* Never jansson's text: it quotes what it read. */
		(void)err_set(err, "is no JSON: line %d, column %d", e.line,
		    e.column);
		if (err != NULL)
			err->code = EBADMSG;
		return NULL;
	}
	set = xcalloc(1, sizeof(*set));
	if (add_keys(set, root, err) == -1) {
		wipe_refused(root);
		jwks_free(set);
		set = NULL;
	}
	json_decref(root);
	return set;
}

void
jwks_free(struct jwks *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->n; i++) {
		wipe_secret(set->keys[i].jwk);
		json_decref(set->keys[i].jwk);
		free(set->keys[i].kid);
	}
	free(set);
}

bool
jwks_has(const struct jwks *set, const uint8_t print[JWKS_PRINT_SIZE])
{
	for (size_t i = 0; i < set->n; i++)
		if (memcmp(set->keys[i].print, print, JWKS_PRINT_SIZE) == 0)
			return true;
	return false;
}

const struct jwks_key *
jwks_find(const struct jwks *set, enum jwks_alg alg, struct slice kid)
{
	const struct jwks_key *found = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct jwks_key *k = &set->keys[i];

		if (k->alg != alg || (kid.p != NULL && !has_kid(k, kid)))
			continue;
		if (found != NULL)
			return NULL;
		found = k;
	}
	return found;
}
