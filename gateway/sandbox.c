#include "gateway/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/bus.h"
#include "common/watch_figures.h"
#include "common/xmalloc.h"
#include "gateway/desk.h"
#include "gateway/landlock.h"
#include "gateway/sandbox_calls.h"
#include "gateway/sealed_address.h"

#define READ (LANDLOCK_READ_FILE | LANDLOCK_READ_DIR)

/* --- files ---------------------------------------------------------------- */

/* What libraries read when they are first used: libc the zone of time,
 * OpenSSL its configuration. */
static void
read_ahead(void)
{
	tzset();
	(void)OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
	bus_read_limits();
}

static int
allow_figures(int rules, const struct conf *conf, struct err *err)
{
	char *path = watch_figures_directory(conf);
	int rc;

	/* As a watcher makes it, whoever comes first. */
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		rc = err_errno(err, errno, "%s", path);
	else
		rc = landlock_allow(rules, path, READ, err);
	free(path);
	return rc;
}

/* The directory that a file is in; it ends before the last slash. */
static int
allow_beside(int rules, const char *file, struct err *err)
{
	char *directory = xstrdup(file);
	char *slash = strrchr(directory, '/');
	int rc;

	if (slash != NULL)
		slash[slash == directory ? 1 : 0] = '\0';
	rc = landlock_allow(rules, slash != NULL ? directory : ".",
	    LANDLOCK_READ_FILE, err);
	free(directory);
	return rc;
}

static int
allow_keys(int rules, const struct conf *conf, struct err *err)
{
	char target[PATH_MAX];
	const char *file = conf->jwt.jwks_file;

	if (conf->auth != CONF_AUTH_JWT)
		return 0;
	if (allow_beside(rules, file, err) == -1)
		return -1;
	if (realpath(file, target) == NULL)
		return err_errno(err, errno, "%s", file);
	return allow_beside(rules, target, err);
}

static int
allow_all(int rules, const struct conf *conf, const char *journal,
    struct err *err)
{
	char *bus = conf_bus_directory(conf);
	int rc = 0;

	if (landlock_allow(rules, journal, READ, err) == -1 ||
	    landlock_allow(rules, bus, LANDLOCK_MAKE_SOCK |
	    LANDLOCK_REMOVE_FILE, err) == -1 ||
	    allow_figures(rules, conf, err) == -1 ||
	    allow_keys(rules, conf, err) == -1)
		rc = -1;
	free(bus);
	return rc;
}

/* A directory in /proc/self/task is a thread. */
static bool
has_threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) == 0 && st.st_nlink > 3;
}

int
sandbox_files(const struct conf *conf, const char *journal, int *ret_version,
    struct err *err)
{
	int version = SANDBOX_SANITIZED ? 0 : landlock_version();
	int rules, rc;

	read_ahead();
	*ret_version = version;
	if (version == 0)
		return 0;
	if (has_threads())
		return err_set(err, "a thread runs already, which files would "
		    "stay open to");
	rules = landlock_new(version, err);
	if (rules == -1)
		return -1;
	rc = allow_all(rules, conf, journal, err);
	if (rc == 0)
		rc = landlock_enforce(rules, err);
	(void)close(rules);
	return rc;
}

/* --- system calls --------------------------------------------------------- */

static int
seal_addresses(const struct conf *conf, const char *own, struct err *err)
{
	static const char *const leaves[] = { BUS_BROKER, BUS_STORE };
	char *bus = conf_bus_directory(conf);
	struct sockaddr_un desk;
	const char *slash = strchr(own, '/');   /* behind "ipc:" */
	int rc;

	if (slash == NULL || strncmp(slash, "//", 2) != 0) {
		free(bus);
		return err_set(err, "%s is no address of the bus", own);
	}
	rc = sealed_address_own(slash + 2, err);

	for (size_t i = 0; i < NELEM(leaves) && rc == 0; i++) {
		char *path = xasprintf("%s/%s", bus, leaves[i]);

		rc = sealed_address_add(path, err);
		free(path);
	}
	for (unsigned int i = 0; i < CONF_GATEWAYS_MAX && rc == 0; i++)
		if (desk_address(bus, i, &desk))
			rc = sealed_address_add(desk.sun_path, err);
	free(bus);
	return rc == 0 ? sealed_address_seal(err) : -1;
}

int
sandbox_calls(const struct conf *conf, const char *own, struct err *err)
{
	if (seal_addresses(conf, own, err) == -1 ||
	    sandbox_calls_filter(err) == -1)
		return -1;
	return 0;
}
