/*
 * fuzz_ticket: any bytes as a ticket: none of them is one, but those that were
 * sealed; and any bytes that whoever has the key may have sealed (another
 * version of this program): an identity within its limits, or none.
 */
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/b64url.h"
#include "gateway/ticket.h"

#define NOW       INT64_C(1800000000000)
#define BYTES_MAX 4000u
#define TAG_SIZE  16

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ticket_key key = { "a key that only this has" };
static const uint8_t nonce[12] = "no nonce";

static bool
opens(struct slice text)
{
	struct err err = { .text = "" };
	struct ticket_use use = { 0, 0 };
	struct identity *id = ticket_open(text, &key, NOW, &use, &err);

	if (id == NULL) {
		if (err.text[0] == '\0')
			abort();
		return false;
	}
	if (id->admin || id->publish.n != 0 || id->subscribe.n > GRANTS_MAX ||
	    !tenant_valid(slice_str(id->tenant)) || use.tag == 0 ||
	    identity_expired(id, NOW))
		abort();
	identity_unref(id);
	return true;
}

/* As ticket_seal does it, of any bytes. */
static void
seal(struct buf *b, const uint8_t *data, size_t size)
{
	static const unsigned char info[] = "sluice ticket 1";
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t bytes[sizeof(nonce) + BYTES_MAX + TAG_SIZE];
	uint8_t *at = bytes + sizeof(nonce);
	int n;

	memcpy(bytes, nonce, sizeof(nonce));
	memcpy(at, data, size);
	if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL,
	    key.bytes, nonce) != 1 || EVP_EncryptUpdate(ctx, NULL, &n, info,
	    (int)sizeof(info) - 1) != 1 || EVP_EncryptUpdate(ctx, at, &n, at,
	    (int)size) != 1 || EVP_EncryptFinal_ex(ctx, at + size, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE,
	    at + size) != 1)
		abort();
	EVP_CIPHER_CTX_free(ctx);
	b64url_encode(b, bytes, sizeof(nonce) + size + TAG_SIZE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = BUF_EMPTY;

	if (opens((struct slice){ (const char *)data, size }))
		abort();
	if (size == 0 || size > BYTES_MAX)
		return 0;
	seal(&b, data, size);
	(void)opens((struct slice){ (const char *)b.data, b.len });
	/* Whatever it was: one bit of it less is nothing. */
	b.data[data[0] % b.len] ^= 1;
	if (opens((struct slice){ (const char *)b.data, b.len }))
		abort();
	buf_free(&b);
	return 0;
}
