#include "gateway/sealed_address.h"

/* Not sys/socket.h: its connect() takes a union that only libc may name. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FAMILY_UNIX 1   /* AF_UNIX, of sys/socket.h */

/* The pages; NULL before the first address. Behind the last place for one lies
 * that of the socket that may be removed. */
static struct sockaddr_un *addresses;
static size_t n_addresses;
/* Set last, and atomically: nanomsg's thread, which connects, looks at the rest
 * only when it is. */
static bool sealed;

const size_t sealed_address_length = sizeof(struct sockaddr_un);

_Static_assert((SEALED_ADDRESSES_MAX + 1) * sizeof(struct sockaddr_un) <=
    SEALED_END - SEALED_BEGIN, "they fit into these pages");

static int
map_pages(struct err *err)
{
	void *want = (void *)SEALED_BEGIN;
	void *p = mmap(want, SEALED_END - SEALED_BEGIN,
	    PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return err_errno(err, errno, "no page at %p "
		    "(vm.mmap_min_addr must be below it)", want);
	/* A kernel before 4.17 takes the flag for no more than a wish. */
	if (p != want) {
		(void)munmap(p, SEALED_END - SEALED_BEGIN);
		return err_set(err, "no page at %p", want);
	}
	addresses = p;
	return 0;
}

static int
put(size_t at, const char *path, struct err *err)
{
	struct sockaddr_un *to;

	if (strlen(path) >= sizeof(to->sun_path))
		return err_set(err, "%s is too long for a Unix socket", path);
	if (addresses == NULL && map_pages(err) == -1)
		return -1;
	to = &addresses[at];
	to->sun_family = FAMILY_UNIX;
	memcpy(to->sun_path, path, strlen(path) + 1);
	return 0;
}

int
sealed_address_add(const char *path, struct err *err)
{
	if (sealed || n_addresses == SEALED_ADDRESSES_MAX)
		return err_set(err, "no room for the address %s", path);
	if (put(n_addresses, path, err) == -1)
		return -1;
	n_addresses++;
	return 0;
}

int
sealed_address_own(const char *path, struct err *err)
{
	if (sealed)
		return err_set(err, "no room for the address %s", path);
	return put(SEALED_ADDRESSES_MAX, path, err);
}

int
sealed_address_seal(struct err *err)
{
	if (addresses == NULL)
		return err_set(err, "no address to seal");
	if (mprotect(addresses, SEALED_END - SEALED_BEGIN, PROT_READ) != 0)
		return err_errno(err, errno, "mprotect");
	__atomic_store_n(&sealed, true, __ATOMIC_RELEASE);
	return 0;
}

size_t
sealed_address_count(void)
{
	return n_addresses;
}

uint64_t
sealed_address_at(size_t i)
{
	return (uint64_t)(uintptr_t)&addresses[i];
}

uint64_t
sealed_address_own_path(void)
{
	return (uint64_t)(uintptr_t)addresses[SEALED_ADDRESSES_MAX].sun_path;
}

/* --- instead of libc's ---------------------------------------------------- */

static const struct sockaddr_un *
find(const struct sockaddr_un *to, socklen_t n)
{
	size_t path = offsetof(struct sockaddr_un, sun_path);
	size_t room = n > path ? MIN(n - path, sizeof(to->sun_path)) : 0;

	if (room == 0 || to->sun_family != FAMILY_UNIX)
		return NULL;
	for (size_t i = 0; i < n_addresses; i++)
		if (strnlen(to->sun_path, room) < room &&
		    strcmp(to->sun_path, addresses[i].sun_path) == 0)
			return &addresses[i];
	return NULL;
}

int	connect(int fd, const struct sockaddr_un *to, socklen_t n);

int
connect(int fd, const struct sockaddr_un *to, socklen_t n)
{
	if (__atomic_load_n(&sealed, __ATOMIC_ACQUIRE)) {
		to = find(to, n);
		n = (socklen_t)sealed_address_length;
	}
	if (to == NULL) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_connect, fd, to, n);
}

int
unlink(const char *name)
{
	const char *own;

	if (__atomic_load_n(&sealed, __ATOMIC_ACQUIRE)) {
		own = addresses[SEALED_ADDRESSES_MAX].sun_path;
		if (own[0] == '\0' || strcmp(name, own) != 0) {
			errno = EPERM;
			return -1;
		}
		name = own;
	}
	return (int)syscall(SYS_unlink, name);
}
