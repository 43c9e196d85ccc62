#include "gateway/sandbox_probe.h"

#ifdef TEST_HOOKS

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/bus.h"
#include "common/xmalloc.h"
#include "gateway/desk.h"
#include "gateway/sandbox.h"
#include "gateway/sealed_address.h"

struct probe {
	struct buf	 report;
	char		*bus;
	char		*control;
	char		*segment;    /* a file of the journal; NULL: none yet */
	const char	*journal;
	const char	*directory;
};

/* What came of a try: -1 is its errno. */
static void
note(struct probe *p, const char *name, long rc)
{
	const char *what = rc != -1 ? "done" : strerrorname_np(errno);

	buf_addf(&p->report, "%s\"%s\":\"%s\"", p->report.len > 0 ? "," : "",
	    name, what);
}

static char *
path_of(const char *directory, const char *name)
{
	return xasprintf("%s/%s", directory, name);
}

/* --- files ---------------------------------------------------------------- */

static void
try_open(struct probe *p, const char *name, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	note(p, name, fd);
	if (fd != -1)
		(void)close(fd);
}

static void
find_segment(struct probe *p)
{
	DIR *directory = opendir(p->journal);
	const struct dirent *entry;

	note(p, "journal_list", directory != NULL ? 0 : -1);
	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (p->segment == NULL &&
		    strstr(entry->d_name, ".seg") != NULL)
			p->segment = path_of(p->journal, entry->d_name);
	if (directory != NULL)
		(void)closedir(directory);
}

/* The test's file first: where that can be removed the journal stays. */
static void
try_removal(struct probe *p, const char *secret)
{
	char *broker = path_of(p->bus, BUS_BROKER);
	long rc = syscall(SYS_unlink, secret);

	note(p, "secret_unlink", rc);
	if (rc == -1 && p->segment != NULL)
		note(p, "journal_unlink", syscall(SYS_unlink, p->segment));
	if (rc == -1) {
		note(p, "broker_unlink", unlink(broker));
		note(p, "broker_unlinkat", unlinkat(AT_FDCWD, broker, 0));
	}
	free(broker);
}

static void
try_files(struct probe *p)
{
	char *secret = path_of(p->directory, "secret");
	char *made = path_of(p->journal, "made");

	try_open(p, "passwd", "/etc/passwd", O_RDONLY);
	try_open(p, "secret", secret, O_RDONLY);
	try_open(p, "maps", "/proc/self/maps", O_RDONLY);
	try_open(p, "own_memory", "/proc/self/mem", O_RDWR);
	try_open(p, "root_list", "/", O_RDONLY | O_DIRECTORY);
	try_open(p, "journal_make", made, O_WRONLY | O_CREAT);
	try_open(p, "journal_hidden", p->journal, O_RDWR | O_TMPFILE);
	if (p->segment != NULL) {
		try_open(p, "journal_read", p->segment, O_RDONLY);
		try_open(p, "journal_write", p->segment, O_RDWR);
		note(p, "journal_truncate", truncate(p->segment, 1 << 30));
		note(p, "journal_chmod", chmod(p->segment, 0644));
		note(p, "journal_rename", rename(p->segment, made));
		note(p, "journal_link", link(p->segment, made));
	}
	note(p, "mkdir", mkdir(made, 0700));
	note(p, "symlink", symlink("/etc", made));
	try_removal(p, secret);
	free(secret);
	free(made);
}

/* --- sockets -------------------------------------------------------------- */

static struct sockaddr_un
address(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	return to;
}

/* By libc's name for it, and past it. */
static void
try_connect(struct probe *p, const char *name, const char *path, bool bare)
{
	struct sockaddr_un to = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long rc = bare ? syscall(SYS_connect, fd, &to, sizeof(to)) :
	    connect(fd, (const struct sockaddr *)&to, sizeof(to));

	note(p, name, rc);
	(void)close(fd);
}

static void
try_socket(struct probe *p, const char *name, int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	note(p, name, fd);
	if (fd != -1)
		(void)close(fd);
}

static void
try_bind(struct probe *p)
{
	char *path = path_of(p->bus, "probe");
	struct sockaddr_un to = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	note(p, "unix_stream", fd);
	note(p, "bind", bind(fd, (const struct sockaddr *)&to, sizeof(to)));
	note(p, "listen", listen(fd, 1));
	(void)close(fd);
	free(path);
}

static void
try_desk(struct probe *p)
{
	struct sockaddr_un to;

	if (desk_address(p->bus, 0, &to))
		try_connect(p, "desk", to.sun_path, false);
}

/* A name with sendmsg is a pointer, which no filter looks behind: it is a
 * socket's kind that refuses it. A write is let through unseen, so what is
 * wrong with this one the call itself must say. */
static void
try_messages(struct probe *p)
{
	struct sockaddr_un to = address(p->control);
	struct msghdr named = { .msg_name = &to, .msg_namelen = sizeof(to) };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	note(p, "message_address", sendmsg(fd, &named, MSG_NOSIGNAL));
	note(p, "message_fast_open", sendmsg(fd, &named, MSG_FASTOPEN));
	note(p, "write", syscall(SYS_writev, -1, (void *)-1, INT_MAX));
	(void)close(fd);
}

static void
try_sockets(struct probe *p)
{
	const struct sockaddr_in there = { .sin_family = AF_INET,
		.sin_port = htons(9), .sin_addr.s_addr =
		htonl(INADDR_LOOPBACK) };
	char *outside = path_of(p->directory, "socket");
	char *broker = path_of(p->bus, BUS_BROKER);
	int pair[2];

	try_socket(p, "inet", AF_INET, SOCK_STREAM);
	try_socket(p, "inet6", AF_INET6, SOCK_STREAM);
	try_socket(p, "udp", AF_INET, SOCK_DGRAM);
	try_socket(p, "netlink", AF_NETLINK, SOCK_RAW);
	try_socket(p, "unix_datagram", AF_UNIX, SOCK_DGRAM);
	note(p, "socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	/* The supervisor's channel is a socket; inet is not its business, but
	 * the filter is asked first. */
	note(p, "inet_connect", syscall(SYS_connect, 3, &there,
	    sizeof(there)));
	note(p, "fast_open", sendto(-1, "x", 1, MSG_FASTOPEN, NULL, 0));
	note(p, "sendto_address", sendto(-1, "x", 1, 0,
	    (const struct sockaddr *)&there, sizeof(there)));
	try_connect(p, "outside", outside, false);
	try_connect(p, "outside_bare", outside, true);
	try_connect(p, "control_bare", p->control, true);
	try_connect(p, "broker_bare", broker, true);
	try_connect(p, "broker", broker, false);
	try_desk(p);
	try_messages(p);
	try_bind(p);
	free(outside);
	free(broker);
}

/* --- programs, processes, memory ------------------------------------------ */

static void
try_process(struct probe *p, const char *name, long pid)
{
	note(p, name, pid);
	if (pid == 0)
		_exit(0);
}

static void *
nothing(void *arg)
{
	return arg;
}

static void
try_processes(struct probe *p)
{
	char path[] = "/bin/true", *argv[] = { path, NULL };
	const struct rlimit some = { 100, 100 };
	pthread_t thread;

	note(p, "exec", execve(path, argv, argv + 1));
	note(p, "execveat", syscall(SYS_execveat, AT_FDCWD, path, argv,
	    argv + 1, 0));
	try_process(p, "fork", fork());
	try_process(p, "clone3", syscall(SYS_clone3, NULL, 0));
	errno = pthread_create(&thread, NULL, nothing, NULL);
	note(p, "thread", errno == 0 ? 0 : -1);
	note(p, "ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	note(p, "peek", syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL,
	    0, 0));
	note(p, "kill", kill(getppid(), 0));
	note(p, "kill_thread", syscall(SYS_tgkill, getppid(), getppid(), 0));
	note(p, "limit", setrlimit(RLIMIT_NOFILE, &some));
	note(p, "dumpable", prctl(PR_SET_DUMPABLE, 1));
	note(p, "memfd", memfd_create("probe", MFD_CLOEXEC));
	note(p, "io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	note(p, "bpf", syscall(SYS_bpf, 0, NULL, 0));
	note(p, "userfaultfd", syscall(SYS_userfaultfd, 0));
	note(p, "perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	note(p, "keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	note(p, "unshare", syscall(SYS_unshare, 0));
	note(p, "mount", syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
	note(p, "pidfd", syscall(SYS_pidfd_open, getppid(), 0));
}

static long
mapped(void *p)
{
	return p == MAP_FAILED ? -1 : 0;
}

static void
try_memory(struct probe *p)
{
	const int rw = PROT_READ | PROT_WRITE, mine = MAP_PRIVATE |
	    MAP_ANONYMOUS;
	void *page = (void *)SEALED_BEGIN;
	void *more, *own = mmap(NULL, 8192, rw, mine, -1, 0);

	note(p, "memory", mapped(own));
	more = mremap(own, 8192, 1 << 20, MREMAP_MAYMOVE);
	note(p, "more_memory", mapped(more));
	note(p, "code", mapped(mmap(NULL, 4096, PROT_READ | PROT_EXEC, mine,
	    -1, 0)));
	note(p, "own_code", mprotect(more, 4096, PROT_READ | PROT_EXEC));
	note(p, "seal_write", mprotect(page, 4096, rw));
	note(p, "seal_below", mprotect((char *)page - 4096, 8192, rw));
	note(p, "seal_over", mapped(mmap(page, 4096, rw, mine | MAP_FIXED, -1,
	    0)));
	note(p, "seal_moved_over", mapped(mremap(more, 4096, 4096,
	    MREMAP_MAYMOVE | MREMAP_FIXED, page)));
	note(p, "seal_move", mapped(mremap(page, 4096, 4096,
	    MREMAP_MAYMOVE)));
	note(p, "seal_drop", madvise(page, 4096, MADV_DONTNEED));
	note(p, "seal_unmap", munmap(page, 4096));
	(void)munmap(more, 1 << 20);
}

/* -------------------------------------------------------------------------- */

void
sandbox_probe(const struct conf *conf, const char *journal,
    const char *directory)
{
	struct probe p = { .report = BUF_EMPTY, .journal = journal,
		.directory = directory };

	p.bus = conf_bus_directory(conf);
	p.control = path_of(conf->runtime_directory, "control");
	find_segment(&p);
	try_files(&p);
	try_sockets(&p);
	if (!SANDBOX_SANITIZED) {
		try_processes(&p);
		try_memory(&p);
	}
	(void)fprintf(stderr, "sandbox_probe: {%s}\n", buf_cstr(&p.report));
	buf_free(&p.report);
	free(p.bus);
	free(p.control);
	free(p.segment);
}

#endif
