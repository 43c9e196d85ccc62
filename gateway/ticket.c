#include "gateway/ticket.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/b64url.h"

#define VERSION    2u
#define NONCE_SIZE 12u
#define TAG_SIZE   16u
#define INFO       "sluice ticket 1"

void
ticket_key_derive(struct ticket_key *ret, const void *key, size_t n)
{
	char digest[] = "SHA256", info[] = INFO;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	void *secret = xmemdup(key, n);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest,
		    0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret,
		    n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info,
		    sizeof(info) - 1),
		OSSL_PARAM_construct_end(),
	};

	if (ctx == NULL || EVP_KDF_derive(ctx, ret->bytes, sizeof(ret->bytes),
	    params) != 1)
		abort();
	explicit_bzero(secret, n);
	free(secret);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* --- what is sealed ------------------------------------------------------- */

int64_t
ticket_end(const struct identity *id, int64_t now_unix_ms)
{
	int64_t latest = now_unix_ms + TICKET_LIFE_MS;

	return id->expires_unix_ms == 0 ? latest :
	    MIN(id->expires_unix_ms, latest);
}

static void
write_identity(struct buf *b, const struct identity *id, int64_t now)
{
	buf_u8(b, VERSION);
	buf_u64(b, (uint64_t)now);
	buf_u64(b, (uint64_t)ticket_end(id, now));
	buf_u64(b, (uint64_t)id->issued_unix_ms);
	buf_add(b, id->key, sizeof(id->key));
	buf_str16(b, id->tenant, strlen(id->tenant));
	buf_str16(b, id->subject, strlen(id->subject));
	buf_u16(b, (uint16_t)id->subscribe.n);
	for (size_t i = 0; i < id->subscribe.n; i++)
		buf_str16(b, id->subscribe.patterns[i],
		    strlen(id->subscribe.patterns[i]));
}

/* Only this installation can have written it, perhaps another version. */
static struct identity *
read_identity(struct slice bytes, int64_t *ret_sealed_unix_ms)
{
	struct rd r = rd_init(bytes.p, bytes.n);
	struct identity *id = xcalloc(1, sizeof(*id));
	struct slice tenant, subject;
	const void *key;
	bool good = rd_u8(&r) == VERSION;
	uint16_t n;

	id->refs = 1;
	*ret_sealed_unix_ms = (int64_t)rd_u64(&r);
	id->expires_unix_ms = (int64_t)rd_u64(&r);
	id->issued_unix_ms = (int64_t)rd_u64(&r);
	key = rd_bytes(&r, sizeof(id->key));
	tenant = rd_str16(&r);
	subject = rd_str16(&r);
	n = rd_u16(&r);
	good = good && !r.failed && tenant_valid(tenant);
	for (uint16_t i = 0; i < n && good; i++)
		good = grants_add(&id->subscribe, rd_str16(&r), NULL) == 0;
	if (!good || !rd_done(&r)) {
		identity_unref(id);
		return NULL;
	}
	memcpy(id->key, key, sizeof(id->key));
	memcpy(id->tenant, tenant.p, tenant.n);
	id->subject = slice_dup(subject);
	return id;
}

/* --- sealing -------------------------------------------------------------- */

/* Seals or opens n bytes in place; with the tag behind them. */
static bool
cipher(bool seal, const struct ticket_key *key, const uint8_t *nonce,
    uint8_t *bytes, size_t n)
{
	static const unsigned char info[] = INFO;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *tag = bytes + n;
	int len, rest;
	bool good;

	good = ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL,
	    key->bytes, nonce, seal) == 1;
	good = good && EVP_CipherUpdate(ctx, NULL, &len, info,
	    (int)sizeof(info) - 1) == 1;
	good = good && EVP_CipherUpdate(ctx, bytes, &len, bytes, (int)n) == 1;
	good = good && (seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG,
	    TAG_SIZE, tag) == 1);
	good = good && EVP_CipherFinal_ex(ctx, bytes + len, &rest) == 1;
	good = good && (!seal || EVP_CIPHER_CTX_ctrl(ctx,
	    EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

int
ticket_seal(struct buf *b, const struct ticket_key *key,
    const struct identity *id, int64_t now_unix_ms, struct err *err)
{
	struct buf raw = BUF_EMPTY;
	uint8_t *nonce = buf_reserve(&raw, NONCE_SIZE);
	size_t n;

	if (RAND_bytes(nonce, NONCE_SIZE) != 1)
		abort();
	buf_grew(&raw, NONCE_SIZE);
	write_identity(&raw, id, now_unix_ms);
	n = raw.len - NONCE_SIZE;
	(void)buf_reserve(&raw, TAG_SIZE);
	buf_grew(&raw, TAG_SIZE);
	if (raw.len > TICKET_BYTES_MAX / 4 * 3) {
		buf_free(&raw);
		return err_set(err, "this token grants more patterns than a "
		    "ticket can hold: let it name prefixes");
	}
	if (!cipher(true, key, raw.data, raw.data + NONCE_SIZE, n))
		abort();
	b64url_encode(b, raw.data, raw.len);
	buf_free(&raw);
	return 0;
}

static struct identity *
open_raw(struct buf *raw, const struct ticket_key *key, int64_t now,
    struct ticket_use *ret)
{
	size_t n = raw->len - NONCE_SIZE - TAG_SIZE;
	uint8_t *bytes = raw->data + NONCE_SIZE;
	struct identity *id;
	int64_t sealed;

	if (!cipher(false, key, raw->data, bytes, n))
		return NULL;
	id = read_identity((struct slice){ (const char *)bytes, n }, &sealed);
	if (id == NULL)
		return NULL;
	memcpy(&ret->tag, raw->data, sizeof(ret->tag));
	ret->tag |= 1;
	ret->age_ms = now - sealed;
	return id;
}

struct identity *
ticket_open(struct slice text, const struct ticket_key *key,
    int64_t now_unix_ms, struct ticket_use *ret, struct err *err)
{
	struct identity *id = NULL;
	struct buf raw = BUF_EMPTY;

	if (text.n <= TICKET_BYTES_MAX && b64url_decode(text, &raw) &&
	    raw.len > NONCE_SIZE + TAG_SIZE)
		id = open_raw(&raw, key, now_unix_ms, ret);
	buf_wipe(&raw);
	if (id == NULL) {
		(void)err_set(err, "it is no ticket of this installation");
	} else if (identity_expired(id, now_unix_ms)) {
		(void)err_set(err, "the ticket is expired");
		identity_unref(id);
		id = NULL;
	}
	return id;
}

bool
ticket_good(const struct ticket_use *use, bool resumes, bool used)
{
	/* Of the future: a clock was set back, and its age is unknown. */
	if (use->age_ms < -TICKET_SKEW_MS)
		return false;
	return resumes || use->age_ms <= TICKET_FIRST_MS ||
	    (used && use->age_ms <= TICKET_AGAIN_MS);
}
