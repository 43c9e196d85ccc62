#include "ctl/publish_cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/buf.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "lib/sluice.h"

#define TIMEOUT_DEFAULT 30
#define ROOM_WAIT_MS    100
#define SHOWN_MAX       200    /* bytes of an event in a message */

/* What the run has come to. */
struct run {
	struct sluice	*sluice;
	int64_t		 timeout_ms;
	uint64_t	 bad;        /* lines that are no events */
	bool		 gave_up;
};

/* --- words ---------------------------------------------------------------- */

static int
seconds_of(const char *text, int64_t *ret)
{
	int64_t value = 0;

	if (*text == '\0')
		return -1;
	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (*text - '0');
		if (value > PUBLISH_CMD_TIMEOUT_MAX)
			return -1;
	}
	*ret = value;
	return *text == '\0' ? 0 : -1;
}

/* Where the value of this option goes; NULL: there is no such option. */
static const char **
place_of(char **argv, int i, struct publish_ask *ask)
{
	if (strcmp(argv[i], "--url") == 0)
		return &ask->url;
	if (strcmp(argv[i], "--token-file") == 0)
		return &ask->token_file;
	if (strcmp(argv[i], "--ca-file") == 0)
		return &ask->ca_file;
	if (strcmp(argv[i], "--spool") == 0)
		return &ask->spool;
	if (strcmp(argv[i], "--source") == 0)
		return &ask->source;
	if (strcmp(argv[i], "--stream") == 0)
		return &ask->stream;
	if (strcmp(argv[i], "--type") == 0)
		return &ask->type;
	if (strcmp(argv[i], "--data") == 0)
		return &ask->data;
	if (strcmp(argv[i], "--subject") == 0)
		return &ask->subject;
	if (strcmp(argv[i], "--key") == 0)
		return &ask->key;
	return NULL;
}

int
publish_cmd_parse(int argc, char **argv, struct publish_ask *ret)
{
	int i;

	ret->timeout = TIMEOUT_DEFAULT;
	for (i = 1; i + 1 < argc; i += 2) {
		const char **place = place_of(argv, i, ret);

		if (place != NULL)
			*place = argv[i + 1];
		else if (strcmp(argv[i], "--timeout") != 0 ||
		    seconds_of(argv[i + 1], &ret->timeout) != 0)
			return -1;
	}
	if (i != argc)
		return -1;
	/* One event is whole, or there is none. */
	if (ret->stream != NULL)
		return ret->type != NULL && ret->data != NULL ? 0 : -1;
	return ret->type == NULL && ret->data == NULL &&
	    ret->subject == NULL && ret->key == NULL ? 0 : -1;
}

/* --- what the library tells ----------------------------------------------- */

static void
refused_cb(const struct sluice_refusal *r, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "sluicectl: refused: %s: %s%s%s: %.*s%s\n",
	    r->code, r->text, strcmp(r->details, "[]") != 0 ? ": " : "",
	    strcmp(r->details, "[]") != 0 ? r->details : "", SHOWN_MAX,
	    r->event, r->event_size > SHOWN_MAX ? "..." : "");
}

static void
state_cb(enum sluice_state state, const char *text, void *arg)
{
	static const char *const words[] = {
		[SLUICE_AWAY] = "waiting for the service",
		[SLUICE_UNAUTHORIZED] = "waiting for another token",
		[SLUICE_BACK] = "going on",
		[SLUICE_SPOOL_FAILED] = "the spool cannot be written",
		[SLUICE_SPOOL_WORKS] = "the spool works",
		[SLUICE_SPOOL_DAMAGED] = "the spool is damaged",
	};

	(void)arg;
	(void)fprintf(stderr, "sluicectl: %s: %s\n", words[state], text);
}

/* --- handing over --------------------------------------------------------- */

static int
hand_once(struct run *run, const struct publish_ask *ask, struct slice line)
{
	if (line.p != NULL)
		return sluice_publish_json(run->sluice, line.p, line.n);
	return sluice_publish(run->sluice, &(struct sluice_event){
		.stream_key = ask->stream,
		.event_type = ask->type,
		.data = ask->data,
		.subject = ask->subject,
		.idempotency_key = ask->key,
	});
}

/* Waits for room in the queue; `line.p` NULL: the event of the arguments. */
static int
hand(struct run *run, const struct publish_ask *ask, struct slice line)
{
	struct mono end = mono_add_ms(mono_now(), run->timeout_ms);
	int rc;

	while ((rc = hand_once(run, ask, line)) == SLUICE_FULL &&
	    mono_before(mono_now(), end))
		(void)sluice_flush(run->sluice, ROOM_WAIT_MS);
	return rc;
}

static void
say_bad(struct run *run, uint64_t number, const char *what)
{
	run->bad++;
	(void)fprintf(stderr, "sluicectl: standard input, line %" PRIu64
	    ": %s\n", number, what);
}

/* Reads one line into `line`, without its end, and its bytes into *ret_n; false
 * at the end. More than `size` bytes (then *ret_n is `size`) are left out. */
static bool
next_line(char *line, size_t size, size_t *ret_n)
{
	size_t n = 0;
	int c;

	/* Not fgets: of a line with a NUL it does not say where it ended. */
	while ((c = getc_unlocked(stdin)) != EOF && c != '\n')
		if (n < size)
			line[n++] = (char)c;
	if (n > 0 && n < size && line[n - 1] == '\r')
		n--;
	*ret_n = n;
	return c != EOF || n > 0;
}

static bool
is_blank(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (line[i] != ' ' && line[i] != '\t')
			return false;
	return true;
}

static void
hand_lines(struct run *run, const struct publish_ask *ask)
{
	/* Room for a CR, and one byte more: too large. */
	const size_t size = SLUICE_EVENT_MAX + 2;
	char *line = xmalloc(size);
	uint64_t number = 0;
	size_t n;
	int rc;

	while (!run->gave_up && next_line(line, size, &n)) {
		number++;
		if (n < size && is_blank(line, n))
			continue;
		rc = hand(run, ask, (struct slice){ line, n });
		if (rc == SLUICE_FULL) {
			run->gave_up = true;
			(void)fprintf(stderr, "sluicectl: standard input is "
			    "read up to line %" PRIu64 " and no further: %s\n",
			    number - 1, sluice_strerror(rc));
		} else if (rc != SLUICE_OK) {
			say_bad(run, number, sluice_strerror(rc));
		}
	}
	if (ferror(stdin) != 0)
		say_bad(run, number + 1, strerrordesc_np(errno));
	free(line);
}

static void
print_result(const struct publish_ask *ask, const struct sluice_stats *s)
{
	if (ask->json)
		(void)printf("{\"accepted\":%" PRIu64 ",\"duplicates\":%"
		    PRIu64 ",\"refused\":%" PRIu64 ",\"spooled\":%" PRIu64
		    ",\"lost\":%" PRIu64 "}\n", s->accepted, s->duplicates,
		    s->refused, s->spooled, s->queued);
	else
		(void)printf("accepted %" PRIu64 " (%" PRIu64 " of them were "
		    "there already), refused %" PRIu64 "\n", s->accepted,
		    s->duplicates, s->refused);
}

static int
result_of(const struct run *run, const struct sluice_stats *s)
{
	if (s->queued > 0)
		(void)fprintf(stderr, "sluicectl: %" PRIu64 " events were not "
		    "taken in %" PRId64 " s and are gone: try again, with "
		    "--spool to keep them\n", s->queued,
		    run->timeout_ms / 1000);
	if (s->queued > 0 || run->gave_up)
		return EX_UNAVAILABLE;
	if (run->bad > 0)
		return EX_DATAERR;
	if (s->refused > 0)
		return 1;
	if (s->spooled == 0)
		return 0;
	(void)fprintf(stderr, "sluicectl: %" PRIu64 " events wait in the "
	    "spool: publish with the same --spool sends them first\n",
	    s->spooled);
	return EX_TEMPFAIL;
}

int
publish_cmd(const struct publish_ask *ask)
{
	struct sluice_options o = { .size = sizeof(o), .url = ask->url,
		.token_file = ask->token_file, .ca_file = ask->ca_file,
		.source = ask->source, .spool_directory = ask->spool,
		.refused = refused_cb, .state = state_cb };
	struct run run = { .timeout_ms = ask->timeout * 1000 };
	char problem[SLUICE_ERROR_MAX];
	struct sluice_stats last;
	int rc;

	run.sluice = sluice_open(&o, problem, sizeof(problem));
	if (run.sluice == NULL) {
		(void)fprintf(stderr, "sluicectl: %s\n", problem);
		return EX_CONFIG;
	}
	if (ask->stream == NULL) {
		hand_lines(&run, ask);
	} else {
		rc = hand(&run, ask, (struct slice){ NULL, 0 });
		if (rc != SLUICE_OK) {
			run.bad++;
			(void)fprintf(stderr, "sluicectl: %s\n",
			    sluice_strerror(rc));
		}
	}
	(void)sluice_close(run.sluice, run.timeout_ms, &last);
	print_result(ask, &last);
	return result_of(&run, &last);
}
