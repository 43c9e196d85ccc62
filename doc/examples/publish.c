/*
 * Publishes the life of one job by libsluice, and says what became of it.
 *
 *	cc publish.c $(pkg-config --cflags --libs libsluice) -o publish
 *	./publish http://127.0.0.1:8080 job:42 [TOKEN_FILE [SPOOL_DIRECTORY]]
 */
#include <inttypes.h>
#include <sluice.h>
#include <stdio.h>
#include <string.h>

static void
refused(const struct sluice_refusal *r, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "refused: %s: %s %s\n%s\n", r->code, r->text,
	    r->details, r->event);
}

static void
state_changed(enum sluice_state state, const char *text, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "state %d: %s\n", (int)state, text);
}

/* Never waits: the event is in the queue, or the result says why not. */
static void
publish(struct sluice *s, const char *key, const char *type, const char *data)
{
	int rc = sluice_publish(s, &(struct sluice_event){
		.stream_key = key,
		.event_type = type,
		.data = data,
	});

	if (rc != SLUICE_OK)
		(void)fprintf(stderr, "not taken: %s\n", sluice_strerror(rc));
}

/* A transition of the job; `before` NULL: its first event. */
static void
move(struct sluice *s, const char *key, const char *before, const char *state)
{
	char data[1024];

	(void)snprintf(data, sizeof(data), "{\"job_id\":\"%s\",\"state\":"
	    "\"%s\",\"previous_state\":%s%s%s,\"attempt\":1}",
	    strchr(key, ':') + 1, state, before != NULL ? "\"" : "",
	    before != NULL ? before : "null", before != NULL ? "\"" : "");
	publish(s, key, "job.state_changed", data);
}

static void
progress(struct sluice *s, const char *key, int percent)
{
	char data[1024];

	(void)snprintf(data, sizeof(data), "{\"job_id\":\"%s\","
	    "\"attempt\":1,\"percent\":%d}", strchr(key, ':') + 1, percent);
	publish(s, key, "job.progress", data);
}

int
main(int argc, char **argv)
{
	struct sluice_options options = { .size = sizeof(options) };
	struct sluice_stats stats;
	char problem[SLUICE_ERROR_MAX];
	struct sluice *s;
	int rc;

	if (argc < 3 || strncmp(argv[2], "job:", 4) != 0) {
		(void)fprintf(stderr, "usage: publish URL job:NAME "
		    "[TOKEN_FILE [SPOOL_DIRECTORY]]\n");
		return 64;
	}
	options.url = argv[1];
	options.token_file = argc > 3 && *argv[3] != '\0' ? argv[3] : NULL;
	options.spool_directory = argc > 4 ? argv[4] : NULL;
	options.source = "/worker/example";
	options.refused = refused;
	options.state = state_changed;
	s = sluice_open(&options, problem, sizeof(problem));
	if (s == NULL) {
		(void)fprintf(stderr, "%s\n", problem);
		return 78;
	}
	move(s, argv[2], NULL, "pending");
	move(s, argv[2], "pending", "queued");
	move(s, argv[2], "queued", "leased");
	move(s, argv[2], "leased", "running");
	for (int percent = 25; percent <= 100; percent += 25)
		progress(s, argv[2], percent);
	move(s, argv[2], "running", "succeeded");
	/* Waits until all is taken, 10 s at most. */
	rc = sluice_close(s, 10000, &stats);
	(void)printf("accepted %" PRIu64 ", refused %" PRIu64 ", in the spool "
	    "%" PRIu64 ", lost %" PRIu64 "\n", stats.accepted, stats.refused,
	    stats.spooled, stats.queued);
	return rc == SLUICE_OK && stats.refused == 0 ? 0 : 1;
}
