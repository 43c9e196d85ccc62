/*
 * lib_publisher: a program that publishes by libsluice, one command a line, for
 * tests.
 *
 *	lib_publisher URL [key=value ...]
 *
 * keys: spool max sync(each|never) first(1) queue token token_file ca source,
 * fsize (RLIMIT_FSIZE of this process). Commands on stdin: "hand KEY FIRST
 * COUNT PAD" (events x.n numbered from FIRST, with so many bytes of padding; it
 * stops where the queue is full), "json TEXT", "flush MS", "stats", "fork",
 * "crowd KEY THREADS COUNT" (each thread hands over its own numbers, data.p is
 * the thread), "stuck none|write|sync" (calls of this kind come back from the
 * disk only when another is), "close MS", which ends. Answers: "handed N
 * RESULT", "json RESULT", "flushed RESULT", "stats {...}", "forked 0" (the
 * child got SLUICE_FORKED), "stuck KIND", "closed RESULT {...}"; besides,
 * whenever they come, "state NAME TEXT" and "refused STATUS CODE {...}".
 * "problem TEXT" and exit 2: no handle. The figures are the library's,
 * longest_ns (of a call of sluice_publish), waited_ns (of one that gave up its
 * processor by itself, as who waits does and who is interrupted does not) and
 * held (calls that the disk has kept).
 */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/macros.h"
#include "common/mono.h"
#include "lib/sluice.h"

#define LINE_MAX_BYTES (64u * 1024)
#define PAD_MAX        40000u
#define THREADS_MAX    16

static const char *const state_names[] = { "away", "unauthorized", "back",
	"spool_failed", "spool_works", "spool_damaged" };

struct crowd {
	struct sluice	*sluice;
	const char	*key;
	int		 thread;
	unsigned int	 count;
	unsigned int	 handed;
	pthread_t	 id;
};

/* --- a disk that takes as long as a test wants ---------------------------- */

enum stuck { STUCK_NONE, STUCK_WRITE, STUCK_SYNC };

static const char *const stuck_names[] = { "none", "write", "sync" };
static _Atomic enum stuck stuck;
static atomic_uint held;

static void
keep(enum stuck kind)
{
	if (stuck == kind)
		held++;
	while (stuck == kind)
		(void)poll(NULL, 0, 1);
}

/* In place of libc's. */
int
fdatasync(int fildes)
{
	keep(STUCK_SYNC);
	return fsync(fildes);
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)buf,
		.iov_len = n };

	keep(STUCK_WRITE);
	return pwritev(fd, &part, 1, offset);
}

static void
set_stuck(const char *name)
{
	for (size_t i = 0; i < NELEM(stuck_names); i++)
		if (strcmp(name, stuck_names[i]) == 0)
			stuck = (enum stuck)i;
	(void)printf("stuck %s\n", stuck_names[stuck]);
}

/* --- options and callbacks ------------------------------------------------ */

static void
state_cb(enum sluice_state state, const char *text, void *arg UNUSED)
{
	(void)printf("state %s %s\n", state_names[state], text);
}

static void
refused_cb(const struct sluice_refusal *r, void *arg UNUSED)
{
	(void)printf("refused %d %s {\"event\":%s,\"details\":%s}\n",
	    r->status, *r->code != '\0' ? r->code : "-", r->event,
	    r->details);
}

static void
set_fsize(const char *text)
{
	rlim_t bytes = (rlim_t)strtoull(text, NULL, 10);

	(void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){ bytes, bytes });
}

static void
option(struct sluice_options *o, const char *name, const char *value)
{
	if (strcmp(name, "spool") == 0)
		o->spool_directory = value;
	else if (strcmp(name, "max") == 0)
		o->spool_max_bytes = strtoull(value, NULL, 10);
	else if (strcmp(name, "sync") == 0)
		o->sync = strcmp(value, "each") == 0 ? SLUICE_SYNC_EACH :
		    SLUICE_SYNC_NEVER;
	else if (strcmp(name, "first") == 0)
		o->spool_first = 1;
	else if (strcmp(name, "queue") == 0)
		o->queue_events = (uint32_t)strtoul(value, NULL, 10);
	else if (strcmp(name, "token") == 0)
		o->token = value;
	else if (strcmp(name, "token_file") == 0)
		o->token_file = value;
	else if (strcmp(name, "ca") == 0)
		o->ca_file = value;
	else if (strcmp(name, "source") == 0)
		o->source = value;
	else if (strcmp(name, "fsize") == 0)
		set_fsize(value);
}

/* --- commands ------------------------------------------------------------- */

static _Atomic int64_t longest_ns, waited_ns;

/* How often this thread has let go of its processor by itself. */
static long
waits(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage) != 0)
		abort();
	return usage.ru_nvcsw;
}

static void
note_longest(_Atomic int64_t *longest, int64_t took)
{
	int64_t known = *longest;

	while (took > known &&
	    !atomic_compare_exchange_weak(longest, &known, took))
		continue;
}

/* sluice_publish(), timed: all calls, and those that waited for something. */
static int
publish(struct sluice *s, const struct sluice_event *event)
{
	long before = waits();
	int64_t begin = mono_now().ns, took;
	int rc = sluice_publish(s, event);

	took = mono_now().ns - begin;
	note_longest(&longest_ns, took);
	if (waits() != before)
		note_longest(&waited_ns, took);
	return rc;
}

static int
hand_one(struct sluice *s, const char *key, int thread, unsigned int number,
    unsigned int pad)
{
	char data[PAD_MAX + 100], *p = data;

	p += snprintf(p, 100, "{\"n\":%u,\"p\":%d,\"pad\":\"", number,
	    thread);
	memset(p, 'p', pad);
	memcpy(p + pad, "\"}", 3);
	return publish(s, &(struct sluice_event){
		.stream_key = key,
		.event_type = "x.n",
		.data = data,
	});
}

static void
hand(struct sluice *s, const char *arguments)
{
	unsigned int first, count, pad, i;
	char key[600];
	int rc = SLUICE_OK;

	if (sscanf(arguments, "%599s %u %u %u", key, &first, &count,
	    &pad) != 4 || pad > PAD_MAX) {
		(void)printf("problem hand KEY FIRST COUNT PAD\n");
		return;
	}
	for (i = 0; i < count && rc == SLUICE_OK; i++)
		rc = hand_one(s, key, 0, first + i, pad);
	(void)printf("handed %u %d\n", rc == SLUICE_OK ? i : i - 1, rc);
}

static void *
crowd_thread(void *arg)
{
	struct crowd *c = arg;

	while (c->handed < c->count)
		if (hand_one(c->sluice, c->key, c->thread, c->handed, 10) ==
		    SLUICE_OK)
			c->handed++;
	return NULL;
}

static void
crowd(struct sluice *s, const char *arguments)
{
	struct crowd all[THREADS_MAX];
	unsigned int threads, count, sum = 0;
	char key[600];

	if (sscanf(arguments, "%599s %u %u", key, &threads, &count) != 3 ||
	    threads > THREADS_MAX) {
		(void)printf("problem crowd KEY THREADS COUNT\n");
		return;
	}
	for (unsigned int i = 0; i < threads; i++) {
		all[i] = (struct crowd){ .sluice = s, .key = key,
		    .thread = (int)i, .count = count };
		if (pthread_create(&all[i].id, NULL, crowd_thread,
		    &all[i]) != 0)
			abort();
	}
	for (unsigned int i = 0; i < threads; i++) {
		(void)pthread_join(all[i].id, NULL);
		sum += all[i].handed;
	}
	(void)printf("handed %u 0\n", sum);
}

static void
print_stats(const char *word, const struct sluice_stats *s)
{
	(void)printf("%s {\"handed\":%" PRIu64 ",\"recovered\":%" PRIu64
	    ",\"accepted\":%" PRIu64 ",\"duplicates\":%" PRIu64
	    ",\"refused\":%" PRIu64 ",\"queued\":%" PRIu64 ",\"spooled\":%"
	    PRIu64 ",\"spool_bytes\":%" PRIu64 ",\"requests\":%" PRIu64
	    ",\"failures\":%" PRIu64 ",\"damaged\":%" PRIu64
	    ",\"longest_ns\":%" PRId64 ",\"waited_ns\":%" PRId64
	    ",\"held\":%u}\n", word,
	    s->handed, s->recovered, s->accepted, s->duplicates,
	    s->refused, s->queued, s->spooled,
	    s->spool_bytes, s->requests, s->failures, s->damaged,
	    longest_ns, waited_ns, held);
}

/* What a child is told of its parent's handle. */
static void
fork_child(struct sluice *s)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		bool forked = hand_one(s, "job:x", 0, 0, 1) == SLUICE_FORKED &&
		    sluice_flush(s, 1000) == SLUICE_FORKED &&
		    sluice_close(s, 1000, NULL) == SLUICE_FORKED;

		_exit(forked ? 0 : 1);
	}
	(void)waitpid(pid, &status, 0);
	(void)printf("forked %d\n", WIFEXITED(status) ?
	    WEXITSTATUS(status) : -1);
}

/* False: that was the last. */
static bool
command(struct sluice *s, char *line)
{
	struct sluice_stats stats;
	char *rest = strchr(line, ' ');
	int rc;

	rest = rest != NULL ? rest + 1 : line + strlen(line);
	if (strncmp(line, "hand ", 5) == 0) {
		hand(s, rest);
	} else if (strncmp(line, "crowd ", 6) == 0) {
		crowd(s, rest);
	} else if (strncmp(line, "json ", 5) == 0) {
		(void)printf("json %d\n", sluice_publish_json(s, rest,
		    strlen(rest)));
	} else if (strncmp(line, "flush ", 6) == 0) {
		(void)printf("flushed %d\n", sluice_flush(s,
		    strtol(rest, NULL, 10)));
	} else if (strcmp(line, "stats") == 0) {
		(void)sluice_stats(s, &stats);
		print_stats("stats", &stats);
	} else if (strncmp(line, "stuck ", 6) == 0) {
		set_stuck(rest);
	} else if (strcmp(line, "fork") == 0) {
		fork_child(s);
	} else {
		rc = sluice_close(s, strtol(rest, NULL, 10), &stats);
		(void)printf("closed %d ", rc);
		print_stats("", &stats);
		return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct sluice_options o = { .size = sizeof(o), .url = argv[1],
		.refused = refused_cb, .state = state_cb };
	char problem[SLUICE_ERROR_MAX];
	static char line[LINE_MAX_BYTES];
	struct sluice *s;
	bool more = true;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 2; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value == NULL)
			return 64;
		*value++ = '\0';
		option(&o, argv[i], value);
	}
	s = sluice_open(&o, problem, sizeof(problem));
	if (s == NULL) {
		(void)printf("problem %s\n", problem);
		return 2;
	}
	(void)printf("ready\n");
	while (more && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		more = command(s, line);
	}
	if (more)
		(void)sluice_close(s, 0, NULL);
	return 0;
}
