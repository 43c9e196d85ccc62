/*
 * sluice.c: the functions of sluice.h over a worker (pub_worker.h).
 */
#include "lib/sluice.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/err.h"
#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "lib/pub_event.h"
#include "lib/pub_worker.h"

#define HANDLE_MAGIC    0x534c4943u   /* "SLIC" */
#define QUEUE_PLACES_MAX 1000000u
#define SOURCE_MAX      256u          /* the contract's */
/* A year, which is longer than anybody waits, and no clock overflows. */
#define TIMEOUT_MAX_MS  INT64_C(31536000000)

struct sluice {
	uint32_t		 magic;
	pid_t			 pid;      /* of who opened it */
	struct pub_worker	*worker;
	char			*source;   /* NULL: none */
	char			 run[33];  /* of the keys that are made */
	atomic_uint_fast64_t	 number;   /* of the next of them */
};

/* --- opening -------------------------------------------------------------- */

/* What the caller knows of the options: an older program's are shorter. */
static int
read_options(const struct sluice_options *given, struct sluice_options *o,
    struct err *err)
{
	memset(o, 0, sizeof(*o));
	if (given == NULL || given->size < sizeof(given->size) ||
	    given->size > sizeof(*o))
		return err_set(err, "size must be sizeof(struct "
		    "sluice_options)");
	memcpy(o, given, given->size);
	if (o->url == NULL || (strncmp(o->url, "http://", 7) != 0 &&
	    strncmp(o->url, "https://", 8) != 0))
		return err_set(err, "url must begin with http:// or https://");
	if (o->source != NULL && (*o->source == '\0' ||
	    strlen(o->source) > SOURCE_MAX))
		return err_set(err, "source must have 1 to %u bytes",
		    SOURCE_MAX);
	if (o->sync != SLUICE_SYNC_SECOND && o->sync != SLUICE_SYNC_EACH &&
	    o->sync != SLUICE_SYNC_NEVER)
		return err_set(err, "sync is none of enum sluice_sync");
	if (o->spool_first != 0 && o->spool_directory == NULL)
		return err_set(err, "spool_first needs a spool_directory");
	if (o->spool_max_bytes == 0)
		o->spool_max_bytes = SLUICE_SPOOL_BYTES;
	if (o->queue_events == 0)
		o->queue_events = SLUICE_QUEUE_EVENTS;
	if (o->queue_bytes == 0)
		o->queue_bytes = SLUICE_QUEUE_BYTES;
	if (o->queue_events > QUEUE_PLACES_MAX)
		return err_set(err, "queue_events is over %u",
		    QUEUE_PLACES_MAX);
	if (o->queue_bytes < SLUICE_EVENT_MAX)
		return err_set(err, "queue_bytes is below %u: one event could "
		    "be larger", SLUICE_EVENT_MAX);
	return 0;
}

/* Keys must never be those of another run, or events would be lost as
 * repeats: 128 bits, or none. */
static int
name_run(struct sluice *s, struct err *err)
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return err_set(err, "the kernel gives no random bytes");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(s->run + i * 2, 3, "%02x", bytes[i]);
	return 0;
}

struct sluice *
sluice_open(const struct sluice_options *options, char *problem,
    size_t problem_size)
{
	struct sluice *s = xcalloc(1, sizeof(*s));
	struct sluice_options o;
	struct err err = { .code = 0 };

	s->magic = HANDLE_MAGIC;
	s->pid = getpid();
	if (read_options(options, &o, &err) == 0 &&
	    name_run(s, &err) == 0) {
		if (o.source != NULL)
			s->source = xstrdup(o.source);
		s->worker = pub_worker_start(&o, &err);
	}
	if (s->worker != NULL)
		return s;
	if (problem != NULL && problem_size > 0)
		(void)snprintf(problem, problem_size, "%s", err.text);
	free(s->source);
	s->magic = 0;
	free(s);
	return NULL;
}

/* --- handing over --------------------------------------------------------- */

static bool
is_forked(const struct sluice *s)
{
	assert(s->magic == HANDLE_MAGIC);
	return s->pid != getpid();
}

static void
set_defaults(struct sluice *s, struct pub_defaults *d,
    char key[PUB_EVENT_KEY_SIZE])
{
	uint64_t number = atomic_fetch_add(&s->number, 1);

	(void)snprintf(key, PUB_EVENT_KEY_SIZE, "%s-%" PRIu64, s->run,
	    number);
	*d = (struct pub_defaults){
		.source = s->source,
		.key = key,
		.now_unix_ms = wall_unix_ms(),
	};
}

static int
hand(struct sluice *s, int rc, char *text, size_t size)
{
	if (rc != SLUICE_OK)
		return rc;
	rc = pub_worker_hand(s->worker, text, size);
	if (rc != SLUICE_OK)
		free(text);
	return rc;
}

int
sluice_publish(struct sluice *s, const struct sluice_event *event)
{
	char key[PUB_EVENT_KEY_SIZE], *text = NULL;
	struct pub_defaults d;
	size_t size = 0;
	int rc;

	if (is_forked(s))
		return SLUICE_FORKED;
	set_defaults(s, &d, key);
	rc = pub_event_of_fields(event, &d, &text, &size);
	return hand(s, rc, text, size);
}

int
sluice_publish_json(struct sluice *s, const char *json, size_t size)
{
	char key[PUB_EVENT_KEY_SIZE], *text = NULL;
	struct pub_defaults d;
	size_t made = 0;
	int rc;

	if (is_forked(s))
		return SLUICE_FORKED;
	set_defaults(s, &d, key);
	rc = pub_event_of_json(json, size, &d, &text, &made);
	return hand(s, rc, text, made);
}

/* --- waiting and closing -------------------------------------------------- */

int
sluice_flush(struct sluice *s, int64_t timeout_ms)
{
	if (is_forked(s))
		return SLUICE_FORKED;
	if (pub_worker_is_self(s->worker))
		return SLUICE_WRONG_THREAD;
	return pub_worker_flush(s->worker, MIN(timeout_ms, TIMEOUT_MAX_MS));
}

int
sluice_close(struct sluice *s, int64_t timeout_ms,
    struct sluice_stats *ret_stats)
{
	struct sluice_stats last;
	int rc;

	if (s == NULL)
		return SLUICE_OK;
	if (is_forked(s))
		return SLUICE_FORKED;
	if (pub_worker_is_self(s->worker))
		return SLUICE_WRONG_THREAD;
	(void)pub_worker_flush(s->worker, MIN(timeout_ms, TIMEOUT_MAX_MS));
	rc = pub_worker_stop(s->worker, &last);
	free(s->source);
	s->magic = 0;
	free(s);
	if (ret_stats != NULL)
		*ret_stats = last;
	if (last.queued > 0)
		return SLUICE_LOST;
	return last.damaged > 0 ? SLUICE_DAMAGED : rc;
}

int
sluice_stats(struct sluice *s, struct sluice_stats *ret)
{
	if (is_forked(s))
		return SLUICE_FORKED;
	pub_worker_stats(s->worker, ret);
	return SLUICE_OK;
}

const char *
sluice_strerror(int result)
{
	switch (result) {
	case SLUICE_OK:
		return "done";
	case SLUICE_FULL:
		return "the queue is full: the service or the disk does not "
		    "take events fast enough";
	case SLUICE_INVALID:
		return "not an event: not a JSON object, or a member is "
		    "missing or too long";
	case SLUICE_TOO_LARGE:
		return "the event is larger than 48 KiB";
	case SLUICE_TIMEOUT:
		return "not all events were taken in time";
	case SLUICE_LOST:
		return "events that were not sent are lost";
	case SLUICE_FORKED:
		return "the handle belongs to the process that opened it";
	case SLUICE_WRONG_THREAD:
		return "must not be called by a callback";
	case SLUICE_UNSYNCED:
		return "the spool could not be synced: events in it may be "
		    "lost with the machine";
	case SLUICE_DAMAGED:
		return "events of the spool were not sent: the files are kept "
		    "as *.damaged";
	default:
		return "unknown result";
	}
}
