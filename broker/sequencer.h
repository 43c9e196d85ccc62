/*
 * sequencer: gives every event its position and its ordinal in its stream,
 * and knows per stream {last seq, last position}, how many lines its log has
 * (log_lines.h), and of each of its state machines {position of the last
 * lifecycle event, state byte, attempt, hash of its body} (machine_table.h).
 * Pure: no clock, no file, no socket.
 *
 * A group is judged first (guards, ends, max_streams) and then appended whole,
 * or not at all. Guards of a group are compared with what stood before the
 * group: its publisher could not know positions given inside it. Of the state
 * byte only LIFECYCLE_LOGS_OPEN is looked at: a stream that has ended without
 * takes nothing more but what its own machine's guard lets through; one that
 * has ended with it takes also what is of no machine, until the last line of
 * its log, and for log_grace at most (contract 4): from the wall time of the
 * record of its end, so that a broker that was started again judges alike. A
 * log that is over stays so, as gateways tell their clients: log_grace is that
 * of when the stream ended, or a smaller one set since, and a clock that is
 * set back opens nothing.
 *
 * A stream is forgotten when it has ended (or its object is deleted) and its
 * last event has left the journal; the highest last position of any forgotten
 * stream is kept (contract 4, `evicted`). Of one that is known, `gone` is the
 * last position that has left the journal, exactly: a trail of 4 bytes for
 * each event that is kept (trail.h) tells whose they were. Two exceptions,
 * both on the side of a gap too many: of a journal of more than TRAIL_MAX
 * events, what the trail has no room for counts as gone when anything newer
 * is; and a stream that is new begins with the last position forgotten, since
 * it may be the one that was.
 */
#ifndef SLUICE_SEQUENCER_H
#define SLUICE_SEQUENCER_H

#include "common/event.h"
#include "common/record.h"

struct sequencer;

struct sequencer *sequencer_new(uint32_t max_streams, uint64_t hash_seed);
void	sequencer_free(struct sequencer *s);
/* How many parts all streams may have together; at first, and at most,
 * MACHINE_ALL_PARTS_MAX. Those that are there go on in any case. */
void	sequencer_limit_parts(struct sequencer *s, uint32_t max_parts);

/* log_grace_ms of this stream type; at first, and at most, STREAM_GRACE_MAX.
 * A greater one is for streams that end from here on. True: it was another. */
bool	sequencer_log_grace(struct sequencer *s, enum stream_type type,
	    int64_t grace_ms);
/* The wall time of what is judged, appended or replayed from here on; also
 * before anybody is told that it is so late. */
void	sequencer_at(struct sequencer *s, int64_t now_unix_ms);

/* One that began before; what is replayed tells of its own by itself. */
void	sequencer_knew_epoch(struct sequencer *s, uint32_t epoch,
	    uint64_t first);
/* Positions from here on are (epoch, next), (epoch, next + 1) ... */
void	sequencer_begin_epoch(struct sequencer *s, uint32_t epoch,
	    uint64_t next);
/* The last position given; its number is next - 1 in an empty epoch. */
struct position	sequencer_tip(const struct sequencer *s);

/* 0 = the group may be appended; -1 = not, *ret says why (all but group). */
int	sequencer_judge(struct sequencer *s, const struct item *items,
	    size_t n, struct record_exception *ret);
/* Appends one item of a judged group: sets its seq and position. */
void	sequencer_append(struct sequencer *s, struct item *item);
/* An item that was appended in an earlier life (its seq and position set);
 * what is known already changes nothing, so replay may overlap. */
void	sequencer_replay(struct sequencer *s, const struct item *item);

/* What is before `oldest` has left the journal. Whose it was is settled, then
 * streams that ended and lie wholly before it are forgotten, by sweeps of
 * `steps` entries each; true while the sweep is not complete. */
void	sequencer_set_oldest(struct sequencer *s, uint64_t oldest);
uint64_t sequencer_oldest(const struct sequencer *s);
bool	sequencer_sweep(struct sequencer *s, size_t steps);
/* The first part alone: after it `gone` is right for that `oldest`. */
bool	sequencer_settle(struct sequencer *s, size_t steps);
uint64_t sequencer_forgotten_through(const struct sequencer *s);
void	sequencer_set_forgotten_through(struct sequencer *s, uint64_t number);
size_t	sequencer_streams(const struct sequencer *s);
size_t	sequencer_parts(const struct sequencer *s);

/* What is known of a stream; false if it is unknown. */
struct sequencer_stream {
	uint64_t	seq;
	struct position	last;      /* the epoch by epoch_list.h */
	uint64_t	gone;      /* the last that has left the journal */
	struct position	lifecycle;
	uint8_t		state;
	bool		ended;     /* its last lifecycle event is terminal */
	bool		log_open;  /* but something may follow it, */
	int64_t		until_ms;  /* until then, by the wall clock */
};
bool	sequencer_find(const struct sequencer *s, struct slice tenant,
	    struct slice key, struct sequencer_stream *ret);

/* The next stream whose log is open, of at most `steps` entries from *cursor (0
 * at first) on, which then stands behind it. False: there is none in these;
 * *more: the table goes on behind them. */
bool	sequencer_next_open(const struct sequencer *s, uint32_t *cursor,
	    size_t *steps, struct slice *ret_tenant, struct slice *ret_key,
	    struct sequencer_stream *ret, bool *ret_more);

/* Looks at up to `steps` entries from *cursor (0 at first) on: *last and *gone
 * are raised to those of each stream of this tenant whose key begins with one
 * of these prefixes. Returns false at the end of the table. Of a stream that
 * comes or goes between calls it may see either. */
bool	sequencer_scan(const struct sequencer *s, size_t *cursor,
	    size_t steps, struct slice tenant, const struct slice *prefixes,
	    size_t n, uint64_t *last, uint64_t *gone);

#endif
