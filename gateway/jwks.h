/*
 * jwks: the keys that tokens are signed with: a JSON Web Key Set (RFC 7517)
 * read and checked. Pure: bytes in; keys, or what is wrong with them, out.
 *
 * Every key has one algorithm, its own `alg` or the one of its kind (oct:
 * HS256, RSA: RS256, EC on P-256: ES256), and is used for no other: so nobody
 * can have a public key taken for a secret, whatever a token's head says. A set
 * may hold keys of other algorithms or for other uses; they are left out. The
 * whole set is refused for a key that is too weak (RSA below 2048 bits, a
 * secret below 32 bytes), too long for libjose (a secret of more than 1024
 * bytes), malformed, private where the public part would do, or
 * a second one of a name.
 */
#ifndef SLUICE_JWKS_H
#define SLUICE_JWKS_H

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"

#define JWKS_BYTES_MAX (256u * 1024)
#define JWKS_KEYS_MAX  64u
#define JWKS_KID_MAX   255u
#define JWKS_PRINT_SIZE 32u

enum jwks_alg { JWKS_HS256, JWKS_RS256, JWKS_ES256, JWKS_ALGS };

struct jwks_key {
	json_t		*jwk;
	char		*kid;       /* NULL: it has none */
	enum jwks_alg	 alg;
	uint8_t		 print[JWKS_PRINT_SIZE];   /* RFC 7638, SHA-256 */
};

struct jwks {
	struct jwks_key	 keys[JWKS_KEYS_MAX];
	size_t		 n;
	size_t		 others;    /* left out */
	bool		 secret;    /* one is: others must not read the file */
};

/* NULL with *err, whose code is EBADMSG when the text is no whole JSON, as one
 * that is being written, else 0. {"keys": []} is a set without keys. To be
 * freed by jwks_free, which wipes secrets. */
struct jwks	*jwks_read(struct slice text, struct err *err);
void		 jwks_free(struct jwks *set);   /* NULL is none */
/* The key of that name for that algorithm; without a name (p NULL) the only
 * one of the algorithm. NULL: none, or several that it could be. */
const struct jwks_key *jwks_find(const struct jwks *set, enum jwks_alg alg,
		    struct slice kid);
/* Whether the key of this thumbprint is in the set. */
bool		 jwks_has(const struct jwks *set,
		    const uint8_t print[JWKS_PRINT_SIZE]);
/* False: none that is used here. */
bool		 jwks_alg_of(const char *name, enum jwks_alg *ret);

#endif
