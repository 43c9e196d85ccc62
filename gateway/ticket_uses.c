#include "gateway/ticket_uses.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/xmalloc.h"
#include "gateway/ticket.h"

#define ROWS   8192u
#define PLACES 8u

/* Shared between processes: a place is written time first, and read at one
 * stroke each; who races loses a use. */
struct place {
	uint64_t	tag;       /* 0: free */
	int64_t		unix_ms;
};

struct ticket_uses {
	struct place	*places;
};

#define BYTES (ROWS * PLACES * sizeof(struct place))

struct ticket_uses *
ticket_uses_open(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int code = fd == -1 ? errno : posix_fallocate(fd, 0, (off_t)BYTES);
	struct ticket_uses *u = NULL;
	void *p = MAP_FAILED;

	if (code == 0) {
		p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
		code = errno;
	}
	if (p == MAP_FAILED) {
		(void)err_errno(err, code, "%s, where the uses of tickets are "
		    "kept, needs %zu KiB: make room in its directory, and let "
		    "the service's user write there", path, BYTES / 1024);
	} else {
		u = xcalloc(1, sizeof(*u));
		u->places = p;
	}
	if (fd != -1)
		(void)close(fd);
	return u;
}

void
ticket_uses_close(struct ticket_uses *u)
{
	if (u == NULL)
		return;
	(void)munmap(u->places, BYTES);
	free(u);
}

static struct place *
row_of(const struct ticket_uses *u, uint64_t tag)
{
	return &u->places[(tag >> 1) % ROWS * PLACES];
}

bool
ticket_uses_knows(const struct ticket_uses *u, uint64_t tag)
{
	const struct place *row = row_of(u, tag);

	for (size_t i = 0; i < PLACES; i++)
		if (__atomic_load_n(&row[i].tag, __ATOMIC_ACQUIRE) == tag)
			return true;
	return false;
}

/* For how long this use may still let its ticket in; 0: no more, or it is of a
 * time to come; -1: the place is free. */
static int64_t
worth(const struct place *p, int64_t now)
{
	int64_t age = now - __atomic_load_n(&p->unix_ms, __ATOMIC_RELAXED);

	if (__atomic_load_n(&p->tag, __ATOMIC_RELAXED) == 0)
		return -1;
	if (age < -TICKET_SKEW_MS || age > TICKET_AGAIN_MS)
		return 0;
	return TICKET_AGAIN_MS - age + 1;
}

void
ticket_uses_add(struct ticket_uses *u, uint64_t tag, int64_t now_unix_ms)
{
	struct place *row = row_of(u, tag), *victim = row;

	if (ticket_uses_knows(u, tag))
		return;
	for (size_t i = 1; i < PLACES; i++)
		if (worth(&row[i], now_unix_ms) < worth(victim, now_unix_ms))
			victim = &row[i];
	__atomic_store_n(&victim->unix_ms, now_unix_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&victim->tag, tag, __ATOMIC_RELEASE);
}
