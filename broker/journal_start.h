/*
 * journal_start: the journal as the broker finds it when it starts: what is
 * known is recovered (journal_recover), the log told of it, and the writer
 * begins its life. It blocks on the disk, before the loop runs.
 */
#ifndef SLUICE_JOURNAL_START_H
#define SLUICE_JOURNAL_START_H

#include "broker/journal_writer.h"
#include "broker/publish.h"
#include "common/conf.h"

struct journal_start {
	const struct conf	*conf;
	struct publish_core	*core;
	struct sequencer	*sequencer;
	struct dedup		*dedup;
	bool			 first_life;   /* of the state directory */
};

/* The writer, now the caller's; NULL with *err. A disk that does not let itself
 * be written is no reason to be away: *ret_failed, with *ret_why, says that
 * journal_writer_memory() is what is left. found->segments is to be freed. */
struct journal_writer *journal_start(const struct journal_start *s,
	    struct recovered *found, bool *ret_failed, struct err *ret_why,
	    struct err *err) MUST_CHECK;

#endif
