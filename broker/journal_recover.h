/*
 * journal_recover: what the broker does with the journal directory at its
 * start, before the journal thread exists: newest complete state file, replay
 * of what follows, cut of a half record at the end, and the decision whether
 * the epoch goes on (architecture: Epoch).
 */
#ifndef SLUICE_JOURNAL_RECOVER_H
#define SLUICE_JOURNAL_RECOVER_H

#include "broker/publish.h"
#include "common/journal_file.h"

#define RECOVER_BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

struct recover_segment {
	uint64_t	first;
	uint64_t	end;        /* last position in it; first - 1: empty */
	uint64_t	bytes;      /* of the file */
	uint64_t	offset;     /* behind the last record */
	int64_t		created_unix_ms;
	uint32_t	epoch;
	bool		damaged;    /* what follows `offset` cannot be read */
	bool		empty;      /* nothing stands behind its header */
};

struct recovered {
	struct journal_epoch	history[JOURNAL_FILE_EPOCHS_MAX];
	size_t			n_history;
	struct recover_segment	*segments;     /* ascending; free() */
	size_t			n_segments;
	uint64_t		state;         /* of the newest complete file */
	uint64_t		replayed;      /* bytes read after it */
	uint32_t		epoch;         /* to go on with */
	uint64_t		next;
	bool			new_epoch;
	char			reason[ERR_TEXT_MAX]; /* why, if not fresh */
	char			notes[ERR_TEXT_MAX];  /* half record cut, ... */
};

/* Fills sequencer and dedup. `first_life`: no broker ever ran here, so that an
 * empty directory is a new journal, not a lost one. -1 with *err only when the
 * directory itself cannot be used; damage is an answer (a new epoch), not an
 * error. */
int	journal_recover(int directory, struct publish_core *core,
	    struct sequencer *s, struct dedup *d, bool first_life,
	    const char *boot_id, int64_t now_unix_ms, struct recovered *ret,
	    struct err *err);

/* Cuts damaged segments, so that readers go on with what follows. Only when
 * the new epoch is on disk: until then the damage is what tells a start that
 * history was lost. */
void	recover_cut(int directory, const struct recovered *r);

/* This boot's id; -1 with *err. */
int	recover_boot_id(char ret[40], struct err *err);
/* A number for a new epoch that no line of the history has. */
uint32_t recover_epoch_number(const struct journal_epoch *history, size_t n,
	    int64_t now_unix_ms);
/* A position above any that can have been announced although no history
 * tells: 4096 per millisecond since 1970. */
uint64_t recover_floor(int64_t now_unix_ms);

#endif
