/*
 * load_judge: what readers were given: how many frames of each kind, whether
 * the marks of what was published came once each and in order, and how old they
 * were. Frames in, counts out.
 */
#ifndef SLUICE_LOAD_JUDGE_H
#define SLUICE_LOAD_JUDGE_H

#include "tests/bench/load/load_frames.h"
#include "tests/bench/load/load_histogram.h"
#include "tests/bench/load/load_mark.h"

#define LOAD_ID_SIZE 48

/* Of one reader. Begins as all 0. */
struct load_seen {
	uint64_t	events;
	uint64_t	snapshots;
	uint64_t	seq;
	uint32_t	last[LOAD_LANES_MAX];
	char		id[LOAD_ID_SIZE]; /* of the last frame with one */
};

/* Over all readers. Begins as all 0. */
struct load_judge {
	uint64_t	events;
	uint64_t	fresh;         /* events since load_judge_mark */
	uint64_t	snapshots;
	uint64_t	heartbeats;
	uint64_t	gaps;
	uint64_t	others;        /* frames without a mark */
	uint64_t	lost;
	uint64_t	repeated;
	uint64_t	out_of_seq;
	bool		one_stream;    /* each has: seq must not jump */
	struct load_histogram latency;
};

/* A frame for one of them, read at now_ns. */
void	load_judge_frame(struct load_judge *j, struct load_seen *seen,
	    const struct load_frame *frame, int64_t now_ns);
/* Latencies and `fresh` begin anew; a reader's marks with
 * load_judge_mark_reader: the next publisher counts from 1 again. */
void	load_judge_mark(struct load_judge *j);
void	load_judge_mark_reader(struct load_seen *seen);

#endif
