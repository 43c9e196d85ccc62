/*
 * The life of a job by libsluice. BEGAN: when it did, as 2026-11-22T12:00:00Z.
 * SLUICE_TOKEN: where auth is jwt. SLUICE_SPOOL: a directory for what waits.
 *
 *	cc publish.c $(pkg-config --cflags --libs libsluice) -o publish
 *	./publish http://127.0.0.1:8080 42 2026-11-22T12:00:00Z
 */
#include <inttypes.h>
#include <sluice.h>
#include <stdio.h>
#include <stdlib.h>

static const char *job, *began;

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

/* Never waits: the event is in the queue, or the result says why not. With a
 * key and a time of its own it is the same event whenever this is run again;
 * the library repeats requests by itself. `more`: members of its data. */
static void
publish(struct sluice *s, const char *type, const char *name, const char *more)
{
	char stream[512], key[512], data[1024];
	int rc;

	(void)snprintf(stream, sizeof(stream), "job:%s", job);
	(void)snprintf(key, sizeof(key), "%s/%s", job, name);
	(void)snprintf(data, sizeof(data), "{\"job_id\":\"%s\",\"attempt\":1,"
	    "%s}", job, more);
	rc = sluice_publish(s, &(struct sluice_event){
		.stream_key = stream,
		.event_type = type,
		.data = data,
		.idempotency_key = key,
		.timestamp = began,
	});
	if (rc != SLUICE_OK)
		(void)fprintf(stderr, "not taken: %s\n", sluice_strerror(rc));
}

static void
publish_life(struct sluice *s)
{
	publish(s, "job.state_changed", "running",
	    "\"state\":\"running\",\"previous_state\":null");
	publish(s, "job.progress", "50", "\"percent\":50");
	publish(s, "job.progress", "100", "\"percent\":100");
	publish(s, "job.log", "line 1",
	    "\"line_no\":1,\"stream\":\"stdout\",\"line\":\"fetching\"");
	publish(s, "job.log", "line 2",
	    "\"line_no\":2,\"stream\":\"stdout\",\"line\":\"done\"");
	publish(s, "job.state_changed", "succeeded",
	    "\"state\":\"succeeded\",\"previous_state\":\"running\"");
}

int
main(int argc, char **argv)
{
	struct sluice_options options = { .size = sizeof(options) };
	struct sluice_stats stats;
	char problem[SLUICE_ERROR_MAX];
	struct sluice *s;
	int rc;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: publish URL JOB BEGAN\n");
		return 64;
	}
	job = argv[2];
	began = argv[3];
	options.url = argv[1];
	options.token = getenv("SLUICE_TOKEN");
	options.spool_directory = getenv("SLUICE_SPOOL");
	options.source = "/worker/example";
	options.refused = refused;
	options.state = state_changed;
	s = sluice_open(&options, problem, sizeof(problem));
	if (s == NULL) {
		(void)fprintf(stderr, "%s\n", problem);
		return 78;
	}
	publish_life(s);
	/* Waits until all is taken, 10 s at most. */
	rc = sluice_close(s, 10000, &stats);
	(void)printf("accepted %" PRIu64 ", refused %" PRIu64 ", in the spool "
	    "%" PRIu64 ", lost %" PRIu64 "\n", stats.accepted, stats.refused,
	    stats.spooled, stats.queued);
	return rc == SLUICE_OK && stats.refused == 0 ? 0 : 1;
}
