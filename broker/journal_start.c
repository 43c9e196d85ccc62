#include "broker/journal_start.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mono.h"

static void
log_recovered(const struct recovered *r)
{
	if (r->notes[0] != '\0')
		log_warn("journal: %s", r->notes);
	if (r->new_epoch && r->reason[0] != '\0')
		log_warn("journal: %s: new epoch %08" PRIx32 " from position %"
		    PRIu64 "; every earlier cursor gets stream.gap",
		    r->reason, r->epoch, r->next);
	else
		log_info("journal: epoch %08" PRIx32 " from position %" PRIu64
		    "%s, %zu segments, %" PRIu64 " KiB read", r->epoch,
		    r->next, r->new_epoch ? " (new)" : "", r->n_segments,
		    r->replayed >> 10);
}

static struct journal_writer *
open_writer(const struct conf *conf, struct err *err)
{
	const struct journal_writer_options options = {
		.size = conf->journal.size,
		.segment = conf->journal.segment,
		.retain_ms = conf->journal.retain_ms,
	};
	char *directory = conf_journal_directory(conf);
	struct journal_writer *w;

	w = journal_writer_new(directory, &options, err);
	free(directory);
	return w;
}

struct journal_writer *
journal_start(const struct journal_start *s, struct recovered *found,
    bool *ret_failed, struct err *ret_why, struct err *err)
{
	struct journal_writer *w = open_writer(s->conf, err);
	int64_t now = wall_unix_ms();
	char boot_id[40];

	if (w == NULL)
		return NULL;
	if (recover_boot_id(boot_id, err) < 0 ||
	    journal_recover(journal_writer_directory(w), s->core,
	    s->sequencer, s->dedup, s->first_life, boot_id, now, found,
	    err) < 0) {
		journal_writer_free(w);
		return NULL;
	}
	log_recovered(found);
	*ret_failed = journal_writer_start(w, found, boot_id, now,
	    ret_why) < 0;
	return w;
}
