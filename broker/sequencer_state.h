/*
 * sequencer_state: a sequencer as state files keep it, and back. Pure: bytes
 * are appended to a buf or taken from an rd; the file is state_file's.
 *
 * Entries are written from *cursor (0 at first) on, at most `max` a call;
 * returned is how many, 0 at the end. Between calls streams may change: an
 * entry is written as it is then, and a replay from the position at the begin
 * repairs the rest. A load reads one entry, -1 if it is none.
 *
 * The trail, {u64 position, n numbers}, from *position on and not after
 * `through`, is written before the streams: what leaves it meanwhile is in
 * their entries. A number that another stream has by then makes that one's
 * `gone` too high: a gap too many.
 */
#ifndef SLUICE_SEQUENCER_STATE_H
#define SLUICE_SEQUENCER_STATE_H

#include "broker/sequencer.h"
#include "common/buf.h"

size_t	sequencer_state_save_trail(const struct sequencer *s,
	    uint64_t *position, uint64_t through, size_t max, struct buf *b);
size_t	sequencer_state_save(const struct sequencer *s, size_t *cursor,
	    size_t max, struct buf *b);
/* Of the logs' lines, after the streams. */
size_t	sequencer_state_save_logs(const struct sequencer *s, uint32_t *cursor,
	    size_t max, struct buf *b);
/* log_grace of each type, from *type (0 at first) on: what the replay's ends
 * came to pass under. */
size_t	sequencer_state_save_grace(const struct sequencer *s, uint32_t *type,
	    struct buf *b);

/* First; then what was saved, in its order; then load_end. */
void	sequencer_state_load_begin(struct sequencer *s);
int	sequencer_state_load_trail(struct sequencer *s, size_t n,
	    struct rd *r);
int	sequencer_state_load(struct sequencer *s, struct rd *r);
int	sequencer_state_load_log(struct sequencer *s, struct rd *r);
int	sequencer_state_load_grace(struct sequencer *s, struct rd *r);
/* Not complete: all of the trail is given up. */
void	sequencer_state_load_end(struct sequencer *s, bool complete);

#endif
