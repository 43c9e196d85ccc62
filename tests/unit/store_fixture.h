/*
 * What the store's unit tests share: a directory of their own, and events.
 */
#ifndef SLUICE_STORE_FIXTURE_H
#define SLUICE_STORE_FIXTURE_H

#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/event.h"

#define FIXTURE_EPOCH 0xabcdef01u

static char fixture_directory[32];
static char fixture_path_text[128];

static int
fixture_remove_one(const char *path, const struct stat *st UNUSED,
    int flag UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

static UNUSED int
fixture_setup(void **state UNUSED)
{
	(void)snprintf(fixture_directory, sizeof(fixture_directory), "%s",
	    "/tmp/sl-XXXXXX");
	return mkdtemp(fixture_directory) != NULL ? 0 : -1;
}

static UNUSED int
fixture_teardown(void **state UNUSED)
{
	return nftw(fixture_directory, fixture_remove_one, 8,
	    FTW_DEPTH | FTW_PHYS);
}

static UNUSED const char *
fixture_path(const char *leaf)
{
	(void)snprintf(fixture_path_text, sizeof(fixture_path_text), "%s/%s",
	    fixture_directory, leaf);
	return fixture_path_text;
}

/* An event with `data` as its frame's data; freed by fixture_item_free. */
static UNUSED struct item
fixture_item(uint64_t position, const char *key, const char *event_type,
    const char *subject, const char *data, uint8_t flags)
{
	struct item item = { 0 };
	char *frame;
	int n;

	n = asprintf(&frame, "\"stream_key\":\"%s\",\"data\":%s}", key, data);
	assert_true(n > 0);
	item.tenant = slice_str("-");
	item.key = slice_str(key);
	item.event_type = slice_str(event_type);
	item.subject = slice_str(subject);
	item.frame = (struct slice){ frame, (size_t)n };
	item.data_off = (uint32_t)((size_t)n - strlen(data) - 1);
	item.seq = position;
	item.flags = flags;
	item.position = (struct position){ FIXTURE_EPOCH, position };
	return item;
}

static UNUSED void
fixture_item_free(struct item *item)
{
	free((void *)(uintptr_t)item->frame.p);
}

#endif
