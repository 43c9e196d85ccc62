#include "gateway/jwks_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/text.h"
#include "common/xmalloc.h"

#define JWKS_FILE_MAGIC 0x4a574b46u   /* "JWKF" */

struct jwks_file {
	uint32_t	 magic;
	char		*path;
	struct jwks	*keys;
	struct stat	 seen;      /* when they were read */
	uint64_t	 changes;
	char		*trouble;   /* with what stands there now; or NULL */
	struct event	*look;
};

/* --- reading -------------------------------------------------------------- */

static int
read_all(int fd, struct buf *ret, struct err *err)
{
	char piece[16384];
	ssize_t n = 1;
	int rc = 0;

	while (ret->len <= JWKS_BYTES_MAX && n != 0) {
		n = read(fd, piece, sizeof(piece));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			rc = err_errno(err, errno, "cannot be read");
			break;
		}
		buf_add_sealed(ret, piece, (size_t)n);
	}
	explicit_bzero(piece, sizeof(piece));
	return rc;
}

static bool
is_young(const struct stat *st)
{
	int64_t written = (int64_t)st->st_mtim.tv_sec * 1000 +
	    st->st_mtim.tv_nsec / 1000000;
	int64_t age = wall_unix_ms() - written;

	return age >= 0 && age < JWKS_SETTLE_MS;
}

static struct jwks *
read_keys(int fd, const struct stat *st, struct err *err)
{
	struct buf text = BUF_EMPTY;
	struct jwks *keys = NULL;

	if (read_all(fd, &text, err) == 0)
		keys = jwks_read((struct slice){ (const char *)text.data,
		    text.len }, err);
	buf_wipe(&text);
	if (keys == NULL && err->code == EBADMSG)
		err->code = is_young(st) ? EAGAIN : 0;
	if (keys != NULL && keys->secret && (st->st_mode & S_IROTH) != 0) {
		(void)err_set(err, "holds a secret and every user may read "
		    "it: chmod 0640 or 0600");
		jwks_free(keys);
		return NULL;
	}
	return keys;
}

static struct jwks *
read_file(const char *path, struct stat *ret, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct jwks *keys = NULL;

	if (fd == -1 && errno == EACCES)
		(void)err_set(err, "cannot be opened: by its mode or those of "
		    "its directories, or it is a link to outside the "
		    "directory where it was at the start (gateway.sandbox in "
		    "sluice.yaml(5)), which takes a restart");
	else if (fd == -1)
		(void)err_errno(err, errno, "cannot be opened");
	else if (fstat(fd, ret) != 0 || !S_ISREG(ret->st_mode))
		(void)err_set(err, "is no file; write the path of a JSON Web "
		    "Key Set");
	else if ((ret->st_mode & S_IWOTH) != 0)
		(void)err_set(err, "every user may write it, and with it who "
		    "is let in: chmod 0640 or 0600");
	else
		keys = read_keys(fd, ret, err);
	if (fd != -1)
		(void)close(fd);
	if (keys == NULL)
		(void)err_prefix(err, "%s", path);
	return keys;
}

/* --- looking -------------------------------------------------------------- */

static void
note_trouble(struct jwks_file *f, const char *trouble)
{
	if (text_same(trouble, f->trouble))
		return;
	if (trouble != NULL)
		log_error("jwt.jwks_file: %s: the %zu keys from before stay "
		    "in force", trouble, f->keys->n);
	free(f->trouble);
	f->trouble = trouble != NULL ? xstrdup(trouble) : NULL;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && a->st_mode == b->st_mode &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void
jwks_file_reload(struct jwks_file *f)
{
	struct err err = { 0 };
	struct jwks *keys;
	struct stat st;

	keys = read_file(f->path, &st, &err);
	note_trouble(f, keys != NULL ? NULL : err.text);
	if (keys == NULL)
		return;
	if (keys->n == 0)
		log_warn("jwt.jwks_file: %s: no key is in force any more: "
		    "every token is refused", f->path);
	else
		log_info("jwt.jwks_file: %zu keys, %zu of other kinds left "
		    "out", keys->n, keys->others);
	jwks_free(f->keys);
	f->keys = keys;
	f->seen = st;
	f->changes++;
}

static void
jwks_file_look_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct jwks_file *f = arg;
	struct stat st;

	assert(f->magic == JWKS_FILE_MAGIC);
	if (f->trouble != NULL || stat(f->path, &st) != 0 ||
	    !is_same(&st, &f->seen))
		jwks_file_reload(f);
}

/* --- life ----------------------------------------------------------------- */

struct jwks_file *
jwks_file_open(struct event_base *base, const char *path, struct err *err)
{
	const struct timeval every = mono_timeval_ms(JWKS_LOOK_MS);
	struct jwks_file *f = xcalloc(1, sizeof(*f));

	f->magic = JWKS_FILE_MAGIC;
	f->path = xstrdup(path);
	f->keys = read_file(path, &f->seen, err);
	if (f->keys != NULL && f->keys->n == 0)
		(void)err_set(err, "%s: has no key", path);
	if (f->keys == NULL || f->keys->n == 0) {
		jwks_file_close(f);
		return NULL;
	}
	f->look = event_new(base, -1, EV_PERSIST, jwks_file_look_cb, f);
	if (f->look == NULL || event_add(f->look, &every) != 0)
		fatalx("event_new failed");
	return f;
}

void
jwks_file_close(struct jwks_file *f)
{
	if (f == NULL)
		return;
	if (f->look != NULL)
		event_free(f->look);
	jwks_free(f->keys);
	free(f->trouble);
	free(f->path);
	f->magic = 0;
	free(f);
}

const struct jwks *
jwks_file_keys(const struct jwks_file *f)
{
	return f->keys;
}

uint64_t
jwks_file_changes(const struct jwks_file *f)
{
	return f->changes;
}
