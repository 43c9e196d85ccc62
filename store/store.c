/*
 * store: a projection of the journal in SQLite, the workflows, the questions
 * of the other processes, and MongoDB where configured.
 *
 * This file is the process: its start, its one loop, its end. The loop takes
 * records from the subscriber to the writer thread (record_feed), questions
 * from the REP socket (serve) to the reader thread (db_reader), and tells the
 * supervisor what happened. It never waits for a disk or for MongoDB.
 *
 * READY: the projection stands at a heartbeat's tip. A store that has too much
 * to catch up with for the supervisor's deadline (or no broker to hear) says
 * READY after READY_SHARE of it; its snapshots then wait for their position.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/role.h"
#include "common/subscriber.h"
#include "common/xmalloc.h"
#include "store/db_reader.h"
#include "store/db_writer.h"
#include "store/mongo.h"
#include "store/projection_file.h"
#include "store/record_feed.h"
#include "store/run_teller.h"
#include "store/serve.h"
#include "store/store_notices.h"
#include "store/store_report.h"

#define STORE_MAGIC       0x53544f52u
#define STORE_TICK_MS     500
/* Nobody waits for the store as for a stream: twenty events at 2,000 a second
 * are one wake-up and one transaction. */
#define STORE_PAUSE_MS    10
#define STORE_CATCH_UP_MS 2000    /* at STOP, of it: */
#define STORE_DRAIN_MS    500     /* for what the bus has */
#define STORE_MONGO_MS    1000    /* at STOP, for what MongoDB lacks */
#define STORE_RESYNC_MS   60000   /* asked again while clusters lack */
#define STORE_COPY_MS     3600000 /* how often the daily copy is thought of */
#define READY_SHARE(ms)   ((ms) * 6 / 10)
/* The supervisor kills a store that has not left after 4 s, or 5 s where it
 * alone is stopped: both waits, the worst case being a disk that is slow and
 * a frozen MongoDB, together take 3.5 s. */
#define STORE_LEAVE_MS    4000
_Static_assert(STORE_CATCH_UP_MS + MONGO_STOP_MS(STORE_MONGO_MS) <=
    STORE_LEAVE_MS - 500, "the store must leave before it is killed");

struct store {
	uint32_t		 magic;
	struct role		*role;
	int			 notify_fd;
	struct event		*notify;
	struct event		*tick;
	struct db_writer	*writer;
	struct db_reader	*reader;
	struct serve		*serve;
	struct run_teller	*runs;
	struct subscriber	*subscriber;
	struct mongo		*mongo;         /* NULL: not configured */
	bool			 mongo_stuck;   /* its thread was left behind */
	struct record_feed	 feed;
	struct mono		 began;
	bool			 ready;
	uint64_t		 incomplete;    /* clusters, since a gap */
	uint64_t		 gap_seen;      /* gap_change + 1 of that gap */
	struct mono		 next_resync;
	struct mono		 next_copy;
	struct store_notices	 notices;       /* what was logged */
	struct store_said	 said;          /* the last status */
};

static struct store *
store_of(void *arg)
{
	struct store *s = arg;

	assert(s->magic == STORE_MAGIC);
	return s;
}

/* --- the supervisor ------------------------------------------------------ */

static void
send_bindings(struct store *s, enum msg_type type, const char *cluster,
    uint64_t version)
{
	struct msg_bindings m = { .version = version };
	struct buf b = BUF_EMPTY;

	(void)snprintf(m.cluster, sizeof(m.cluster), "%s", cluster);
	msg_bindings_encode(&b, &m);
	role_send(s->role, type, b.data, b.len, -1);
	buf_free(&b);
}

/* Every watcher publishes its whole inventory again. */
static void
ask_resync(struct store *s, const char *cause)
{
	log_warn("%s: every watcher is asked to publish all it has", cause);
	send_bindings(s, MSG_RESYNC, "", 0);
	s->next_resync = mono_add_ms(mono_now(), STORE_RESYNC_MS);
}

static void
submit(struct store *s, enum db_reader_job job)
{
	/* A full queue is not a reason to wait: the next tick asks again. */
	if (db_reader_submit(s->reader, job, 0, NULL, 0) == -1)
		log_debug("the reader is busy");
}

static void
become_ready(struct store *s)
{
	if (s->ready)
		return;
	s->ready = true;
	role_ready(s->role);
	submit(s, DB_READER_ANNOUNCE);
}

/* --- what the threads have to say ---------------------------------------- */

static _Noreturn void
leave_damaged(const struct store *s, const char *trouble)
{
	char *path = conf_state_path(&s->role->conf, "projection.db");
	struct err err;

	if (projection_file_suspect(path, &err) == -1)
		log_warn("%s", err.text);
	fatalx("%s: leaving; the file is moved aside at the next start and"
	    " made again from the journal", trouble);
}

static void
take_results(struct store *s)
{
	struct db_reader_result r;

	while (db_reader_take(s->reader, &r)) {
		switch (r.kind) {
		case DB_READER_ANSWER:
			serve_answer(s->serve, r.ticket, &r.bytes);
			break;
		case DB_READER_CHANGED:
			send_bindings(s, MSG_BINDINGS_CHANGED, r.cluster,
			    r.version);
			if (s->mongo != NULL)
				mongo_wake(s->mongo);
			break;
		case DB_READER_INCOMPLETE:
			s->incomplete = r.version;
			break;
		case DB_READER_TROUBLE:
			if (r.damaged)
				leave_damaged(s, r.text);
			store_notices_reader(&s->notices, r.text, mono_now());
			break;
		case DB_READER_UNFOLLOWED:
			if (s->mongo != NULL)
				mongo_follow_again(s->mongo);
			break;
		case DB_READER_KIND_MAX:
		default:
			break;
		}
		buf_free(&r.bytes);
	}
}

static void
take_applied(struct store *s)
{
	struct db_writer_status st;

	db_writer_status(s->writer, &st);
	if (st.damaged)
		leave_damaged(s, st.trouble);
	serve_applied(s->serve, st.applied);
	if (s->mongo != NULL)
		mongo_wake(s->mongo);
	if (st.gapped && s->gap_seen != st.gap_change + 1) {
		s->gap_seen = st.gap_change + 1;
		ask_resync(s, "the projection may be incomplete");
		submit(s, DB_READER_CHECK);
	}
	if (catch_up_done(&s->feed.way, st.applied)) {
		become_ready(s);
		run_teller_go(s->runs);
	}
	run_teller_look(s->runs);
	store_notices_writer(&s->notices, st.trouble);
	store_notices_runs(&s->notices, &st.runs, mono_now());
}

static void
store_notify_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct store *s = store_of(arg);
	eventfd_t count;

	(void)eventfd_read((int)fd, &count);
	take_applied(s);
	take_results(s);
}

/* --- once in a while ----------------------------------------------------- */

static void
say_status(struct store *s)
{
	struct store_report r = {
		.with_mongo = s->mongo != NULL,
		.heard = s->feed.way.heard,
		.tip = subscriber_heartbeat(s->subscriber).tip.number,
		.ready_tip = s->feed.way.ready_tip,
		.incomplete = s->incomplete,
		.questions = s->serve == NULL ? 0 : serve_pending(s->serve),
	};
	struct buf facts = BUF_EMPTY;

	db_writer_status(s->writer, &r.writer);
	if (s->mongo != NULL) {
		mongo_status(s->mongo, &r.mongo);
		store_notices_mongo(&s->notices, &r.mongo, mono_now());
	}
	r.mongo_down = s->notices.mongo_down;
	store_report_facts(&r, &facts);
	db_reader_facts(s->reader, buf_cstr(&facts));
	buf_free(&facts);
	if (store_report_news(&r, &s->said))
		role_status(s->role, s->said.state, "%s", s->said.line);
}

static void
store_tick_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct store *s = store_of(arg);
	struct mono now = mono_now();

	if (!s->ready && mono_diff_ms(now, s->began) >
	    READY_SHARE(s->role->conf.supervise.ready_timeout_ms)) {
		log_info("ready while still catching up: snapshots wait");
		become_ready(s);
	}
	if (s->gap_seen != 0)
		submit(s, DB_READER_CHECK);
	if (s->incomplete > 0 && mono_before(s->next_resync, now))
		ask_resync(s, "clusters are still incomplete");
	if (mono_before(s->next_copy, now)) {
		s->next_copy = mono_add_ms(now, STORE_COPY_MS);
		submit(s, DB_READER_COPY);
	}
	say_status(s);
}

/* --- life ---------------------------------------------------------------- */

static int
open_databases(struct store *s, struct err *err)
{
	const struct conf *conf = &s->role->conf;
	char *projection = conf_state_path(conf, "projection.db");
	char *registry = conf_state_path(conf, "sluice.db");
	char *journal = conf_journal_directory(conf);
	struct db_writer_status st;
	char note[ERR_TEXT_MAX];
	int rc = -1;

	/* On the very first start the broker may not have come that far. */
	if (mkdir(journal, 0700) == -1 && errno != EEXIST) {
		(void)err_errno(err, errno, "%s", journal);
		goto out;
	}
	s->writer = db_writer_new(projection, conf, s->notify_fd, note, err);
	if (s->writer == NULL)
		goto out;
	if (note[0] != '\0')
		log_error("%s; made again from the journal", note);
	s->reader = db_reader_new(projection, registry, conf, s->notify_fd,
	    err);
	if (s->reader == NULL)
		goto out;
	if (conf->mongodb != NULL) {
		s->mongo = mongo_new(conf, projection, registry, s->reader,
		    err);
		if (s->mongo == NULL)
			goto out;
	}
	db_writer_status(s->writer, &st);
	record_feed_init(&s->feed, s->writer, st.applied);
	/* A gap of an earlier life was asked about then: only what is looked
	 * up and still lacks is asked for again. */
	if (st.gapped)
		s->gap_seen = st.gap_change + 1;
	rc = 0;
out:
	free(projection);
	free(registry);
	free(journal);
	return rc;
}

static int
open_bus(struct store *s, struct err *err)
{
	const struct conf *conf = &s->role->conf;
	char *bus = conf_bus_directory(conf);
	char *journal = conf_journal_directory(conf);
	int rc = -1;

	s->serve = serve_new(s->role->base, bus, s->reader, err);
	if (s->serve == NULL)
		goto out;
	serve_applied(s->serve, s->feed.way.start);
	s->runs = run_teller_new(s->role->base, bus, s->role->incarnation,
	    s->writer, err);
	if (s->runs == NULL)
		goto out;
	s->subscriber = subscriber_new(s->role->base, bus, journal, "store",
	    s->role->incarnation, s->feed.way.start, &record_feed_ops, &s->feed,
	    err);
	if (s->subscriber == NULL)
		goto out;
	subscriber_pause(s->subscriber, STORE_PAUSE_MS);
	role_bus_path(s->role, subscriber_path(s->subscriber));
	rc = 0;
out:
	free(bus);
	free(journal);
	return rc;
}

static int
store_start(struct role *role, struct err *err)
{
	struct store *s = xcalloc(1, sizeof(*s));
	struct timeval tv = mono_timeval_ms(STORE_TICK_MS);

	s->magic = STORE_MAGIC;
	s->role = role;
	s->began = mono_now();
	s->next_resync = s->began;
	s->next_copy = s->began;
	role->state = s;
	s->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->notify_fd == -1)
		return err_errno(err, errno, "eventfd");
	s->notify = event_new(role->base, s->notify_fd, EV_READ | EV_PERSIST,
	    store_notify_cb, s);
	s->tick = event_new(role->base, -1, EV_PERSIST, store_tick_cb, s);
	if (s->notify == NULL || s->tick == NULL ||
	    event_add(s->notify, NULL) == -1 || event_add(s->tick, &tv) == -1)
		return err_set(err, "no memory for the store's events");
	if (open_databases(s, err) == -1 || open_bus(s, err) == -1)
		return -1;
	say_status(s);
	return 0;
}

static void
store_stop(struct role *role)
{
	struct store *s = store_of(role->state);

	/* The loop stands still meanwhile: see STORE_LEAVE_MS. */
	subscriber_drain(s->subscriber, STORE_DRAIN_MS);
	db_writer_stop(s->writer, STORE_CATCH_UP_MS - STORE_DRAIN_MS);
	if (s->mongo != NULL) {
		mongo_wake(s->mongo);
		s->mongo_stuck = !mongo_stop(s->mongo, STORE_MONGO_MS);
	}
	take_results(s);
	role_exit(role);
}

static struct conf *
read_conf(int fd)
{
	struct conf *conf = xcalloc(1, sizeof(*conf));
	struct err err;

	if (role_read_conf(fd, conf, &err) == -1)
		fatalx("the new configuration cannot be read: %s", err.text);
	return conf;
}

/* Each thread has its own. Which clusters there are, and how long things are
 * kept. The databases, the bus and MongoDB stay as they are until the next
 * start. */
static void
reload(struct store *s, int fd)
{
	db_writer_conf(s->writer, read_conf(fd));
	db_reader_conf(s->reader, read_conf(fd));
}

static void
store_message(struct role *role, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	struct store *s = store_of(role->state);
	uint64_t first;
	int copy;

	if (type == MSG_SEGMENT && fd != -1) {
		if (msg_segment_decode(payload, n, &first) == -1)
			fatalx("the supervisor's SEGMENT cannot be read");
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (copy == -1)
			fatal("a memory segment");
		db_writer_segment(s->writer, first, copy);
		subscriber_add_segment(s->subscriber, first, fd);
		return;
	}
	if (type == MSG_RELOAD && fd != -1)
		reload(s, fd);
	else
		log_debug("%s ignored", msg_name(type));
	if (fd != -1)
		(void)close(fd);
}

static void
store_finish(struct role *role)
{
	struct store *s = role->state;

	if (s == NULL)
		return;
	assert(s->magic == STORE_MAGIC);
	subscriber_free(s->subscriber);
	run_teller_free(s->runs);
	serve_free(s->serve);
	if (s->mongo_stuck) {
		/* Its thread still uses the reader and the driver: the
		 * process ends now, and takes it along. */
		log_warn("mongodb did not answer in time: leaving without");
		_exit(0);
	}
	if (s->mongo != NULL)
		mongo_free(s->mongo);
	db_reader_free(s->reader);
	db_writer_free(s->writer);
	if (s->notify != NULL)
		event_free(s->notify);
	if (s->tick != NULL)
		event_free(s->tick);
	if (s->notify_fd != -1)
		(void)close(s->notify_fd);
	s->magic = 0;
	free(s);
	role->state = NULL;
}

static const struct role_ops store_ops = {
	.start = store_start,
	.stop = store_stop,
	.message = store_message,
	.finish = store_finish,
};

int
main(int argc, char **argv)
{
	return role_main("store", argc, argv, &store_ops);
}
