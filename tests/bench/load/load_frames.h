/*
 * load_frames: one HTTP answer that is a stream of server-sent events, taken
 * apart as its bytes come: head, chunks, frames. Trusts its server: for
 * benchmarks only, where reading must cost little. Pure. Process: sse_load.
 */
#ifndef LOAD_FRAMES_H
#define LOAD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define LOAD_FRAMES_READ  (256u * 1024)    /* bytes of one feed, at most */
#define LOAD_FRAMES_REST  (256u * 1024)    /* a head or frame is shorter */

enum load_chunk { CHUNK_SIZE, CHUNK_SIZE_END, CHUNK_DATA, CHUNK_END };

/* The last line of each kind; slices point into the bytes fed. */
struct load_frame {
	struct slice	event;
	struct slice	data;
	struct slice	id;
};

typedef void (*load_frame_cb)(const struct load_frame *frame, void *arg);

/* All zero at first. */
struct load_frames {
	int		 status;      /* 0 until the head is there */
	bool		 chunked;
	bool		 last;        /* the last chunk was there */
	enum load_chunk	 state;
	uint64_t	 left;        /* of this chunk */
	struct buf	 rest;        /* of a head or frame, not whole yet */
};

/* Takes in n <= LOAD_FRAMES_READ bytes; cb is called for every whole frame.
 * false: this is no answer that can be read. */
bool	load_frames_feed(struct load_frames *f, const char *p, size_t n,
	    load_frame_cb cb, void *arg);
/* Back to all zero. */
void	load_frames_clear(struct load_frames *f);

#endif
