/*
 * sluice.h: libsluice, what a publisher in C needs to hand events to Sluice.
 *
 *	struct sluice_options o = { .size = sizeof(o),
 *	    .url = "http://127.0.0.1:8080", .spool_directory = "/var/lib/me" };
 *	char problem[SLUICE_ERROR_MAX];
 *	struct sluice *s = sluice_open(&o, problem, sizeof(problem));
 *
 *	sluice_publish(s, &(struct sluice_event){ .stream_key = "job:42",
 *	    .event_type = "job.progress",
 *	    .data = "{\"job_id\":\"42\",\"attempt\":1,\"percent\":50}" });
 *	sluice_close(s, 5000, NULL);
 *
 * This header is the whole interface; what an event may hold is in the
 * contract (doc/contract.md, sections 1 to 3). Compile and link with
 * `pkg-config --cflags --libs libsluice`; or with libsluice.a and
 * `pkg-config --libs libcurl jansson`.
 *
 * --- what it does
 * sluice_publish() and sluice_publish_json() copy an event into a bounded queue
 * and return; they never wait for the network, the disk or another thread's
 * work. One thread of the library's own, for each handle, sends what is queued
 * by POST /api/v1/events, in the order in which it was handed over, in batches
 * of up to SLUICE_BATCH_EVENTS events or SLUICE_BATCH_BYTES, or what came
 * within SLUICE_BATCH_MS. One request is under way at a time, so the order of
 * a handle's events is kept, also when requests are repeated.
 *
 * --- each event once
 * Every event gets an idempotency key (yours, or one that is made for it), and
 * its time, when it is handed over. A request that was not answered is repeated
 * as it was, and what the service has already is known by its key: nothing is
 * stored twice within the service's window (24 h, 1,000,000 keys). The key's
 * scope is (tenant, source): name a `source`, or keep to tokens of one subject,
 * as long as something waits to be sent.
 *
 * --- while the service is away
 * A request that found nobody, or was answered 408, 425, 429 or 5xx, or by
 * something that is not Sluice, is repeated: after SLUICE_RETRY_FIRST_MS, then
 * twice as long each time, up to SLUICE_RETRY_MAX_MS, each time between half
 * and the whole of that, and not before what Retry-After says (at most
 * SLUICE_RETRY_AFTER_MAX_MS). Events wait meanwhile:
 * - with a spool directory on the disk: what could not be sent at once is
 *   appended to segment files there, each record with its CRC-32C, and sent
 *   first, in order, as soon as the service is back, or by the next process
 *   that opens the directory. Of a record that was half written when a process
 *   was killed the written half is cut off. What is damaged otherwise, or what
 *   the disk does not give back in some seconds, is kept aside as *.damaged,
 *   and told (SLUICE_SPOOL_DAMAGED).
 * - without one in the queue, and they are gone with the process.
 * Where the disk is full or the spool has spool_max_bytes, `state` is told
 * (SLUICE_SPOOL_FAILED), events stay in the queue, and when that is full, too,
 * sluice_publish() says SLUICE_FULL. Nothing is ever left out in silence.
 *
 * --- what cannot be taken
 * An event that the service refuses for good (400, 403, 409, 413, 422) is given
 * to `refused` with the service's own words, and what follows it is sent. A
 * token that is refused (401): with a token_file events wait, and are sent as
 * soon as the file holds another; without one each is refused. A token that is
 * good and does not grant a stream refuses that stream's events (403), else one
 * of them would hold up all others: where another token may come, keep them in
 * `refused`, and hand them over again with sluice_publish_json(), as they are.
 *
 * --- proxies
 * Those that the environment names (http_proxy, https_proxy, all_proxy, but for
 * no_proxy) are used as libcurl does, for all but this machine itself
 * (localhost, 127.0.0.0/8, ::1).
 *
 * --- threads, processes, signals
 * Every function may be called by any thread, but a handle must not be used
 * any more once sluice_close() was called. Callbacks run on the library's
 * thread, one at a time, and hold up sending as long as they run; they may call
 * sluice_publish*() and sluice_stats(), but for sluice_flush() and
 * sluice_close() they get SLUICE_WRONG_THREAD. The first call may come before
 * sluice_open() has returned the handle.
 * A handle does not survive fork(): in the child every function returns
 * SLUICE_FORKED and does nothing (sluice_close() too: its memory stays). Open
 * a handle after the fork. The spool's lock lives as long as a child that did
 * not exec; descriptors are CLOEXEC.
 * No signal is used, and none is delivered to the library's thread, so no
 * SIGPIPE or SIGXFSZ comes from it either. The library has no state but its
 * handles'. libcurl has some: sluice_open() lets libcurl initialise itself if
 * nobody did; with a libcurl older than 7.84, call curl_global_init() before
 * the first thread starts. curl_global_cleanup() is left to you.
 *
 * Memory is bounded by the queue's limits and a few MiB; a process that has not
 * even that left is ended with a line on stderr.
 */
#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

/* --- limits --------------------------------------------------------------- */
#define SLUICE_EVENT_MAX      (48u * 1024)  /* bytes of one event as JSON, with
					     * what the library adds */
#define SLUICE_BATCH_EVENTS   1000u
#define SLUICE_BATCH_BYTES    (900u * 1024)
#define SLUICE_BATCH_MS       20
/* Events that wait in memory, unless the options say otherwise. */
#define SLUICE_QUEUE_EVENTS   16384u
#define SLUICE_QUEUE_BYTES    (32u * 1024 * 1024)
#define SLUICE_SPOOL_BYTES    (256u * 1024 * 1024)
/* With a spool: what could not be sent for so long is written to it. */
#define SLUICE_SPOOL_AFTER_MS 1000
#define SLUICE_RETRY_FIRST_MS 100
#define SLUICE_RETRY_MAX_MS   10000
#define SLUICE_RETRY_AFTER_MAX_MS (5 * 60 * 1000)
#define SLUICE_CONNECT_MS     5000
#define SLUICE_REQUEST_MS     30000   /* until a request counts as unanswered */
#define SLUICE_TOKEN_MAX      8192u
#define SLUICE_ERROR_MAX      512u

/* What functions return. */
enum sluice_result {
	SLUICE_OK = 0,
	SLUICE_FULL = -1,          /* the queue; the event was not taken: try
				    * again later, or let it go */
	SLUICE_INVALID = -2,       /* not a JSON object, or a member is missing
				    * or too long */
	SLUICE_TOO_LARGE = -3,     /* over SLUICE_EVENT_MAX */
	SLUICE_TIMEOUT = -4,       /* not everything by the deadline */
	SLUICE_LOST = -5,          /* of close: events are gone, see `queued` */
	SLUICE_FORKED = -6,        /* the handle belongs to another process */
	SLUICE_WRONG_THREAD = -7,  /* called by a callback */
	SLUICE_UNSYNCED = -8,      /* of close: the spool holds events that
				    * the disk may not, since a sync failed */
	SLUICE_DAMAGED = -9,       /* of close: events of the spool were not
				    * sent, see `damaged` */
};

/* When the spool's files are synced (fdatasync). What was written is safe from
 * the end of the process in any case; this is about the machine's. */
enum sluice_sync {
	SLUICE_SYNC_SECOND = 0,    /* once a second, while it is written */
	SLUICE_SYNC_EACH,          /* before what was written is counted as
				    * spooled */
	SLUICE_SYNC_NEVER,         /* when the kernel wants to */
};

/* What `state` is told, each once per change. */
enum sluice_state {
	SLUICE_AWAY,               /* the service cannot be reached: waiting */
	SLUICE_UNAUTHORIZED,       /* the token of token_file is refused */
	SLUICE_BACK,               /* events are taken again */
	SLUICE_SPOOL_FAILED,       /* disk full, its limit, an I/O error: events
				    * wait in memory only; or what waits in it
				    * cannot be read, and is tried again */
	SLUICE_SPOOL_WORKS,        /* there was something to write or read
				    * again, and it was */
	SLUICE_SPOOL_DAMAGED,      /* found at the start, perhaps before
				    * sluice_open() has returned, or when it
				    * was to be sent; the text says what */
};

/* An event that the service does not take. All texts live as long as the
 * call; none is NULL. */
struct sluice_refusal {
	const char	*event;    /* as it was sent: JSON, with its key */
	size_t		 event_size;
	int		 status;   /* of the answer: 400, 403, 409, 413, 422 */
	const char	*code;     /* the contract's: schema_violation, ... */
	const char	*text;     /* one sentence */
	const char	*details;  /* a JSON array of {path, problem, code};
				    * "[]" */
};

typedef void (*sluice_refused_cb)(const struct sluice_refusal *refusal,
    void *arg);
typedef void (*sluice_state_cb)(enum sluice_state state, const char *text,
    void *arg);

/* What is 0 or NULL is the default. All texts are copied. */
struct sluice_options {
	size_t		 size;             /* sizeof(struct sluice_options) */
	const char	*url;              /* https://host[:port][/prefix] */
	const char	*token;            /* or: */
	const char	*token_file;       /* read again when it changes */
	const char	*ca_file;          /* PEM; default: the system's */
	const char	*source;           /* of events that name none */
	const char	*spool_directory;  /* made if need be; for one handle at
					    * a time */
	uint64_t	 spool_max_bytes;  /* SLUICE_SPOOL_BYTES */
	enum sluice_sync sync;
	int		 spool_first;      /* 1: every event is written to the
					    * spool before it is sent */
	uint32_t	 queue_events;     /* SLUICE_QUEUE_EVENTS */
	uint32_t	 queue_bytes;      /* SLUICE_QUEUE_BYTES */
	sluice_refused_cb refused;
	sluice_state_cb	 state;
	void		*arg;              /* of both */
};

/* NULL where a member is left out. */
struct sluice_event {
	const char	*stream_key;       /* "job:42"; required */
	const char	*event_type;       /* "job.progress"; required */
	const char	*data;             /* a JSON object; required */
	const char	*subject;
	const char	*timestamp;        /* RFC 3339; default: now. With a key
					    * of your own name it, too: under
					    * another time a repeat is another
					    * event (409) */
	const char	*source;           /* default: of the options, else the
					    * service's, from the token */
	const char	*correlation_id;
	const char	*traceparent;
	const char	*idempotency_key;  /* default: one is made */
	int		 version;          /* 0: 1 */
};

/* Since sluice_open(). */
struct sluice_stats {
	uint64_t	handed;       /* taken by sluice_publish*() */
	uint64_t	recovered;    /* found in the spool at the start */
	uint64_t	accepted;     /* the service has them: just now, or
				       * already (duplicates, too) */
	uint64_t	duplicates;
	uint64_t	refused;
	uint64_t	queued;       /* in memory only */
	uint64_t	spooled;      /* on the disk */
	uint64_t	spool_bytes;
	uint64_t	requests;     /* that were answered or have failed */
	uint64_t	failures;     /* of them: have to be repeated */
	uint64_t	damaged;      /* in files of the spool that were set
				       * aside: not sent. Of those that the
				       * start found 1 at least: what cannot
				       * be read cannot be counted */
	uint64_t	reserved[5];  /* 0: for figures to come */
};

struct sluice;

/* A handle, or NULL and in `problem` (may be NULL) a line that says why: a bad
 * option, a file that cannot be read, a spool that another process has. The
 * service need not run. */
SLUICE_API struct sluice *sluice_open(const struct sluice_options *options,
	    char *problem, size_t problem_size);

/* Hands an event over. SLUICE_OK, _FULL, _INVALID, _TOO_LARGE or _FORKED;
 * unless SLUICE_OK the event was not taken. What the contract asks of
 * an event beyond being a JSON object is judged by the service, and told to
 * `refused`. */
SLUICE_API int	sluice_publish(struct sluice *s,
	    const struct sluice_event *event);
/* The same with the event as a JSON object: what it does not have of
 * idempotency_key, timestamp and source, or has as null, is added. */
SLUICE_API int	sluice_publish_json(struct sluice *s, const char *json,
	    size_t size);

/* Waits until everything handed over before, and what was recovered, is
 * accepted or refused (or set aside, see `damaged`): SLUICE_OK, or
 * SLUICE_TIMEOUT after so many milliseconds (0 or less: only asks; INT64_MAX: a
 * year, as of all that is longer). Batches do not wait for more meanwhile. */
SLUICE_API int	sluice_flush(struct sluice *s, int64_t timeout_ms);

/* Flushes for as long, writes what is left to the spool, ends the thread and
 * frees the handle. SLUICE_OK: everything is accepted, refused, or on the disk
 * for the next start; SLUICE_UNSYNCED: unless the machine goes down before the
 * disk has it; SLUICE_DAMAGED: but for what is in files that were set aside;
 * SLUICE_LOST: `queued` events were none of these. The worst of them is said.
 * *ret_stats (may be NULL) are the last figures. NULL is closed already. */
SLUICE_API int	sluice_close(struct sluice *s, int64_t timeout_ms,
	    struct sluice_stats *ret_stats);

SLUICE_API int	sluice_stats(struct sluice *s, struct sluice_stats *ret);
/* A short sentence for a result; never NULL. */
SLUICE_API const char *sluice_strerror(int result);

#ifdef __cplusplus
}
#endif

#endif
