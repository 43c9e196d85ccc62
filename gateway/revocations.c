#include "gateway/revocations.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/xmalloc.h"
#include "gateway/strmap.h"

#define FILE_MAGIC UINT64_C(0x31766b6552636c53)   /* "SlcRevk1" */
#define EVERY      "*"     /* no tenant has this name */
#define KEY_SIZE   IDENTITY_NAME_SIZE
#define TRIES      8
#define CLAIMED    INT64_C(-1)

/* Shared between processes. A place is in force when `unix_ms` is over 0, which
 * is written last. Who wants one that is not in force, or is over, puts CLAIMED
 * there first, and alone writes it then; one whose claimer died just then stays
 * unused. */
struct place {
	uint8_t		key[KEY_SIZE];
	int64_t		unix_ms;
};

struct file {
	uint64_t	magic;
	uint64_t	changes;  /* counted when the place is written */
	uint64_t	used;     /* places ever claimed; may pass the end */
	struct place	places[REVOCATIONS_MAX];
};

/* What was read of a revocation. */
struct known {
	int64_t		since;    /* unix ms */
	bool		fresh;    /* its streams may be open */
};

/* Judged is by what was read, in our own memory. It is read by pread(2), not
 * where it is mapped: a disk that fails or a file that was cut short is an
 * error then, and not SIGBUS in all gateways at once. */
struct revocations {
	char		*path;
	int		 fd;
	struct file	*file;    /* to add; NULL: it cannot be written */
	struct err	 trouble; /* why */
	struct strmap	*index;   /* key -> place in known[] */
	struct known	*known;
	size_t		 n_known;
	size_t		 fresh;
	uint64_t	 changes; /* those that known[] has */
};

/* --- reading -------------------------------------------------------------- */

static int
read_at(const struct revocations *r, void *ret, size_t n, size_t at,
    struct err *err)
{
	ssize_t got = pread(r->fd, ret, n, (off_t)at);

	if (got == (ssize_t)n)
		return 0;
	return err_errno(err, got == -1 ? errno : EIO, "%s, where revoked "
	    "subjects are kept, cannot be read (those known so far stay so; "
	    "was it cut short? restart the gateways then)", r->path);
}

/* NULL with *err; to be freed. */
static struct file *
read_file(const struct revocations *r, struct err *err)
{
	struct file *f = xmalloc(sizeof(*f));

	if (read_at(r, f, sizeof(*f), 0, err) == 0)
		return f;
	free(f);
	return NULL;
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

static struct slice
slice_of(const uint8_t key[KEY_SIZE])
{
	return (struct slice){ (const char *)key, KEY_SIZE };
}

/* NULL: not revoked, as far as was read. */
static struct known *
look_up(const struct revocations *r, const uint8_t key[KEY_SIZE])
{
	uint32_t i;

	return strmap_get(r->index, slice_of(key), &i) ? &r->known[i] : NULL;
}

/* In place of what was known. Fresh is what was not, and what is later now. */
static void
learn(struct revocations *r, const struct file *f, bool first)
{
	struct revocations next = { .index = strmap_new(),
	    .n_known = used(f),
	    .known = xcalloc(used(f) + 1, sizeof(struct known)) };
	const struct known *old;
	struct known *k;
	uint32_t at;

	for (uint32_t i = 0; i < next.n_known; i++) {
		const struct place *p = &f->places[i];

		if (p->unix_ms <= 0)
			continue;
		/* Two who revoked it at once may have a place each. */
		at = i;
		if (!strmap_get(next.index, slice_of(p->key), &at))
			strmap_put(next.index, slice_of(p->key), i);
		k = &next.known[at];
		if (k->since >= p->unix_ms)
			continue;
		old = look_up(r, p->key);
		next.fresh -= k->fresh;
		k->since = p->unix_ms;
		k->fresh = !first && (old == NULL || old->fresh ||
		    old->since < k->since);
		next.fresh += k->fresh;
	}
	strmap_free(r->index);
	free(r->known);
	r->index = next.index;
	r->known = next.known;
	r->n_known = next.n_known;
	r->fresh = next.fresh;
}

/* Reads what the others have added; -1 with *err, and what was known stays. */
static int
refresh(struct revocations *r, struct err *err)
{
	struct file *f;
	uint64_t changes;

	if (r->fd == -1)
		return 0;   /* there was none to begin with */
	if (read_at(r, &changes, sizeof(changes),
	    offsetof(struct file, changes), err) == -1)
		return -1;
	if (changes == r->changes)
		return 0;
	/* After the number: what is added meanwhile is read once more. */
	f = read_file(r, err);
	if (f == NULL)
		return -1;
	learn(r, f, false);
	r->changes = changes;
	free(f);
	return 0;
}

/* --- the file ------------------------------------------------------------- */

/* A new file is all zeros; two gateways may find it so. */
static bool
is_ours(struct file *f)
{
	uint64_t none = 0;

	return __atomic_compare_exchange_n(&f->magic, &none, FILE_MAGIC, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) || none == FILE_MAGIC;
}

/* Takes its room, and maps it. */
static int
map_file(struct revocations *r, struct err *err)
{
	size_t n = sizeof(struct file);
	int code;
	void *p;

	r->fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	code = r->fd == -1 ? errno : posix_fallocate(r->fd, 0, (off_t)n);
	if (code == 0) {
		p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		    0);
		if (p != MAP_FAILED) {
			r->file = p;
			return 0;
		}
		code = errno;
	}
	return err_errno(err, code, "%s, where revoked subjects are kept, "
	    "needs %zu KiB: make room in its directory, and let the service's "
	    "user write there", r->path, n / 1024 + 1);
}

/* Of a disk that takes nothing more: who was revoked until then stays so. One
 * without all its room never had an entry. */
static int
open_to_read(struct revocations *r, struct err *err)
{
	struct stat st;

	if (r->fd != -1)
		(void)close(r->fd);
	r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd == -1 && errno == ENOENT)
		return 0;
	if (r->fd == -1 || fstat(r->fd, &st) != 0)
		return err_errno(err, errno, "%s", r->path);
	if ((size_t)st.st_size < sizeof(struct file)) {
		(void)close(r->fd);
		r->fd = -1;
	}
	return 0;
}

static int
open_file(struct revocations *r, struct err *err)
{
	if (map_file(r, &r->trouble) == 0)
		return 0;
	switch (r->trouble.code) {
	case EROFS:
	case ENOSPC:
	case EDQUOT:
	case EIO:
		return open_to_read(r, err);
	default:
		*err = r->trouble;
		return -1;
	}
}

struct revocations *
revocations_open(const char *path, struct err *err)
{
	struct revocations *r = xcalloc(1, sizeof(*r));
	struct file *f = NULL;

	r->path = xstrdup(path);
	r->index = strmap_new();
	r->fd = -1;
	if (open_file(r, err) == -1)
		goto fail;
	if (r->fd == -1)
		return r;
	/* Before it is touched where it is mapped. */
	f = read_file(r, err);
	if (f == NULL)
		goto fail;
	if (!is_ours(r->file != NULL ? r->file : f)) {
		(void)err_set(err, "%s holds no revoked subjects of this "
		    "version: move it away, and revoke again who was", path);
		goto fail;
	}
	learn(r, f, true);
	r->changes = f->changes;
	free(f);
	return r;
fail:
	free(f);
	revocations_close(r);
	return NULL;
}

const char *
revocations_trouble(const struct revocations *r)
{
	return r->file == NULL ? r->trouble.text : NULL;
}

void
revocations_close(struct revocations *r)
{
	if (r == NULL)
		return;
	if (r->file != NULL)
		(void)munmap(r->file, sizeof(*r->file));
	if (r->fd != -1)
		(void)close(r->fd);
	strmap_free(r->index);
	free(r->known);
	free(r->path);
	free(r);
}

/* --- adding --------------------------------------------------------------- */

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

enum outcome { DONE, AGAIN, FULL };

static enum outcome
exchange(struct place *p, int64_t from, int64_t to)
{
	return __atomic_compare_exchange_n(&p->unix_ms, &from, to, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? DONE : AGAIN;
}

/* NULL: none in force. */
static struct place *
find(struct file *f, const uint8_t key[KEY_SIZE], int64_t *ret_since)
{
	for (size_t i = 0; i < used(f); i++) {
		*ret_since = since(&f->places[i]);
		if (*ret_since > 0 &&
		    memcmp(f->places[i].key, key, KEY_SIZE) == 0)
			return &f->places[i];
	}
	return NULL;
}

/* One that nobody needs, for the caller alone: never used, or for so long in
 * force that what it refuses is over. */
static enum outcome
claim(struct file *f, int64_t now, struct place **ret)
{
	uint64_t i = used(f);
	int64_t least = INT64_MAX, t;

	if (i < REVOCATIONS_MAX)
		i = __atomic_fetch_add(&f->used, 1, __ATOMIC_ACQ_REL);
	if (i < REVOCATIONS_MAX) {
		*ret = &f->places[i];
		return exchange(*ret, 0, CLAIMED);
	}
	for (i = 0; i < REVOCATIONS_MAX; i++) {
		t = since(&f->places[i]);
		if (t != CLAIMED && t < least) {
			least = t;
			*ret = &f->places[i];
		}
	}
	if (least == INT64_MAX || now - least <= REVOCATION_KEEP_MS)
		return FULL;
	return exchange(*ret, least, CLAIMED);
}

static enum outcome
put(struct file *f, const uint8_t key[KEY_SIZE], int64_t now)
{
	enum outcome what;
	int64_t before;
	struct place *p = find(f, key, &before);

	/* Never back: a clock may have been. */
	if (p != NULL)
		return exchange(p, before, MAX(before, now));
	what = claim(f, now, &p);
	if (what != DONE)
		return what;
	memcpy(p->key, key, KEY_SIZE);
	__atomic_store_n(&p->unix_ms, now, __ATOMIC_RELEASE);
	return DONE;
}

int
revocations_add(struct revocations *r, const char *tenant,
    const char *subject, int64_t now_unix_ms, struct err *err)
{
	enum outcome what = AGAIN;
	uint8_t key[KEY_SIZE];
	struct file *f;

	if (r->file == NULL) {
		*err = r->trouble;
		return -1;
	}
	/* What cannot be read must not be touched where it is mapped. */
	f = read_file(r, err);
	if (f == NULL)
		return -1;
	free(f);
	key_of(tenant != NULL ? tenant : EVERY, subject, key);
	for (int i = 0; i < TRIES && what == AGAIN; i++)
		what = put(r->file, key, now_unix_ms);
	if (what == FULL)
		return err_set(err, "%u subjects are revoked, and none of "
		    "them for longer than %d days: take the key that signed "
		    "the token out of jwt.jwks_file, and sign with another",
		    REVOCATIONS_MAX,
		    (int)(REVOCATION_KEEP_MS / (24 * 3600 * 1000)));
	if (what == AGAIN)
		return err_errno(err, EAGAIN, "other gateways revoke at the "
		    "same time: try again");
	(void)__atomic_add_fetch(&r->file->changes, 1, __ATOMIC_ACQ_REL);
	if (msync(r->file, sizeof(*r->file), MS_SYNC) == -1)
		return err_errno(err, errno, "it is revoked, but %s could not "
		    "be written to its disk: revoke again when that works, or "
		    "a restart of the machine may undo it", r->path);
	return 0;
}

/* --- judging -------------------------------------------------------------- */

/* What revoked it: by its tenant, and of every one. NULL: nothing. */
static void
find_both(const struct revocations *r, struct identity *id,
    struct known *ret[2])
{
	ret[0] = ret[1] = NULL;
	if (id->subject[0] == '\0')
		return;
	/* Also while none is revoked: the first one would have all that is
	 * open hashed at once. */
	if (!id->named) {
		key_of(id->tenant, id->subject, id->names[0]);
		key_of(EVERY, id->subject, id->names[1]);
		id->named = true;
	}
	ret[0] = look_up(r, id->names[0]);
	ret[1] = look_up(r, id->names[1]);
}

bool
revocations_has(struct revocations *r, struct identity *id)
{
	struct known *k[2];
	struct err err = { 0 };

	/* What cannot be read revocations_look() tells, five times a second. */
	(void)refresh(r, &err);
	find_both(r, id, k);
	for (size_t i = 0; i < NELEM(k); i++)
		if (k[i] != NULL && id->issued_unix_ms <= k[i]->since)
			return true;
	return false;
}

int
revocations_look(struct revocations *r, bool *ret_fresh, struct err *err)
{
	int rc = refresh(r, err);

	*ret_fresh = r->fresh > 0;
	return rc;
}

bool
revocations_ends(const struct revocations *r, struct identity *id)
{
	struct known *k[2];

	find_both(r, id, k);
	return (k[0] != NULL && k[0]->fresh) || (k[1] != NULL && k[1]->fresh);
}

void
revocations_ended(struct revocations *r)
{
	for (size_t i = 0; i < r->n_known; i++)
		r->known[i].fresh = false;
	r->fresh = 0;
}
