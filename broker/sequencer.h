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
 * has ended with it takes also what is of no machine.
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
	uint64_t	last;
	uint64_t	gone;      /* the last that has left the journal */
	struct position	lifecycle;
	uint8_t		state;
	bool		ended;     /* its last lifecycle event is terminal */
};
bool	sequencer_find(const struct sequencer *s, struct slice tenant,
	    struct slice key, struct sequencer_stream *ret);

/* Looks at up to `steps` entries from *cursor (0 at first) on: *last and *gone
 * are raised to those of each stream of this tenant whose key begins with one
 * of these prefixes. Returns false at the end of the table. Of a stream that
 * comes or goes between calls it may see either. */
bool	sequencer_scan(const struct sequencer *s, size_t *cursor,
	    size_t steps, struct slice tenant, const struct slice *prefixes,
	    size_t n, uint64_t *last, uint64_t *gone);

/* State files: entries from *cursor (0 at first) on, at most `max`, appended
 * to b; returns how many, 0 at the end. Between calls streams may change: an
 * entry is written as it is then, and a replay from the position at the begin
 * repairs the rest. load reads one entry.
 *
 * The trail, {u64 position, n numbers}, from *position on and not after
 * `through`, is written before the streams: what leaves it meanwhile is in
 * their entries. A number that another stream has by then makes that one's
 * `gone` too high: a gap too many. load_end: false gives all of it up. */
size_t	sequencer_save_trail(const struct sequencer *s, uint64_t *position,
	    uint64_t through, size_t max, struct buf *b);
size_t	sequencer_save(const struct sequencer *s, size_t *cursor, size_t max,
	    struct buf *b);
/* Of the logs' lines, after the streams. */
size_t	sequencer_save_logs(const struct sequencer *s, uint32_t *cursor,
	    size_t max, struct buf *b);
void	sequencer_load_begin(struct sequencer *s);
int	sequencer_load_trail(struct sequencer *s, size_t n, struct rd *r);
int	sequencer_load(struct sequencer *s, struct rd *r);
int	sequencer_load_log(struct sequencer *s, struct rd *r);
void	sequencer_load_end(struct sequencer *s, bool complete);

#endif
