#include "common/exec_credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/kube_pem.h"
#include "common/xmalloc.h"

#define MAGIC      0x44524345u   /* "ECRD" */
#define HEAD_BYTES (13u + KUBE_DIGEST_BYTES)
#define SEALS      (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

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
	int fd = memfd_create("sluice-credential", MFD_CLOEXEC |
	    MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_errno(err, errno, "memfd_create");
	return fd;
}

static void
put(struct buf *b, const char *text)
{
	buf_str32(b, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static int
write_all(int fd, const struct buf *b, struct err *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < b->len) {
		n = write(fd, b->data + done, b->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, n < 0 ? errno : EIO,
			    "credential: write");
		done += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) != 0)
		return err_errno(err, errno, "credential: seal");
	return 0;
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
		rc = write_all(fd, &b, err);
	explicit_bzero(b.data, b.len);
	buf_free(&b);
	return rc;
}

/* At most `size` bytes from the start of one that nobody can change. */
static int
read_sealed(int fd, uint8_t *bytes, size_t size, size_t *ret_n,
    struct err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	size_t n = 0;
	ssize_t got;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(err, "a credential that is not sealed");
	while (n < size) {
		got = pread(fd, bytes + n, size - n, (off_t)n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "credential: read");
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
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
