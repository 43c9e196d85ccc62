#include "ctl/publish_cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/buf.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "ctl/publish_lines.h"
#include "lib/sluice.h"

#define TIMEOUT_DEFAULT 30
#define TURN_MS         100    /* of waiting, until a look at signals */
#define SHOWN_MAX       200    /* bytes of an event in a message */

/* What the run has come to. */
struct run {
	struct sluice	*sluice;
	struct publish_lines lines;
	int64_t		 timeout_ms;
	uint64_t	 bad;        /* lines that are no events */
	bool		 gave_up;
	bool		 asked;      /* to end, by a signal */
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
	if (strcmp(argv[i], "--timestamp") == 0)
		return &ask->timestamp;
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
	/* Else each run would give the event another time, and a second one
	 * be refused: a key is for the same event. */
	if (ret->key != NULL && ret->timestamp == NULL) {
		(void)fprintf(stderr, "sluicectl: --key needs --timestamp: "
		    "under the same key the service takes the same event "
		    "again, with the same time, and no other\n");
		return -1;
	}
	/* One event is whole, or there is none. */
	if (ret->stream != NULL)
		return ret->type != NULL && ret->data != NULL ? 0 : -1;
	return ret->type == NULL && ret->data == NULL &&
	    ret->subject == NULL && ret->timestamp == NULL ? 0 : -1;
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
		[SLUICE_SPOOL_FAILED] = "the spool fails",
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
		.timestamp = ask->timestamp,
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
	    mono_before(mono_now(), end) &&
	    !publish_lines_asked(&run->lines))
		(void)sluice_flush(run->sluice, TURN_MS);
	return rc;
}

static void
say_bad(struct run *run, uint64_t number, const char *what)
{
	run->bad++;
	(void)fprintf(stderr, "sluicectl: standard input, line %" PRIu64
	    ": %s\n", number, what);
}

static bool
is_blank(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (line[i] != ' ' && line[i] != '\t')
			return false;
	return true;
}

/* Why no more lines are read, and up to which one they were. */
static void
say_end(struct run *run, enum publish_line found, uint64_t number,
    const struct err *err)
{
	if (run->gave_up)
		(void)fprintf(stderr, "sluicectl: standard input is read up to "
		    "line %" PRIu64 " and no further: %s\n", number,
		    sluice_strerror(SLUICE_FULL));
	else if (found == PUBLISH_LINES_SIGNAL)
		(void)fprintf(stderr, "sluicectl: asked to end: standard input "
		    "is read up to line %" PRIu64 "\n", number);
	else if (found == PUBLISH_LINES_FAILED)
		say_bad(run, number + 1, err->text);
}

static void
hand_lines(struct run *run, const struct publish_ask *ask)
{
	/* Room for a CR, and one byte more: too large. */
	const size_t size = SLUICE_EVENT_MAX + 2;
	char *line = xmalloc(size);
	enum publish_line found;
	uint64_t number = 0;
	struct err err;
	size_t n;
	int rc;

	while ((found = publish_lines_next(&run->lines, line, size, &n,
	    &err)) == PUBLISH_LINE) {
		rc = n < size && is_blank(line, n) ? SLUICE_OK :
		    hand(run, ask, (struct slice){ line, n });
		if (rc == SLUICE_FULL) {
			run->gave_up = !publish_lines_asked(&run->lines);
			found = PUBLISH_LINES_SIGNAL;
			break;
		}
		number++;
		if (rc != SLUICE_OK)
			say_bad(run, number, sluice_strerror(rc));
	}
	say_end(run, found, number, &err);
	free(line);
}

/* Until all is taken, the time is over, or a signal asks to end. */
static int
finish(struct run *run, struct sluice_stats *ret)
{
	struct mono end = mono_add_ms(mono_now(), run->timeout_ms);

	while (sluice_flush(run->sluice, TURN_MS) == SLUICE_TIMEOUT &&
	    mono_before(mono_now(), end) && !publish_lines_asked(&run->lines))
		continue;
	return sluice_close(run->sluice, 0, ret);
}

static void
print_result(const struct publish_ask *ask, const struct sluice_stats *s)
{
	if (ask->json)
		(void)printf("{\"accepted\":%" PRIu64 ",\"duplicates\":%"
		    PRIu64 ",\"refused\":%" PRIu64 ",\"spooled\":%" PRIu64
		    ",\"lost\":%" PRIu64 ",\"damaged\":%" PRIu64 "}\n",
		    s->accepted, s->duplicates, s->refused, s->spooled,
		    s->queued, s->damaged);
	else
		(void)printf("accepted %" PRIu64 " (%" PRIu64 " of them were "
		    "there already), refused %" PRIu64 ", in the spool %"
		    PRIu64 ", lost %" PRIu64 ", damaged %" PRIu64 "\n",
		    s->accepted, s->duplicates, s->refused, s->spooled,
		    s->queued, s->damaged);
}

/* The worst of what there is to tell. */
static int
result_of(const struct run *run, const struct publish_ask *ask,
    const struct sluice_stats *s)
{
	char until[40] = "until it was asked to end,";

	if (!run->asked)
		(void)snprintf(until, sizeof(until), "in %" PRId64 " s",
		    run->timeout_ms / 1000);
	if (s->queued > 0)
		(void)fprintf(stderr, "sluicectl: %" PRIu64 " events were not "
		    "taken %s and are gone: try again, with --spool to keep "
		    "them\n", s->queued, until);
	if (s->damaged > 0)
		(void)fprintf(stderr, "sluicectl: %" PRIu64 " events at least "
		    "are not sent, since the spool is damaged: they are kept "
		    "in %s/*.damaged\n", s->damaged, ask->spool);
	if (s->spooled > 0)
		(void)fprintf(stderr, "sluicectl: %" PRIu64 " events wait in "
		    "the spool: publish with the same --spool sends them "
		    "first\n", s->spooled);
	if (s->queued > 0 || run->gave_up)
		return EX_UNAVAILABLE;
	/* The next run will not know of it. */
	if (s->damaged > 0)
		return EX_IOERR;
	if (s->spooled > 0)
		return EX_TEMPFAIL;
	if (run->bad > 0)
		return EX_DATAERR;
	return s->refused > 0 ? 1 : 0;
}

static void
hand_all(struct run *run, const struct publish_ask *ask)
{
	int rc;

	if (ask->stream == NULL) {
		hand_lines(run, ask);
		return;
	}
	rc = hand(run, ask, (struct slice){ NULL, 0 });
	if (rc == SLUICE_OK)
		return;
	run->bad++;
	(void)fprintf(stderr, "sluicectl: %s\n", sluice_strerror(rc));
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
	struct err err;

	if (publish_lines_init(&run.lines, &err) != 0) {
		(void)fprintf(stderr, "sluicectl: %s\n", err.text);
		return EX_OSERR;
	}
	run.sluice = sluice_open(&o, problem, sizeof(problem));
	if (run.sluice == NULL) {
		(void)fprintf(stderr, "sluicectl: %s\n", problem);
		publish_lines_clear(&run.lines);
		return EX_CONFIG;
	}
	hand_all(&run, ask);
	if (finish(&run, &last) == SLUICE_UNSYNCED)
		(void)fprintf(stderr, "sluicectl: %s\n",
		    sluice_strerror(SLUICE_UNSYNCED));
	run.asked = publish_lines_asked(&run.lines);
	publish_lines_clear(&run.lines);
	print_result(ask, &last);
	return result_of(&run, ask, &last);
}
