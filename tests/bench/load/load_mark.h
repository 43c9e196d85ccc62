/*
 * load_mark: what stands at the end of every published payload, and what
 * publisher and readers share. Process: sse_load, both kinds.
 *
 * The mark is "#LL:NNNNNNNNNN@TTTTTTTTTTTTTTTTTTT": the lane (one connection of
 * the publisher), how many-th event of this lane and stream it is, from 1, and
 * when its request was sent, in ns of CLOCK_MONOTONIC. The order of one lane in
 * one stream is the order of sending; that of two lanes is the server's.
 */
#ifndef LOAD_MARK_H
#define LOAD_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define LOAD_MARK_SIZE   34u
#define LOAD_LANES_MAX   32u

struct load_mark {
	uint32_t	lane;
	uint64_t	number;
	int64_t		sent_ns;
};

/* A page that both map: how many events the readers have. */
struct load_shared {
	_Atomic uint64_t delivered;
};

/* Writes LOAD_MARK_SIZE bytes. */
void	load_mark_write(char *to, const struct load_mark *m);
/* Finds the last mark in a payload; false if there is none. */
bool	load_mark_find(struct slice data, struct load_mark *ret);

/* Maps a file of the caller's, making it if need be; NULL with errno. */
struct load_shared *load_shared_map(const char *path);
void	load_shared_unmap(struct load_shared *s);

int64_t	load_now_ns(void);

#endif
