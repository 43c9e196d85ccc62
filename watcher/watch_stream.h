/*
 * watch_stream: bytes of a watch, as they arrive, into frames: one JSON text
 * per line (k8s-watch.md A 16, 17). Pure.
 *
 * Bytes are looked at once; a frame that lies whole in a chunk is not copied.
 * A line longer than WATCH_FRAME_MAX is skipped to its newline and counted;
 * the watch goes on. What stands behind the last newline is not a frame.
 */
#ifndef SLUICE_WATCH_STREAM_H
#define SLUICE_WATCH_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define WATCH_FRAME_MAX (16u * 1024 * 1024)

struct watch_stream {
	struct buf	partial;    /* begun line */
	bool		skipping;   /* it is too long */
	bool		sealed;     /* wipe what is kept; outlives reset */
	uint64_t	oversized;  /* lines skipped; outlives reset */
};

/* A frame without its newline (and CR); never empty. False: stop here. */
typedef bool (*watch_stream_cb)(struct slice frame, void *arg);

/* All zero is a good start; watch_stream_reset for the next connection. */
void	watch_stream_reset(struct watch_stream *s);
/* False when the callback said so; the rest of the chunk is dropped. */
bool	watch_stream_feed(struct watch_stream *s, const char *p, size_t n,
	    watch_stream_cb cb, void *arg);

#endif
