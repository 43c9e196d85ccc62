#include "gateway/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ASK_VERSION     1u   /* LANDLOCK_CREATE_RULESET_VERSION */
#define RULE_BENEATH    1    /* LANDLOCK_RULE_PATH_BENEATH */

/* What a kernel of a version knows: all bits below. */
#define FS_1            ((UINT64_C(1) << 13) - 1)
#define FS_2_REFER      (UINT64_C(1) << 13)
#define FS_3_TRUNCATE   (UINT64_C(1) << 14)
#define FS_5_IOCTL_DEV  (UINT64_C(1) << 15)
#define NET_4_TCP       UINT64_C(3)   /* bind, connect */
#define SCOPE_6         UINT64_C(3)   /* abstract Unix sockets, signals */

/* As the kernel has it since version 6. An older one takes it as long as what
 * it does not know is 0. */
struct rule_set {
	uint64_t	fs;
	uint64_t	net;
	uint64_t	scoped;
};

struct beneath {
	uint64_t	rights;
	int32_t		directory;
} __attribute__((packed));

int
landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    ASK_VERSION);

	return version > 0 ? (int)version : 0;
}

int
landlock_new(int version, struct err *err)
{
	struct rule_set all = { .fs = FS_1 };
	int rules;

	if (version >= 2)
		all.fs |= FS_2_REFER;
	if (version >= 3)
		all.fs |= FS_3_TRUNCATE;
	if (version >= 4)
		all.net = NET_4_TCP;
	if (version >= 5)
		all.fs |= FS_5_IOCTL_DEV;
	if (version >= 6)
		all.scoped = SCOPE_6;
	rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all),
	    0u);
	if (rules == -1)
		return err_errno(err, errno, "landlock");
	return rules;
}

int
landlock_allow(int rules, const char *directory, uint64_t rights,
    struct err *err)
{
	struct beneath rule = { .rights = rights };
	int rc = 0;

	rule.directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.directory == -1)
		return err_errno(err, errno, "%s", directory);
	if (syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &rule, 0u) !=
	    0)
		rc = err_errno(err, errno, "landlock: %s", directory);
	(void)close(rule.directory);
	return rc;
}

int
landlock_enforce(int rules, struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(err, errno, "no_new_privs");
	if (syscall(SYS_landlock_restrict_self, rules, 0u) != 0)
		return err_errno(err, errno, "landlock");
	return 0;
}
