/*
 * broker: gives every event its position, keeps it in the journal, and
 * publishes it (architecture: the way of an event). One loop, which never
 * waits for the disk, and one journal thread, which does.
 *
 * A request goes: REP -> dedup, sequencer (publish) -> a record in the
 * collecting intake -> journal thread -> PUB to every reader -> answer.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/intake.h"
#include "broker/peers.h"
#include "broker/state_file.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/role.h"
#include "common/xmalloc.h"

#define BROKER_MAGIC        0x42524f4bu
#define HEARTBEAT_MS        100
#define STATUS_MS           2000
#define RECEIVE_TURN        256u    /* requests per turn of the loop */
#define SWEEP_STEPS         20000u  /* streams looked at per heartbeat */
#define EXPIRE_STEPS        20000u  /* keys dropped per heartbeat at most */
#define STATE_RETRY_MS      10000
#define FIRST_INCARNATION   1u      /* of anything in a state directory: the
				     * supervisor starts the broker first */
#define BUSY_MS             100     /* the journal thread's blocking counts */

struct broker {
	uint32_t		 magic;
	struct role		*role;
	struct sequencer	*sequencer;
	struct dedup		*dedup;
	struct publish_core	*core;
	struct journal_thread	*journal;
	struct peers		*peers;
	int			 rep;
	struct event		*rep_event;
	bool			 rep_paused;
	struct event		*heartbeat;
	struct intake		 intakes[2];
	unsigned int		 collecting;   /* the other is under way */
	struct position		 announced;
	struct writer_info	 info;
	struct state_saver	 saver;
	bool			 saving;
	bool			 save_begun;
	struct mono		 save_after;
	bool			 memory;
	bool			 disk_failed;
	struct err		 disk_err;
	struct job_segment	 segments[JOB_SEGMENTS_MAX];
	size_t			 n_segments;
	bool			 stopping;
	bool			 closing;
	struct mono		 status_at;
};

static void	flush(struct broker *b);

/* --- announcing ---------------------------------------------------------- */

static void
send_heartbeat(struct broker *b)
{
	const struct heartbeat hb = {
		.tip = b->announced,
		.oldest = b->info.oldest,
		.forgotten_through =
		    sequencer_forgotten_through(b->sequencer),
		.time_unix_ms = wall_unix_ms(),
	};
	struct buf bytes = BUF_EMPTY;

	heartbeat_encode(&bytes, &hb);
	peers_send(b->peers, bytes.data, bytes.len);
	buf_free(&bytes);
}

static void
send_segment(struct broker *b, const struct job_segment *s)
{
	struct buf bytes = BUF_EMPTY;

	msg_segment_encode(&bytes, s->first);
	role_send(b->role, MSG_SEGMENT, bytes.data, bytes.len, s->fd);
	buf_free(&bytes);
}

/* Readers learn of memory segments before they hear of what is in them. */
static void
take_segments(struct broker *b, struct journal_job *job)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->n_segments; i++) {
		bool gone = i + 1 < b->n_segments &&
		    b->segments[i + 1].first <= job->info.oldest;

		if (gone || b->n_segments - i + job->n_segments >
		    JOB_SEGMENTS_MAX)
			(void)close(b->segments[i].fd);
		else
			b->segments[kept++] = b->segments[i];
	}
	b->n_segments = kept;
	for (size_t i = 0; i < job->n_segments; i++) {
		b->segments[b->n_segments++] = job->segments[i];
		send_segment(b, &job->segments[i]);
	}
	job->n_segments = 0;
}

static void
publish_job(struct broker *b, const struct journal_job *job)
{
	for (size_t i = 0; i < job->n_records; i++) {
		const struct writer_record *r = &job->records[i];

		peers_send(b->peers, job->bytes.data + r->offset, r->length);
		b->announced.number = r->last;
	}
}

static void
report(struct broker *b)
{
	char tip[EVENT_ID_MAX];

	b->status_at = mono_now();
	role_status(b->role, b->memory ? "memory" : "ready", "%s%s"
	    "tip %s, %zu streams, %zu keys, %zu segments of %" PRIu64 " MiB, "
	    "oldest %" PRIu64 ", recycled %" PRIu64 ", %zu readers",
	    b->memory ? b->disk_err.text : "", b->memory ? "; " : "",
	    position_format(b->announced, tip),
	    sequencer_streams(b->sequencer), dedup_keys(b->dedup),
	    b->info.segments, b->info.bytes >> 20, b->info.oldest,
	    b->info.recycled, peers_count(b->peers));
}

/* --- the disk failed ------------------------------------------------------ */

/* Everything sequenced but not written moves to a new epoch in memory, above
 * whatever was announced. */
static void
go_to_memory(struct broker *b, struct intake *failed)
{
	struct intake *collecting = &b->intakes[b->collecting];
	struct intake next = { 0 };
	struct publish_shift shift;
	int64_t now = wall_unix_ms();
	struct err err;

	b->disk_failed = false;
	b->memory = true;
	b->saving = false;
	shift.from = (struct position){ b->announced.epoch,
		b->announced.number + 1 };
	shift.to.epoch = recover_epoch_number(&(struct journal_epoch){
	    .epoch = b->announced.epoch }, 1, now);
	shift.to.number = MAX(recover_floor(now), 2 + MAX(b->info.reserved,
	    sequencer_tip(b->sequencer).number));
	log_error("%s: going on in memory, in the new epoch %08" PRIx32
	    " from position %" PRIu64 ": free or repair the disk, then "
	    "restart the broker", b->disk_err.text, shift.to.epoch,
	    shift.to.number);
	sequencer_begin_epoch(b->sequencer, shift.to.epoch, shift.to.number);
	if ((failed != NULL && intake_restamp(&next, failed, b->core, &shift,
	    &err) < 0) || intake_restamp(&next, collecting, b->core, &shift,
	    &err) < 0)
		fatalx("restamp: %s", err.text);
	next.job.to_memory = true;
	next.job.memory_epoch = shift.to.epoch;
	next.job.memory_first = shift.to.number;
	intake_clear(collecting);
	*collecting = next;
	b->announced = (struct position){ shift.to.epoch,
		shift.to.number - 1 };
	report(b);
}

static void
broker_trouble_cb(const struct err *err, void *arg)
{
	struct broker *b = arg;

	assert(b->magic == BROKER_MAGIC);
	if (b->memory)
		return;
	b->disk_failed = true;
	b->disk_err = *err;
	if (!journal_thread_busy(b->journal)) {
		go_to_memory(b, NULL);
		flush(b);
	}
}

/* --- jobs ---------------------------------------------------------------- */

/* The next slice of the state file goes with the job: everything it knows is
 * in this job's records or before them. */
static void
add_state(struct broker *b, struct journal_job *job)
{
	if (!b->saving)
		return;
	if (!b->save_begun) {
		state_saver_begin(&b->saver, b->sequencer, b->dedup);
		job->state_begin = true;
		b->save_begun = true;
	}
	job->state_position = b->saver.position.number;
	job->state_finish = state_saver_next(&b->saver, &job->state);
	if (job->state_finish)
		b->saving = false;
}

/* Gives what was collected to the journal thread, or answers at once what
 * needs no writing. */
static void
flush(struct broker *b)
{
	struct intake *in = &b->intakes[b->collecting];
	bool last;

	if (journal_thread_busy(b->journal))
		return;
	last = b->stopping && !b->closing;
	if (in->job.n_records == 0 && !b->saving && !in->job.to_memory &&
	    !last) {
		intake_answer(in, b->rep);
		return;
	}
	add_state(b, &in->job);
	if (last && !b->saving) {
		in->job.close = true;
		b->closing = true;
	}
	b->collecting ^= 1;
	journal_thread_submit(b->journal, &in->job);
}

static void
after_state(struct broker *b, const struct journal_job *job)
{
	if (job->state_rc < 0) {
		log_warn("%s, retrying in %d s", job->state_err.text,
		    STATE_RETRY_MS / 1000);
		b->saving = false;
		b->save_after = mono_add_ms(mono_now(), STATE_RETRY_MS);
	}
	if (job->state_due && !b->saving && !b->memory && !b->stopping &&
	    !mono_before(mono_now(), b->save_after)) {
		b->saving = true;
		b->save_begun = false;
	}
}

static void
resume_reading(struct broker *b)
{
	if (!b->rep_paused || b->stopping ||
	    intake_is_full(&b->intakes[b->collecting]))
		return;
	b->rep_paused = false;
	(void)event_add(b->rep_event, NULL);
}

static void
broker_done_cb(struct journal_job *job, void *arg)
{
	struct broker *b = arg;
	struct intake *in = CONTAINER_OF(job, struct intake, job);
	bool closed = job->close;

	assert(b->magic == BROKER_MAGIC);
	if (job->rc < 0) {
		if (b->memory)
			fatalx("no journal, neither on disk nor in memory: %s",
			    job->err.text);
		b->disk_err = job->err;
		go_to_memory(b, in);
	} else {
		if (job->info.recycled != b->info.recycled)
			log_warn("disk full: the oldest segment was used "
			    "again, history now begins at %" PRIu64,
			    job->info.oldest);
		b->info = job->info;
		take_segments(b, job);
		publish_job(b, job);
		intake_answer(in, b->rep);
		sequencer_set_oldest(b->sequencer, b->info.oldest);
		after_state(b, job);
	}
	journal_job_reset(job);
	if (b->disk_failed && !b->memory)
		go_to_memory(b, NULL);
	if (closed) {
		role_exit(b->role);
		return;
	}
	resume_reading(b);
	flush(b);
}

/* --- requests ------------------------------------------------------------ */

static void
reply_now(struct broker *b, struct bus_message *m, enum publish_status status,
    uint64_t batch, const struct dedup_answer *a)
{
	struct buf bytes = BUF_EMPTY;

	publish_answer_encode(&bytes, status, batch, a->first, a->count,
	    a->exceptions, a->list);
	(void)bus_reply(b->rep, m, bytes.data, bytes.len, NULL);
	buf_free(&bytes);
}

static bool
waits_already(struct broker *b, struct bus_message *m,
    const struct publish_request *q)
{
	return intake_replace(&b->intakes[0], m, q) ||
	    intake_replace(&b->intakes[1], m, q);
}

static void
take_register(struct broker *b, struct bus_message *m,
    const struct publish_request *q)
{
	const struct publish_outcome o = {
		.first = sequencer_tip(b->sequencer) };
	const struct dedup_answer none = { 0 };

	if (dedup_register(b->dedup, q->publisher, q->incarnation) ==
	    DEDUP_FENCED) {
		reply_now(b, m, PUBLISH_FENCED, q->batch, &none);
		return;
	}
	/* Answered behind what is under way: its tip includes that. */
	if (!waits_already(b, m, q))
		intake_add(&b->intakes[b->collecting], m, q, &o);
}

static void
take_events(struct broker *b, struct bus_message *m,
    const struct publish_request *q)
{
	struct dedup_answer a = { 0 };
	struct publish_outcome o;

	switch (dedup_batch(b->dedup, q->publisher, q->incarnation, q->batch,
	    &a)) {
	case DEDUP_FENCED:
		reply_now(b, m, PUBLISH_FENCED, q->batch, &a);
		return;
	case DEDUP_OLD:
		bus_message_free(m);
		return;
	case DEDUP_REPEAT:
		if (!waits_already(b, m, q))
			reply_now(b, m, PUBLISH_OK, q->batch, &a);
		return;
	case DEDUP_NEW:
		/* Of one that waits, but was refused whole, dedup knows
		 * nothing. */
		if (waits_already(b, m, q))
			return;
		break;
	}
	if (publish_batch(b->core, q, wall_unix_ms(), &o) < 0) {
		log_error("batch %" PRIu64 " of %.*s is malformed", q->batch,
		    (int)q->publisher.n, q->publisher.p);
		reply_now(b, m, PUBLISH_MALFORMED, q->batch, &a);
		return;
	}
	intake_add(&b->intakes[b->collecting], m, q, &o);
}

static void
take_request(struct broker *b, struct bus_message *m)
{
	const struct dedup_answer none = { 0 };
	struct publish_request q = { 0 };

	if (publish_request_decode(m->bytes, m->n, &q) < 0) {
		log_error("request of %zu bytes is malformed", m->n);
		reply_now(b, m, PUBLISH_MALFORMED, q.batch, &none);
	} else if (q.op == PUBLISH_OP_REGISTER) {
		take_register(b, m, &q);
	} else {
		take_events(b, m, &q);
	}
}

static void
broker_request_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct broker *b = arg;
	struct bus_message m;

	assert(b->magic == BROKER_MAGIC);
	for (unsigned int i = 0; i < RECEIVE_TURN; i++) {
		if (intake_is_full(&b->intakes[b->collecting])) {
			b->rep_paused = true;
			(void)event_del(b->rep_event);
			break;
		}
		if (bus_receive(b->rep, &m, NULL) != 1)
			break;
		take_request(b, &m);
	}
	flush(b);
}

static void
broker_heartbeat_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct broker *b = arg;

	assert(b->magic == BROKER_MAGIC);
	send_heartbeat(b);
	(void)sequencer_sweep(b->sequencer, SWEEP_STEPS);
	dedup_expire(b->dedup, wall_unix_ms(), EXPIRE_STEPS);
	if (mono_diff_ms(mono_now(), b->status_at) >= STATUS_MS)
		report(b);
}

/* --- start --------------------------------------------------------------- */

static uint64_t
seed(void)
{
	uint64_t v;

	if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
		fatal("getrandom");
	return v;
}

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

/* Recovers and starts the writer. A disk that does not let itself be written
 * is no reason to be away: memory then. */
static int
open_journal(struct broker *b, struct recovered *found, struct err *err)
{
	const struct conf *conf = &b->role->conf;
	const struct journal_writer_options options = {
		.size = conf->journal.size,
		.segment = conf->journal.segment,
		.retain_ms = conf->journal.retain_ms,
	};
	char *directory = conf_journal_directory(conf);
	struct journal_writer *w;
	int64_t now = wall_unix_ms();
	char boot_id[40];
	int rc = -1;

	w = journal_writer_new(directory, &options, err);
	free(directory);
	if (w == NULL)
		return -1;
	if (recover_boot_id(boot_id, err) == 0 &&
	    journal_recover(journal_writer_directory(w), b->core,
	    b->sequencer, b->dedup, b->role->incarnation == FIRST_INCARNATION,
	    boot_id, now, found, err) == 0) {
		log_recovered(found);
		if (journal_writer_start(w, found, boot_id, now,
		    &b->disk_err) < 0)
			b->disk_failed = true;
		rc = 0;
	}
	if (rc == 0) {
		journal_writer_info(w, &b->info);
		b->journal = journal_thread_new(b->role->base, w,
		    conf->journal.sync, conf->journal.sync_ms, broker_done_cb,
		    broker_trouble_cb, b, err);
		rc = b->journal != NULL ? 0 : -1;
	} else {
		journal_writer_free(w);
	}
	return rc;
}

static int
open_bus(struct broker *b, struct err *err)
{
	const struct timeval every = mono_timeval_ms(HEARTBEAT_MS);
	char *directory = conf_bus_directory(&b->role->conf);
	char address[BUS_PATH_MAX + 8];
	int rc = -1;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		(void)err_errno(err, errno, "bus directory %s", directory);
	else if (bus_address(address, sizeof(address), directory,
	    "broker.rep", err) == 0)
		rc = bus_bind(b->rep, address, err);
	free(directory);
	if (rc < 0)
		return -1;
	b->rep_event = bus_event(b->role->base, b->rep, broker_request_cb, b);
	b->heartbeat = event_new(b->role->base, -1, EV_PERSIST,
	    broker_heartbeat_cb, b);
	if (b->rep_event == NULL || b->heartbeat == NULL ||
	    event_add(b->rep_event, NULL) < 0 ||
	    event_add(b->heartbeat, &every) < 0)
		return err_set(err, "broker: event");
	return 0;
}

/* A file size limit must be an error of the write, not a signal. */
static void
ignore_sigxfsz(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGXFSZ, &sa, NULL);
}

static int
broker_start(struct role *role, struct err *err)
{
	struct broker *b = xcalloc(1, sizeof(*b));
	struct recovered found = { 0 };

	ignore_sigxfsz();
	b->magic = BROKER_MAGIC;
	b->role = role;
	b->rep = -1;
	role->state = b;
	b->sequencer = sequencer_new(role->conf.journal.max_streams, seed());
	b->dedup = dedup_new(role->conf.journal.idempotency_window_ms,
	    role->conf.journal.idempotency_keys, seed());
	b->core = publish_core_new(b->sequencer, b->dedup);
	b->peers = peers_new(err);
	b->rep = bus_open(BUS_REP, err);
	if (b->peers == NULL || b->rep < 0 ||
	    open_journal(b, &found, err) < 0)
		return -1;
	free(found.segments);
	b->announced = sequencer_tip(b->sequencer);
	b->save_after = mono_now();
	if (b->disk_failed)
		go_to_memory(b, NULL);
	/* A new epoch's start, or a long replay, is not to be done again. */
	else if (found.new_epoch || found.replayed > b->info.bytes / 8)
		b->saving = true;
	sequencer_set_oldest(b->sequencer, b->info.oldest);
	if (open_bus(b, err) < 0)
		return -1;
	report(b);
	role_ready(role);
	flush(b);
	return 0;
}

/* --- control ------------------------------------------------------------- */

static void
broker_stop(struct role *role)
{
	struct broker *b = role->state;

	/* Still at the start: nothing was promised to anybody. */
	if (b == NULL || b->journal == NULL || b->stopping) {
		if (b == NULL || b->journal == NULL)
			role_exit(role);
		return;
	}
	b->stopping = true;
	b->saving = false;
	if (!b->rep_paused)
		(void)event_del(b->rep_event);
	flush(b);
}

static void
broker_message(struct role *role, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	struct broker *b = role->state;
	struct msg_peer peer;
	struct err err;

	if (fd >= 0)
		(void)close(fd);
	if (type != MSG_PEER_UP && type != MSG_PEER_DOWN) {
		log_debug("%s is not for the broker", msg_name(type));
		return;
	}
	if (msg_peer_decode(payload, n, &peer) < 0)
		fatalx("%s cannot be read: are all binaries of one build?",
		    msg_name(type));
	if (type == MSG_PEER_DOWN) {
		peers_down(b->peers, &peer);
		return;
	}
	if (peers_up(b->peers, &peer, &err) < 0)
		log_error("reader %s/%s: %s", peer.role, peer.instance,
		    err.text);
	/* It may have come after memory segments were announced. */
	for (size_t i = 0; i < b->n_segments; i++)
		send_segment(b, &b->segments[i]);
}

static const char *
broker_busy(struct role *role)
{
	struct broker *b = role->state;

	return b != NULL && b->journal != NULL &&
	    journal_thread_blocked_ms(b->journal) >= BUSY_MS ? "journal" : "";
}

static void
broker_finish(struct role *role)
{
	struct broker *b = role->state;

	if (b == NULL)
		return;
	assert(b->magic == BROKER_MAGIC);
	journal_thread_free(b->journal);
	if (b->rep_event != NULL)
		event_free(b->rep_event);
	if (b->heartbeat != NULL)
		event_free(b->heartbeat);
	intake_clear(&b->intakes[0]);
	intake_clear(&b->intakes[1]);
	for (size_t i = 0; i < b->n_segments; i++)
		(void)close(b->segments[i].fd);
	bus_close(b->rep);
	peers_free(b->peers);
	publish_core_free(b->core);
	sequencer_free(b->sequencer);
	dedup_free(b->dedup);
	b->magic = 0;
	free(b);
	role->state = NULL;
}

int
main(int argc, char **argv)
{
	static const struct role_ops ops = {
		.start = broker_start,
		.stop = broker_stop,
		.message = broker_message,
		.busy = broker_busy,
		.finish = broker_finish,
	};

	return role_main("broker", argc, argv, &ops);
}
