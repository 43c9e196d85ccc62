/*
 * What the unit tests of the broker's door share: a broker without a journal
 * that listens in a directory of its own.
 */
#ifndef SLUICE_REQUESTS_FIXTURE_H
#define SLUICE_REQUESTS_FIXTURE_H

#include "tests/unit/publish_fixture.h"

#include <ftw.h>
#include <unistd.h>

#include "broker/requests.h"
#include "common/mono.h"

#define WAIT_MS    40000
#define MANY       50000

static char directory[32];
static struct event_base *base;
static struct bench b;
static struct requests *requests;

static UNUSED int
remove_one(const char *path, const struct stat *st UNUSED, int flag UNUSED,
    struct FTW *ftw UNUSED)
{
	return remove(path);
}

static UNUSED void
ready_cb(void *arg UNUSED)
{
}

static UNUSED int
setup(void **state UNUSED)
{
	struct err err;

	(void)snprintf(directory, sizeof(directory), "/tmp/sl-XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	base = event_base_new();
	b = bench_new(MANY + 10, 100);
	requests = requests_new(b.s, b.d, b.core, ready_cb, NULL, &err);
	if (requests == NULL ||
	    requests_listen(requests, base, directory, &err) == -1)
		return -1;
	return 0;
}

static UNUSED int
teardown(void **state UNUSED)
{
	requests_free(requests);
	bench_free(&b);
	event_base_free(base);
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Runs the loop for so long. */
static UNUSED void
turn(int ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)event_base_loopexit(base, &tv);
	(void)event_base_dispatch(base);
}

#endif
