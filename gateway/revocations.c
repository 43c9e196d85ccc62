#include "gateway/revocations.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/xmalloc.h"

#define FILE_MAGIC UINT64_C(0x31766b6552636c53)   /* "SlcRevk1" */
#define EVERY      "*"     /* no tenant has this name */
#define KEY_SIZE   16
#define TRIES      8

/* Shared between processes. A place is in force when `unix_ms` is not 0, which
 * is written last; the key of one in force changes only when it is given to
 * another, and is not in force meanwhile. */
struct place {
	uint8_t		key[KEY_SIZE];
	int64_t		unix_ms;
};

struct file {
	uint64_t	magic;
	uint64_t	changes;
	uint64_t	used;     /* places ever claimed; may pass the end */
	struct place	places[REVOCATIONS_MAX];
};

struct revocations {
	struct file	*file;
};

/* --- the file ------------------------------------------------------------- */

/* A new file is all zeros; two gateways may find it so. */
static bool
is_ours(struct file *f)
{
	uint64_t none = 0;

	return __atomic_compare_exchange_n(&f->magic, &none, FILE_MAGIC, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) || none == FILE_MAGIC;
}

struct revocations *
revocations_open(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t n = sizeof(struct file);
	int code = fd == -1 ? errno : posix_fallocate(fd, 0, (off_t)n);
	struct revocations *r;
	void *p = MAP_FAILED;

	if (code == 0) {
		p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		code = errno;
	}
	if (fd != -1)
		(void)close(fd);
	if (p == MAP_FAILED) {
		(void)err_errno(err, code, "%s, where revoked subjects are "
		    "kept, needs %zu KiB: make room in its directory, and let "
		    "the service's user write there", path, n / 1024 + 1);
		return NULL;
	}
	if (!is_ours(p)) {
		(void)munmap(p, n);
		(void)err_set(err, "%s holds no revoked subjects of this "
		    "version: move it away, and revoke again who was", path);
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->file = p;
	return r;
}

void
revocations_close(struct revocations *r)
{
	if (r == NULL)
		return;
	(void)munmap(r->file, sizeof(*r->file));
	free(r);
}

/* --- places --------------------------------------------------------------- */

static void
key_of(const char *tenant, const char *subject, uint8_t ret[KEY_SIZE])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	struct buf b = BUF_EMPTY;

	buf_add(&b, tenant, strlen(tenant) + 1);
	buf_adds(&b, subject);
	(void)SHA256(b.data, b.len, hash);
	memcpy(ret, hash, KEY_SIZE);
	buf_free(&b);
}

static size_t
used(const struct file *f)
{
	return (size_t)MIN(__atomic_load_n(&f->used, __ATOMIC_ACQUIRE),
	    (uint64_t)REVOCATIONS_MAX);
}

static int64_t
since(const struct place *p)
{
	return __atomic_load_n(&p->unix_ms, __ATOMIC_ACQUIRE);
}

/* NULL: none in force. */
static struct place *
find(struct file *f, const uint8_t key[KEY_SIZE])
{
	size_t n = used(f);

	for (size_t i = 0; i < n; i++)
		if (since(&f->places[i]) != 0 &&
		    memcmp(f->places[i].key, key, KEY_SIZE) == 0)
			return &f->places[i];
	return NULL;
}

/* One that nobody needs: never used, or for so long in force that what it
 * refuses is over. NULL: there is none. */
static struct place *
claim(struct file *f, int64_t now)
{
	uint64_t i = used(f);
	struct place *oldest = &f->places[0];

	if (i < REVOCATIONS_MAX) {
		i = __atomic_fetch_add(&f->used, 1, __ATOMIC_ACQ_REL);
		if (i < REVOCATIONS_MAX)
			return &f->places[i];
	}
	for (i = 1; i < REVOCATIONS_MAX; i++)
		if (since(&f->places[i]) < since(oldest))
			oldest = &f->places[i];
	return now - since(oldest) > REVOCATION_KEEP_MS ? oldest : NULL;
}

int
revocations_add(struct revocations *r, const char *tenant,
    const char *subject, int64_t now_unix_ms, struct err *err)
{
	uint8_t key[KEY_SIZE];
	struct place *p;
	int i;

	key_of(tenant != NULL ? tenant : EVERY, subject, key);
	/* Two gateways may give the same old place to two: who finds its own
	 * gone takes the next. */
	for (i = 0; i < TRIES; i++) {
		p = find(r->file, key);
		if (p == NULL && (p = claim(r->file, now_unix_ms)) == NULL)
			break;
		if (memcmp(p->key, key, KEY_SIZE) != 0) {
			__atomic_store_n(&p->unix_ms, 0, __ATOMIC_RELEASE);
			memcpy(p->key, key, KEY_SIZE);
		}
		/* Never back: a clock may have been. */
		__atomic_store_n(&p->unix_ms, MAX(since(p), now_unix_ms),
		    __ATOMIC_RELEASE);
		if (find(r->file, key) == NULL)
			continue;
		(void)__atomic_add_fetch(&r->file->changes, 1,
		    __ATOMIC_ACQ_REL);
		return 0;
	}
	return err_set(err, "%u subjects are revoked, and none of them for "
	    "longer than %d days: take the key that signed the token out of "
	    "jwt.jwks_file, and sign with another", REVOCATIONS_MAX,
	    (int)(REVOCATION_KEEP_MS / (24 * 3600 * 1000)));
}

static bool
has(struct file *f, const char *tenant, const struct identity *id)
{
	uint8_t key[KEY_SIZE];
	const struct place *p;

	key_of(tenant, id->subject, key);
	p = find(f, key);
	return p != NULL && id->issued_unix_ms <= since(p);
}

bool
revocations_has(const struct revocations *r, const struct identity *id)
{
	if (used(r->file) == 0 || id->subject[0] == '\0')
		return false;
	return has(r->file, id->tenant, id) || has(r->file, EVERY, id);
}

uint64_t
revocations_changes(const struct revocations *r)
{
	return __atomic_load_n(&r->file->changes, __ATOMIC_ACQUIRE);
}
