#include "broker/state_slices.h"

#include "common/log.h"

void
state_slices_want(struct state_slices *s)
{
	if (s->saving || mono_before(mono_now(), s->not_before))
		return;
	s->saving = true;
	s->begun = false;
}

void
state_slices_add(struct state_slices *s, struct sequencer *sequencer,
    struct dedup *dedup, struct journal_job *job)
{
	if (!s->saving)
		return;
	if (!s->begun) {
		state_saver_begin(&s->saver, sequencer, dedup);
		job->state_begin = true;
		s->begun = true;
	}
	job->state_position = s->saver.position.number;
	job->state_finish = state_saver_next(&s->saver, &job->state);
	if (job->state_finish)
		s->saving = false;
}

void
state_slices_done(struct state_slices *s, const struct journal_job *job)
{
	if (job->state_rc == 0)
		return;
	log_warn("%s, retrying in %d s", job->state_err.text,
	    STATE_SLICES_RETRY_MS / 1000);
	s->saving = false;
	s->not_before = mono_add_ms(mono_now(), STATE_SLICES_RETRY_MS);
}
