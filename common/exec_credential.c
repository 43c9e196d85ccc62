#include "common/exec_credential.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/kube_pem.h"
#include "common/sealed.h"
#include "common/xmalloc.h"

#define MAGIC      0x44524345u   /* "ECRD" */
#define HEAD_BYTES (13u + KUBE_DIGEST_BYTES)

void
exec_credential_free(struct exec_credential *c)
{
	kube_pem_wipe(c->token);
	kube_pem_wipe(c->cert_pem);
	kube_pem_wipe(c->key_pem);
	free(c->error);
	*c = (struct exec_credential){ 0 };
}

int
exec_credential_memfd(struct err *err)
{
	return sealed_new("sluice-credential", err);
}

static void
put(struct buf *b, const char *text)
{
	buf_str32(b, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

int
exec_credential_write(int fd, const struct exec_credential *c,
    struct err *err)
{
	struct buf b = BUF_EMPTY;
	int rc;

	/* At once: growing would leave copies of secrets behind. */
	(void)buf_reserve(&b, EXEC_CREDENTIAL_MAX);
	buf_u32(&b, MAGIC);
	buf_u8(&b, c->error != NULL ? 1 : 0);
	buf_u64(&b, (uint64_t)c->expires_unix_ms);
	buf_add(&b, c->digest, sizeof(c->digest));
	put(&b, c->token);
	put(&b, c->cert_pem);
	put(&b, c->key_pem);
	put(&b, c->error);
	if (b.len > EXEC_CREDENTIAL_MAX)
		rc = err_set(err, "a credential of more than %u bytes",
		    EXEC_CREDENTIAL_MAX);
	else
		rc = sealed_write(fd, b.data, b.len, err);
	explicit_bzero(b.data, b.len);
	buf_free(&b);
	return rc;
}

static int
read_sealed(int fd, uint8_t *bytes, size_t size, size_t *ret_n,
    struct err *err)
{
	if (sealed_read(fd, bytes, size, ret_n, err) < 0)
		return err_prefix(err, "a credential");
	return 0;
}

static int
take_head(struct rd *r, struct exec_credential_head *ret,
    uint8_t digest[KUBE_DIGEST_BYTES], struct err *err)
{
	uint32_t magic = rd_u32(r);
	uint8_t failed = rd_u8(r);
	uint64_t expires = rd_u64(r);

	for (size_t i = 0; i < KUBE_DIGEST_BYTES; i++)
		digest[i] = rd_u8(r);
	if (r->failed || magic != MAGIC || failed > 1)
		return err_set(err, "a credential that cannot be read");
	ret->failed = failed == 1;
	ret->expires_unix_ms = (int64_t)expires;
	return 0;
}

int
exec_credential_head(int fd, struct exec_credential_head *ret,
    struct err *err)
{
	uint8_t bytes[HEAD_BYTES], digest[KUBE_DIGEST_BYTES];
	struct rd r;
	size_t n;

	if (read_sealed(fd, bytes, sizeof(bytes), &n, err) < 0)
		return -1;
	r = rd_init(bytes, n);
	return take_head(&r, ret, digest, err);
}

static int
get(struct rd *r, char **ret)
{
	struct slice s = rd_str32(r);

	if (r->failed || (s.n > 0 && memchr(s.p, '\0', s.n) != NULL))
		return -1;
	*ret = s.n > 0 ? slice_dup(s) : NULL;
	return 0;
}

int
exec_credential_read(int fd, struct exec_credential *ret, struct err *err)
{
	struct exec_credential c = { 0 };
	struct exec_credential_head head;
	uint8_t *bytes = xmalloc(EXEC_CREDENTIAL_MAX);
	struct rd r;
	size_t n = 0;
	int rc;

	rc = read_sealed(fd, bytes, EXEC_CREDENTIAL_MAX, &n, err);
	r = rd_init(bytes, n);
	if (rc == 0)
		rc = take_head(&r, &head, c.digest, err);
	if (rc == 0) {
		c.expires_unix_ms = head.expires_unix_ms;
		if (get(&r, &c.token) < 0 || get(&r, &c.cert_pem) < 0 ||
		    get(&r, &c.key_pem) < 0 || get(&r, &c.error) < 0 ||
		    !rd_done(&r) || head.failed != (c.error != NULL))
			rc = err_set(err, "a credential that cannot be read");
	}
	explicit_bzero(bytes, n);
	free(bytes);
	if (rc < 0)
		exec_credential_free(&c);
	else
		*ret = c;
	return rc;
}

int64_t
exec_credential_good_until(int64_t expires_unix_ms, int64_t now_unix_ms)
{
	if (expires_unix_ms == 0 || expires_unix_ms - now_unix_ms <=
	    10 * EXEC_CREDENTIAL_EARLY_MS)
		return expires_unix_ms;
	return expires_unix_ms - EXEC_CREDENTIAL_EARLY_MS;
}
