#include "tests/bench/load/load_mark.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/mono.h"

#define LANE_AT   1u
#define NUMBER_AT 4u
#define SENT_AT   15u

static void
digits_write(char *to, size_t n, uint64_t v)
{
	while (n-- > 0) {
		to[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

static uint64_t
digits_read(const char *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v * 10 + (uint64_t)(*p++ - '0');
	return v;
}

void
load_mark_write(char *to, const struct load_mark *m)
{
	to[0] = '#';
	digits_write(to + LANE_AT, 2, m->lane);
	to[NUMBER_AT - 1] = ':';
	digits_write(to + NUMBER_AT, 10, m->number);
	to[SENT_AT - 1] = '@';
	digits_write(to + SENT_AT, 19, (uint64_t)m->sent_ns);
}

bool
load_mark_find(struct slice data, struct load_mark *ret)
{
	const char *p = data.n > 0 ? memrchr(data.p, '#', data.n) : NULL;

	if (p == NULL || data.n - (size_t)(p - data.p) < LOAD_MARK_SIZE ||
	    p[NUMBER_AT - 1] != ':' || p[SENT_AT - 1] != '@')
		return false;
	ret->lane = (uint32_t)digits_read(p + LANE_AT, 2);
	ret->number = digits_read(p + NUMBER_AT, 10);
	ret->sent_ns = (int64_t)digits_read(p + SENT_AT, 19);
	return ret->lane < LOAD_LANES_MAX;
}

struct load_shared *
load_shared_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *page = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(struct load_shared)) == 0)
		page = mmap(NULL, sizeof(struct load_shared),
		    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		(void)close(fd);
	return page == MAP_FAILED ? NULL : page;
}

void
load_shared_unmap(struct load_shared *s)
{
	if (s != NULL)
		(void)munmap(s, sizeof(*s));
}

int64_t
load_now_ns(void)
{
	return mono_now().ns;
}
