#include "tests/bench/load/load_judge.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"

#define SEQ_WITHIN 96   /* bytes of the envelope before "seq" ends */

static void
check_seq(struct load_judge *j, struct load_seen *seen, struct slice data)
{
	const char *p = memmem(data.p, MIN(data.n, SEQ_WITHIN), "\"seq\":", 6);
	uint64_t seq;

	if (p == NULL || !j->one_stream)
		return;
	seq = strtoull(p + 6, NULL, 10);
	if (seen->seq != 0 && seq != seen->seq + 1)
		j->out_of_seq++;
	seen->seq = seq;
}

static void
check_number(struct load_judge *j, struct load_seen *seen,
    const struct load_mark *m)
{
	uint32_t *last = &seen->last[m->lane];

	if (*last != 0 && m->number <= *last)
		j->repeated++;
	else if (*last != 0)
		j->lost += m->number - *last - 1;
	*last = (uint32_t)m->number;
}

static void
take_event(struct load_judge *j, struct load_seen *seen, struct slice data,
    int64_t now_ns)
{
	struct load_mark mark;

	if (!load_mark_find(data, &mark)) {
		j->others++;
		return;
	}
	if (j->one_stream)
		check_number(j, seen, &mark);
	check_seq(j, seen, data);
	load_histogram_add(&j->latency, now_ns - mark.sent_ns);
	j->events++;
	j->fresh++;
	seen->events++;
}

void
load_judge_frame(struct load_judge *j, struct load_seen *seen,
    const struct load_frame *frame, int64_t now_ns)
{
	if (frame->id.n > 0 && frame->id.n < LOAD_ID_SIZE) {
		memcpy(seen->id, frame->id.p, frame->id.n);
		seen->id[frame->id.n] = '\0';
	}
	if (frame->data.n == 0)
		return;
	if (slice_is(frame->event, "snapshot")) {
		j->snapshots++;
		seen->snapshots++;
	} else if (slice_is(frame->event, "heartbeat")) {
		j->heartbeats++;
	} else if (slice_is(frame->event, "stream.gap")) {
		j->gaps++;
	} else {
		take_event(j, seen, frame->data, now_ns);
	}
}

void
load_judge_mark(struct load_judge *j)
{
	load_histogram_reset(&j->latency);
	j->fresh = 0;
}

void
load_judge_mark_reader(struct load_seen *seen)
{
	memset(seen->last, 0, sizeof(seen->last));
}
