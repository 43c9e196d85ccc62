#include "gateway/ticket_uses.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/xmalloc.h"

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
	struct ticket_uses *u = NULL;
	void *p = MAP_FAILED;

	if (fd != -1 && ftruncate(fd, (off_t)BYTES) == 0)
		p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	if (p == MAP_FAILED) {
		(void)err_errno(err, errno, "%s", path);
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

void
ticket_uses_add(struct ticket_uses *u, uint64_t tag, int64_t now_unix_ms)
{
	struct place *row = row_of(u, tag), *oldest = row;

	if (ticket_uses_knows(u, tag))
		return;
	for (size_t i = 1; i < PLACES; i++)
		if (__atomic_load_n(&row[i].unix_ms, __ATOMIC_RELAXED) <
		    __atomic_load_n(&oldest->unix_ms, __ATOMIC_RELAXED))
			oldest = &row[i];
	__atomic_store_n(&oldest->unix_ms, now_unix_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&oldest->tag, tag, __ATOMIC_RELEASE);
}
