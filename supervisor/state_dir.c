#include "supervisor/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mono.h"
#include "common/xmalloc.h"

/* mkdir -p, each new one 0700. */
static int
make_directory(const char *path, struct err *err)
{
	char *copy = xstrdup(path), *slash = copy;
	int rc = 0;

	while (rc == 0 && slash != NULL) {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST)
			rc = err_errno(err, errno, "%s: cannot be made (as "
			    "uid %u)", copy, geteuid());
		if (slash != NULL)
			*slash = '/';
	}
	free(copy);
	return rc;
}

static int
use_directory(const char *path, const char *key, struct err *err)
{
	struct stat st;

	if (make_directory(path, err) != 0)
		goto remedy;
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		(void)err_set(err, "%s: is not a directory", path);
		goto remedy;
	}
	if (access(path, R_OK | W_OK | X_OK) != 0) {
		(void)err_errno(err, errno, "%s: cannot be written (as uid "
		    "%u)", path, geteuid());
		goto remedy;
	}
	return 0;
remedy:
	return err_prefix(err, "%s: make it writable for this user "
	    "(install -d -m 700 -o USER DIR), or write another one in "
	    "sluice.yaml", key);
}

static void
read_holder(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	buf[strspn(buf, "0123456789")] = '\0';
}

/* The lock file at `path`, held until the fd is closed. */
static int
take_lock(const char *path, const char *key, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char holder[32];

	if (fd == -1)
		return err_errno(err, errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		read_holder(fd, holder, sizeof(holder));
		(void)err_set(err, "another sluiced (pid %s) runs on %.*s: "
		    "stop it, or give this one another %s",
		    holder[0] != '\0' ? holder : "unknown",
		    (int)(strrchr(path, '/') - path), path, key);
	} else if (ftruncate(fd, 0) != 0 ||
	    dprintf(fd, "%d\n", (int)getpid()) < 0) {
		(void)err_errno(err, errno, "%s", path);
	} else {
		*ret_fd = fd;
		return 0;
	}
	(void)close(fd);
	return -1;
}

/* Of both directories: one supervisor's sockets are not another's to remove.
 * Two names, since both directories may be one. */
static int
take_locks(struct state_dir *s, const struct conf *conf, struct err *err)
{
	char *state = xasprintf("%s/lock", s->directory);
	char *runtime = xasprintf("%s/control.lock", conf->runtime_directory);
	int rc = take_lock(state, "state_directory", &s->lock_fd, err);

	if (rc == 0)
		rc = take_lock(runtime, "runtime_directory",
		    &s->runtime_lock_fd, err);
	free(state);
	free(runtime);
	return rc;
}

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

/* The socket of a SUB, or a gateway's desk, of this child: "gateway-0.17.sub",
 * "gateway-0.desk". */
static bool
is_left_by(const char *name, const char *title)
{
	size_t n = strlen(title);

	for (size_t i = 0; i < n; i++)
		if (name[i] != (title[i] == '/' ? '-' : title[i]))
			return false;
	if (name[n++] != '.')
		return false;
	return strcmp(name + n, "desk") == 0 ||
	    strcmp(name + n + strspn(name + n, "0123456789"), ".sub") == 0;
}

/* Only sockets with the names the bus gives them; `title` NULL: of all. */
static int
clean_bus(const char *path, const char *title, struct err *err)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir = opendir(path);

	if (dir == NULL)
		return err_errno(err, errno, "%s", path);
	while ((entry = readdir(dir)) != NULL) {
		if (title != NULL ? !is_left_by(entry->d_name, title) :
		    !ends_with(entry->d_name, ".sub") &&
		    !ends_with(entry->d_name, ".rep") &&
		    !ends_with(entry->d_name, ".desk"))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	(void)closedir(dir);
	return 0;
}

static int
open_bus(const struct conf *conf, struct err *err)
{
	char *path = conf_bus_directory(conf);
	int rc = use_directory(path, "runtime_directory", err);

	/* An older one may be wider: no other user may speak on the bus. */
	if (rc == 0 && chmod(path, 0700) != 0)
		rc = err_errno(err, errno, "%s: chmod 700", path);
	if (rc == 0)
		rc = clean_bus(path, NULL, err);
	free(path);
	return rc;
}

/* --- incarnations -------------------------------------------------------- */

static int
write_reserved(struct state_dir *s, uint64_t through, struct err *err)
{
	char *path = xasprintf("%s/incarnation", s->directory);
	char *temporary = xasprintf("%s.new", path);
	int fd, dir = -1, rc = -1;

	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1) {
		(void)err_errno(err, errno, "%s", temporary);
		goto out;
	}
	if (dprintf(fd, "%" PRIu64 "\n", through) < 0 || fsync(fd) != 0 ||
	    rename(temporary, path) != 0) {
		(void)err_errno(err, errno, "%s", temporary);
		goto out;
	}
	dir = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1 || fsync(dir) != 0) {
		(void)err_errno(err, errno, "%s", s->directory);
		goto out;
	}
	s->reserved = through;
	rc = 0;
out:
	if (fd != -1)
		(void)close(fd);
	if (dir != -1)
		(void)close(dir);
	free(temporary);
	free(path);
	return rc;
}

/* The highest number ever reserved, or false when the file does not tell. */
static bool
read_reserved(const struct state_dir *s, uint64_t *ret)
{
	char *path = xasprintf("%s/incarnation", s->directory), text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t v = 0;
	ssize_t n;

	free(path);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n < 2 || text[n - 1] != '\n')
		return false;
	for (ssize_t i = 0; i < n - 1; i++)
		if (text[i] < '0' || text[i] > '9' || CKD_MUL(&v, v, 10u) ||
		    CKD_ADD(&v, v, (uint64_t)(text[i] - '0')))
			return false;
	*ret = v;
	return true;
}

/* A lost counter goes on from the clock: above any number of starts that can
 * have been. A new installation begins at 1. */
static uint64_t
first_number(const struct conf *conf)
{
	char *journal = conf_journal_directory(conf);
	bool fresh = access(journal, F_OK) != 0;

	free(journal);
	return fresh ? 1 : (uint64_t)(wall_unix_ms() / 1000);
}

int
state_dir_incarnation(struct state_dir *s, uint64_t *ret, struct err *err)
{
	if (s->next > s->reserved &&
	    write_reserved(s, s->next + STATE_DIR_BLOCK - 1, err) != 0)
		return -1;
	*ret = s->next++;
	return 0;
}

int
state_dir_open(struct state_dir *s, const struct conf *conf, struct err *err)
{
	uint64_t reserved = 0;

	*s = (struct state_dir){ .lock_fd = -1, .runtime_lock_fd = -1,
		.directory = xstrdup(conf->state_directory) };
	if (use_directory(conf->state_directory, "state_directory", err) != 0 ||
	    use_directory(conf->runtime_directory, "runtime_directory",
	    err) != 0 || take_locks(s, conf, err) != 0 ||
	    open_bus(conf, err) != 0)
		goto fail;
	s->next = read_reserved(s, &reserved) ? reserved + 1
					      : first_number(conf);
	s->reserved = s->next - 1;
	return 0;
fail:
	state_dir_close(s);
	return -1;
}

int
state_dir_clean_bus(const struct conf *conf, const char *title,
    struct err *err)
{
	char *path = conf_bus_directory(conf);
	int rc = clean_bus(path, title, err);

	free(path);
	return rc;
}

void
state_dir_close(struct state_dir *s)
{
	if (s->lock_fd != -1)
		(void)close(s->lock_fd);
	if (s->runtime_lock_fd != -1)
		(void)close(s->runtime_lock_fd);
	s->lock_fd = s->runtime_lock_fd = -1;
	free(s->directory);
	s->directory = NULL;
}
