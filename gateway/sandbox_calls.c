#include "gateway/sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/sandbox.h"
#include "gateway/sealed_address.h"

#define ARGS_MAX 3u

/* With whatever arguments. */
static const int free_calls[] = {
	/* the loop */
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(timerfd_settime),
	SCMP_SYS(restart_syscall),
	/* bytes */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek),
	/* connections; a descriptor comes by recvmsg, from the supervisor */
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(shutdown), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	/* files that may be opened */
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(getdents64),
	/* memory */
	SCMP_SYS(brk),
	/* threads that are there (nanomsg's may just be beginning), and signals
	 * of our own */
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(exit), SCMP_SYS(exit_group),
	/* questions */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(getppid),
	SCMP_SYS(gettid), SCMP_SYS(getcpu), SCMP_SYS(getrusage),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo), SCMP_SYS(uname),
#if SANDBOX_SANITIZED
	SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(execve), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(wait4), SCMP_SYS(ptrace), SCMP_SYS(prctl),
	SCMP_SYS(arch_prctl), SCMP_SYS(kill), SCMP_SYS(pipe),
	SCMP_SYS(pipe2), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(getdents), SCMP_SYS(getcwd),
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(fcntl), SCMP_SYS(ioctl),
	SCMP_SYS(prlimit64), SCMP_SYS(tgkill), SCMP_SYS(set_tid_address),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(personality),
#endif
};

/* One more way in which a call is allowed. */
struct narrow_call {
	int			call;
	unsigned		n;
	struct scmp_arg_cmp	args[ARGS_MAX];
};

/* An argument is an int: the kernel does not look at the upper half either. */
#define IS(i, value) \
	{ (i), SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value) }
/* None of these bits. */
#define HAS_NOT(i, bits) { (i), SCMP_CMP_MASKED_EQ, (bits), 0 }
#define ABOVE_SEAL(i)    { (i), SCMP_CMP_GE, SEALED_END, 0 }
#define NULL_ONLY(i)     { (i), SCMP_CMP_EQ, 0, 0 }

/* O_TMPFILE is O_DIRECTORY and one bit more. */
#define O_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | \
	(O_TMPFILE & ~O_DIRECTORY))
#define SOCKET_KIND (UINT32_MAX & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK))

static const struct narrow_call narrow_calls[] = {
	{ SCMP_SYS(openat), 1, { HAS_NOT(2, O_WRITES) } },
	{ SCMP_SYS(socket), 3, { IS(0, AF_UNIX),
	    { 1, SCMP_CMP_MASKED_EQ, SOCKET_KIND, SOCK_STREAM },
	    IS(2, 0) } },
	{ SCMP_SYS(sendto), 2, { HAS_NOT(3, MSG_FASTOPEN), NULL_ONLY(4) } },
	{ SCMP_SYS(sendmsg), 1, { HAS_NOT(2, MSG_FASTOPEN) } },
	{ SCMP_SYS(mmap), 2, { HAS_NOT(2, PROT_EXEC),
	    HAS_NOT(3, MAP_FIXED) } },
	{ SCMP_SYS(mprotect), 2, { ABOVE_SEAL(0), HAS_NOT(2, PROT_EXEC) } },
	{ SCMP_SYS(munmap), 1, { ABOVE_SEAL(0) } },
	{ SCMP_SYS(madvise), 1, { ABOVE_SEAL(0) } },
	{ SCMP_SYS(mremap), 2, { ABOVE_SEAL(0), HAS_NOT(3, MREMAP_FIXED) } },
	{ SCMP_SYS(msync), 1, { IS(2, MS_SYNC) } },
	{ SCMP_SYS(fcntl), 1, { IS(1, F_GETFD) } },
	{ SCMP_SYS(fcntl), 1, { IS(1, F_SETFD) } },
	{ SCMP_SYS(fcntl), 1, { IS(1, F_GETFL) } },
	{ SCMP_SYS(fcntl), 1, { IS(1, F_SETFL) } },
	{ SCMP_SYS(fcntl), 1, { IS(1, F_DUPFD_CLOEXEC) } },
	{ SCMP_SYS(fcntl), 1, { IS(1, F_GET_SEALS) } },
	{ SCMP_SYS(ioctl), 1, { IS(1, SIOCOUTQ) } },
	{ SCMP_SYS(ioctl), 1, { IS(1, SIOCOUTQNSD) } },
	{ SCMP_SYS(ioctl), 1, { IS(1, FIONREAD) } },
	{ SCMP_SYS(prlimit64), 2, { IS(0, 0), NULL_ONLY(2) } },
};

static int
allow(scmp_filter_ctx filter, int call, unsigned n,
    const struct scmp_arg_cmp *args, struct err *err)
{
	int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, n, args);

	/* What this architecture does not have nobody can call. */
	if (rc == 0 || rc == -EDOM)
		return 0;
	return err_errno(err, -rc, "seccomp: a rule for call %d", call);
}

/* Those whose arguments are known only now. */
static int
allow_own(scmp_filter_ctx filter, struct err *err)
{
	const struct scmp_arg_cmp self = IS(0, getpid());
	const struct scmp_arg_cmp own = { 0, SCMP_CMP_EQ,
		sealed_address_own_path(), 0 };

	for (size_t i = 0; i < sealed_address_count(); i++) {
		const struct scmp_arg_cmp to[] = {
			{ 1, SCMP_CMP_EQ, sealed_address_at(i), 0 },
			IS(2, sealed_address_length),
		};

		if (allow(filter, SCMP_SYS(connect), NELEM(to), to, err) == -1)
			return -1;
	}
	if (allow(filter, SCMP_SYS(unlink), 1, &own, err) == -1)
		return -1;
	return SANDBOX_SANITIZED ? 0 :
	    allow(filter, SCMP_SYS(tgkill), 1, &self, err);
}

static bool
is_free(int call)
{
	for (size_t i = 0; i < NELEM(free_calls); i++)
		if (free_calls[i] == call)
			return true;
	return false;
}

static int
add_rules(scmp_filter_ctx filter, struct err *err)
{
	for (size_t i = 0; i < NELEM(free_calls); i++)
		if (allow(filter, free_calls[i], 0, NULL, err) == -1)
			return -1;
	for (size_t i = 0; i < NELEM(narrow_calls); i++) {
		const struct narrow_call *c = &narrow_calls[i];

		if (!is_free(c->call) && allow(filter, c->call, c->n, c->args,
		    err) == -1)
			return -1;
	}
	return allow_own(filter, err);
}

/* All threads at one stroke; and no detour around Spectre for a process that
 * runs nobody's code but its own: it makes every step of the loop slower. The
 * rest is good to have: a log of refusals, a search tree instead of a list. */
static int
set_attributes(scmp_filter_ctx filter, struct err *err)
{
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (rc != 0)
		return err_errno(err, -rc, "seccomp for all threads");
	/* The whole process: one thread less would be a hung one. */
	rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	if (rc != 0)
		return err_errno(err, -rc, "seccomp for other architectures");
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return 0;
}

int
sandbox_calls_filter(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = -1;

	if (filter == NULL)
		return err_set(err, "seccomp_init failed");
	if (set_attributes(filter, err) == 0 && add_rules(filter, err) == 0) {
		rc = seccomp_load(filter);
		if (rc != 0)
			rc = err_errno(err, -rc, "this kernel takes no filter "
			    "of system calls (seccomp)");
	}
	seccomp_release(filter);
	return rc;
}
