#include "store/store_notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "store/run_rows.h"

void
store_notices_writer(struct store_notices *n, const char *trouble)
{
	if (n->in_trouble == (trouble[0] != '\0'))
		return;
	n->in_trouble = trouble[0] != '\0';
	if (n->in_trouble)
		log_error("%s; events wait in the journal, trying again",
		    trouble);
	else
		log_info("the projection is written again");
}

void
store_notices_reader(struct store_notices *n, const char *text,
    struct mono now)
{
	if (strcmp(n->reader, text) == 0 && mono_before(now, n->reader_until))
		return;
	(void)snprintf(n->reader, sizeof(n->reader), "%s", text);
	n->reader_until = mono_add_ms(now, STORE_NOTICES_MS);
	log_error("%s", text);
}

static void
runs_pushed_out(struct store_notices *n, const struct run_loss *loss)
{
	if (loss->count == n->pushed_out)
		return;
	log_warn("run.progress of %" PRIu64 " more runs is not derived any"
	    " more, since of a tenant at most %u runs are followed; the last:"
	    " %s; end runs that are over", loss->count - n->pushed_out,
	    RUN_ROWS_MAX, loss->last);
	n->pushed_out = loss->count;
}

static void
runs_uncounted(struct store_notices *n, const struct run_loss *loss)
{
	if (loss->count == n->uncounted)
		return;
	log_warn("%" PRIu64 " more changes of jobs are not counted in their"
	    " run's progress, since of a run at most %u jobs are; the last:"
	    " %s", loss->count - n->uncounted, RUN_ROWS_JOBS_MAX, loss->last);
	n->uncounted = loss->count;
}

static void
runs_gone(struct store_notices *n, uint64_t gone)
{
	if (gone == n->gone)
		return;
	log_warn("run.progress of %" PRIu64 " runs is not derived any more:"
	    " events of theirs may be lost", gone - n->gone);
	n->gone = gone;
}

void
store_notices_runs(struct store_notices *n, const struct run_losses *losses,
    struct mono now)
{
	if (mono_before(now, n->next_runs) ||
	    (losses->pushed_out.count == n->pushed_out &&
	    losses->uncounted.count == n->uncounted &&
	    losses->gone == n->gone))
		return;
	n->next_runs = mono_add_ms(now, STORE_NOTICES_MS);
	runs_pushed_out(n, &losses->pushed_out);
	runs_uncounted(n, &losses->uncounted);
	runs_gone(n, losses->gone);
}

/* Refused is not tried again: somebody has to look at the document. */
static void
mongo_refused(struct store_notices *n, const struct mongo_status *st,
    struct mono now)
{
	if (st->refused == n->mongo_refused ||
	    mono_before(now, n->next_refused))
		return;
	n->next_refused = mono_add_ms(now, STORE_NOTICES_MS);
	log_warn("mongodb refused writes (%" PRIu64 " more), the last: %s;"
	    " each is tried again only when what it says changes",
	    st->refused - n->mongo_refused, st->refusal);
	n->mongo_refused = st->refused;
}

/* Of workflows nobody will see a status of. */
static void
mongo_unfollowed(struct store_notices *n, const struct mongo_status *st,
    struct mono now)
{
	if (st->unfollowed == n->mongo_unfollowed ||
	    mono_before(now, n->next_unfollowed))
		return;
	n->next_unfollowed = mono_add_ms(now, STORE_NOTICES_MS);
	n->mongo_unfollowed = st->unfollowed;
	if (st->unfollowed > 0)
		log_warn("mongodb: %" PRIu64 " workflows cannot be followed "
		    "and are left out; one is %s", st->unfollowed,
		    st->left_out);
	else
		log_info("mongodb: no workflow is left out any more");
}

void
store_notices_mongo(struct store_notices *n, const struct mongo_status *st,
    struct mono now)
{
	mongo_refused(n, st, now);
	mongo_unfollowed(n, st, now);
	if (!n->mongo_down && st->trouble[0] != '\0') {
		n->mongo_down = true;
		log_warn("%s; statuses wait in SQLite, trying again",
		    st->trouble);
	} else if (n->mongo_down && st->connected) {
		n->mongo_down = false;
		log_info("mongodb answers again");
	}
}
