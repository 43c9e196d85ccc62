/*
 * What the tests of streams of frames share: one callback that writes each
 * frame and a bar behind it into the buf given as arg, and one that ends the
 * stream at the first. Include it after cmocka.h.
 */
#ifndef SLUICE_FRAMES_FIXTURE_H
#define SLUICE_FRAMES_FIXTURE_H

#include <stdbool.h>

#include "common/buf.h"

static bool
frames_collect_cb(struct slice frame, void *arg)
{
	struct buf *out = arg;

	buf_add(out, frame.p, frame.n);
	buf_addc(out, '|');
	return true;
}

static bool
frames_refuse_cb(struct slice frame, void *arg)
{
	(void)frame;
	(void)arg;
	return false;
}

#endif
