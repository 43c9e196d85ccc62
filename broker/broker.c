/*
 * broker: gives every event its position, keeps it in the journal, and
 * publishes it (architecture: the way of an event). One loop, which never
 * waits for the disk, and one journal thread, which does; but for what is
 * synced in the background, which has a thread of its own.
 *
 * A request goes: REP -> dedup, sequencer (publish) -> a record in the
 * collecting intake -> journal thread -> PUB to every reader -> answer.
 */
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/announce.h"
#include "broker/fence_file.h"
#include "broker/journal_start.h"
#include "broker/requests.h"
#include "broker/state_slices.h"
#include "broker/test_room.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/role.h"
#include "common/xmalloc.h"

#define BROKER_MAGIC        0x42524f4bu
#define HEARTBEAT_MS        100
#define STATUS_MS           2000
#define SWEEP_STEPS         20000u  /* streams looked at per heartbeat */
#define EXPIRE_STEPS        20000u  /* keys dropped per heartbeat at most */
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
	struct announce		*announce;
	struct requests		*requests;
	struct event		*heartbeat;
	struct writer_info	 info;
	struct state_slices	 slices;
	bool			 memory;
	bool			 disk_failed;
	struct err		 disk_err;
	uint64_t		 fences;       /* in the file, or on the way */
	bool			 stopping;
	bool			 closing;
	struct mono		 status_at;
};

static void	flush(struct broker *b);

/* --- status -------------------------------------------------------------- */

static void
report(struct broker *b)
{
	char tip[EVENT_ID_MAX];

	b->status_at = mono_now();
	role_status(b->role, b->memory ? "memory" : "ready", "%s%s"
	    "tip %s, %zu streams, %zu steps, %zu keys, %zu segments of %"
	    PRIu64 " MiB, oldest %" PRIu64 ", recycled %" PRIu64
	    ", %zu readers",
	    b->memory ? b->disk_err.text : "", b->memory ? ": free or repair "
	    "the disk, then restart the broker; " : "",
	    position_format(announce_tip(b->announce), tip),
	    sequencer_streams(b->sequencer), sequencer_parts(b->sequencer),
	    dedup_keys(b->dedup), b->info.segments, b->info.bytes >> 20,
	    b->info.oldest, b->info.recycled, announce_readers(b->announce));
}

/* --- the disk failed ------------------------------------------------------ */

/* Everything sequenced but not written moves to a new epoch in memory, above
 * whatever was announced. */
static void
go_to_memory(struct broker *b, struct intake *failed)
{
	struct intake *collecting = requests_collecting(b->requests);
	struct position tip = announce_tip(b->announce);
	struct intake next = { 0 };
	struct publish_shift shift;
	int64_t now = wall_unix_ms();
	struct err err;

	b->disk_failed = false;
	b->memory = true;
	b->slices.saving = false;
	shift.from = (struct position){ tip.epoch, tip.number + 1 };
	shift.to.epoch = recover_epoch_number(&(struct journal_epoch){
	    .epoch = tip.epoch }, 1, now);
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
	announce_set_tip(b->announce, (struct position){ shift.to.epoch,
		shift.to.number - 1 });
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

/* A new incarnation is answered when a crash would not make it forgotten. */
static void
add_publishers(struct broker *b, struct journal_job *job)
{
	if (b->fences == dedup_fences(b->dedup))
		return;
	b->fences = dedup_fences(b->dedup);
	fence_file_encode(b->dedup, &job->publishers);
}

/* Gives what was collected to the journal thread, or answers at once what
 * needs no writing. */
static void
flush(struct broker *b)
{
	struct intake *in = requests_collecting(b->requests);
	bool last;

	if (journal_thread_busy(b->journal))
		return;
	last = b->stopping && !b->closing;
	add_publishers(b, &in->job);
	if (in->job.n_records == 0 && in->job.publishers.len == 0 &&
	    !b->slices.saving && !in->job.to_memory && !last) {
		requests_answer(b->requests, in);
		return;
	}
	state_slices_add(&b->slices, b->sequencer, b->dedup, &in->job);
	if (last && !b->slices.saving) {
		in->job.close = true;
		b->closing = true;
	}
	requests_turn(b->requests);
	journal_thread_submit(b->journal, &in->job);
}

static void
save_state(struct broker *b)
{
	if (!b->memory && !b->stopping)
		state_slices_want(&b->slices);
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
		announce_job(b->announce, job);
		requests_answer(b->requests, in);
		sequencer_set_oldest(b->sequencer, b->info.oldest);
		state_slices_done(&b->slices, job);
		if (job->state_due)
			save_state(b);
	}
	journal_job_reset(job);
	if (b->disk_failed && !b->memory)
		go_to_memory(b, NULL);
	if (closed) {
		role_exit(b->role);
		return;
	}
	requests_resume(b->requests);
	flush(b);
}

static void
broker_requests_cb(void *arg)
{
	struct broker *b = arg;

	assert(b->magic == BROKER_MAGIC);
	flush(b);
}

static void
broker_heartbeat_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct broker *b = arg;
	int64_t now_ms = wall_unix_ms();

	assert(b->magic == BROKER_MAGIC);
	sequencer_at(b->sequencer, now_ms);
	b->info.oldest = MAX(b->info.oldest,
	    journal_thread_oldest(b->journal));
	sequencer_set_oldest(b->sequencer, b->info.oldest);
	announce_heartbeat(b->announce, (struct heartbeat){
		.oldest = b->info.oldest,
		.forgotten_through =
		    sequencer_forgotten_through(b->sequencer),
		.flags = (b->memory ? HEARTBEAT_MEMORY : 0) |
		    (b->info.recycling ? HEARTBEAT_RECYCLING : 0),
	});
	(void)sequencer_sweep(b->sequencer, SWEEP_STEPS);
	dedup_expire(b->dedup, now_ms, EXPIRE_STEPS);
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

static int
open_journal(struct broker *b, struct recovered *found, struct err *err)
{
	const struct conf *conf = &b->role->conf;
	const struct journal_start start = {
		.conf = conf,
		.core = b->core,
		.sequencer = b->sequencer,
		.dedup = b->dedup,
		.first_life = b->role->incarnation == FIRST_INCARNATION,
	};
	struct journal_writer *w;

	w = journal_start(&start, found, &b->disk_failed, &b->disk_err, err);
	if (w == NULL)
		return -1;
	journal_writer_info(w, &b->info);
	b->journal = journal_thread_new(b->role->base, w, conf->journal.sync,
	    conf->journal.sync_ms, broker_done_cb, broker_trouble_cb, b, err);
	return b->journal != NULL ? 0 : -1;
}

static int
open_bus(struct broker *b, struct err *err)
{
	const struct timeval every = mono_timeval_ms(HEARTBEAT_MS);
	char *directory = conf_bus_directory(&b->role->conf);
	int rc;

	rc = requests_listen(b->requests, b->role->base, directory, err);
	free(directory);
	if (rc < 0)
		return -1;
	b->heartbeat = event_new(b->role->base, -1, EV_PERSIST,
	    broker_heartbeat_cb, b);
	if (b->heartbeat == NULL || event_add(b->heartbeat, &every) < 0)
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

/* True: it is another than it was. */
static bool
take_log_grace(struct broker *b, const struct conf *conf)
{
	bool other = false;

	for (int i = 0; i < STREAM_TYPE_MAX; i++)
		other |= sequencer_log_grace(b->sequencer, (enum stream_type)i,
		    conf_stream(conf, (enum stream_type)i)->log_grace_ms);
	return other;
}

static int
broker_start(struct role *role, struct err *err)
{
	struct broker *b = xcalloc(1, sizeof(*b));
	struct recovered found = { 0 };
	bool other_grace;

	ignore_sigxfsz();
	b->magic = BROKER_MAGIC;
	b->role = role;
	role->state = b;
	b->sequencer = sequencer_new(role->conf.journal.max_streams, seed());
	test_room_take(b->sequencer);
	(void)take_log_grace(b, &role->conf);
	b->dedup = dedup_new(role->conf.journal.idempotency_window_ms,
	    role->conf.journal.idempotency_keys, seed());
	b->core = publish_core_new(b->sequencer, b->dedup);
	b->announce = announce_new(role, err);
	if (b->announce == NULL)
		return -1;
	b->requests = requests_new(b->sequencer, b->dedup, b->core,
	    broker_requests_cb, b, err);
	if (b->requests == NULL || open_journal(b, &found, err) < 0)
		return -1;
	free(found.segments);
	/* A state file's was that of the ends replayed behind it. */
	other_grace = take_log_grace(b, &role->conf);
	b->fences = dedup_fences(b->dedup);
	announce_set_tip(b->announce, sequencer_tip(b->sequencer));
	if (b->disk_failed)
		go_to_memory(b, NULL);
	/* A new epoch's start, or a long replay, is not to be done again. */
	else if (found.new_epoch || other_grace ||
	    found.replayed > b->info.bytes / 8)
		state_slices_want(&b->slices);
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
	b->slices.saving = false;
	requests_stop(b->requests);
	flush(b);
}

/* The journal's keys wait for the next start. */
static void
reload(struct broker *b, int fd)
{
	struct conf conf = { 0 };
	struct err err;

	if (role_read_conf(fd, &conf, &err) == -1)
		fatalx("the new configuration cannot be read: %s", err.text);
	(void)close(fd);
	/* The state file tells the next start what was in force. */
	if (b != NULL && take_log_grace(b, &conf) && b->journal != NULL) {
		save_state(b);
		flush(b);
	}
	conf_free(&conf);
}

static void
broker_message(struct role *role, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	struct broker *b = role->state;
	struct msg_peer peer;

	if (type == MSG_RELOAD && fd != -1) {
		reload(b, fd);
		return;
	}
	if (fd >= 0)
		(void)close(fd);
	if (type != MSG_PEER_UP && type != MSG_PEER_DOWN) {
		log_debug("%s is not for the broker", msg_name(type));
		return;
	}
	if (msg_peer_decode(payload, n, &peer) < 0)
		fatalx("%s cannot be read: are all binaries of one build?",
		    msg_name(type));
	if (type == MSG_PEER_DOWN)
		announce_peer_down(b->announce, &peer);
	else
		announce_peer_up(b->announce, &peer);
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
	if (b->heartbeat != NULL)
		event_free(b->heartbeat);
	requests_free(b->requests);
	announce_free(b->announce);
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
