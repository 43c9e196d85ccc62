/*
 * store_drive: publishes events and asks the store, over the bus, for tests.
 *
 *   store_drive BUS publish [RATE]   reads lines from standard input, each
 *       key TAB event_type TAB subject TAB flags TAB data(JSON)
 *     publishes each (at most RATE a second), prints one line per event when
 *     all are acknowledged: its position
 *   store_drive BUS json '{"op":…}'  prints the status and the answer
 *   store_drive BUS snapshot WAIT SELECTOR…
 *     prints {"as_of","complete","count"} and a line of JSON per event
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/mono.h"
#include "common/publisher.h"
#include "common/query.h"
#include "common/xmalloc.h"

#define DEADLINE_MS  20000
#define PENDING_MAX  (4u * 1024 * 1024)

static struct event_base *base;
static struct publisher *publisher;
static struct event *feed;
static uint64_t *positions;
static size_t submitted, answered, allocated;
static bool at_end;
static long rate;
static struct mono began;
static int exit_status;

static void
finish_if_done(void)
{
	if (at_end && answered == submitted)
		(void)event_base_loopbreak(base);
}

static void
result_cb(const struct publish_result *result, void *arg)
{
	if (result->code != RECORD_APPENDED)
		errx(1, "an event was refused: %d", (int)result->code);
	positions[(uintptr_t)arg] = result->position.number;
	answered++;
	finish_if_done();
}

static char *
field(char **rest)
{
	char *text = strsep(rest, "\t");

	if (text == NULL)
		errx(1, "a line has too few fields");
	return text;
}

/* False: the publisher took nothing. */
static bool
submit(char *line)
{
	char *rest = line, *key = field(&rest), *type = field(&rest);
	char *subject = field(&rest), *flags = field(&rest);
	char *data = field(&rest);
	struct buf b = BUF_EMPTY;
	struct item item = { 0 };
	int rc;

	buf_addf(&b, "\"type\":\"%.*s\",\"stream_key\":\"%s\","
	    "\"event_type\":\"%s\",\"source\":\"/test\",\"subject\":\"%s\","
	    "\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"version\":1,"
	    "\"tenant\":\"-\",\"terminal\":false,\"data\":",
	    (int)strcspn(key, ":"), key, key, type, subject);
	item.data_off = (uint32_t)b.len;
	buf_addf(&b, "%s}", data);
	item.tenant = slice_str("-");
	item.key = slice_str(key);
	item.event_type = slice_str(type);
	item.subject = slice_str(subject);
	item.flags = (uint8_t)strtoul(flags, NULL, 10);
	item.frame = (struct slice){ (const char *)b.data, b.len };
	if (submitted == allocated) {
		allocated = allocated * 2 + 1024;
		positions = xreallocarray(positions, allocated,
		    sizeof(*positions));
	}
	rc = publisher_submit(publisher, &item, 1, result_cb,
	    (void *)(uintptr_t)submitted);
	buf_free(&b);
	return rc == 0;
}

static bool
too_early(void)
{
	return rate > 0 && mono_diff_ms(mono_now(), began) * rate / 1000 <
	    (int64_t)submitted;
}

static void
feed_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg UNUSED)
{
	static char *line;
	static size_t size;
	static bool kept;
	struct timeval soon = { 0, 2000 };
	char *copy;
	int burst;

	for (burst = 0; burst < 200 && !at_end && !too_early(); burst++) {
		if (!kept && getline(&line, &size, stdin) == -1) {
			at_end = true;
			free(line);
			break;
		}
		line[strcspn(line, "\n")] = '\0';
		copy = xstrdup(line);
		kept = !submit(copy);
		free(copy);
		if (kept)
			break;
		submitted++;
	}
	finish_if_done();
	if (!at_end)
		(void)event_add(feed, &soon);
}

static void
ready_cb(struct position tip UNUSED, void *arg UNUSED)
{
	began = mono_now();
	event_active(feed, EV_TIMEOUT, 0);
}

static void
fenced_cb(void *arg UNUSED)
{
	errx(1, "fenced");
}

static void
publish(const char *bus)
{
	struct err err;
	char name[64];
	size_t i;

	(void)snprintf(name, sizeof(name), "test/%ld", (long)getpid());
	feed = event_new(base, -1, 0, feed_cb, NULL);
	publisher = publisher_new(base, bus, name, 1, PENDING_MAX, ready_cb,
	    fenced_cb, NULL, &err);
	if (publisher == NULL)
		errx(1, "%s", err.text);
	(void)event_base_dispatch(base);
	for (i = 0; i < submitted; i++)
		printf("%" PRIu64 "\n", positions[i]);
	publisher_free(publisher);
	event_free(feed);
	free(positions);
}

static void
json_cb(int status, struct slice json, void *arg UNUSED)
{
	printf("%d %.*s\n", status, (int)json.n, json.p);
	(void)event_base_loopbreak(base);
}

static void
print_item(const struct item *item)
{
	struct slice data = item_data(item);

	printf("{\"position\":%" PRIu64 ",\"seq\":%" PRIu64
	    ",\"key\":\"%.*s\",\"event_type\":\"%.*s\",\"data\":%.*s}\n",
	    item->position.number, item->seq, (int)item->key.n, item->key.p,
	    (int)item->event_type.n, item->event_type.p, (int)data.n, data.p);
}

static void
snapshot_cb(const struct query_snapshot *s, const struct err *error,
    void *arg UNUSED)
{
	struct rd items;
	struct item item;
	uint32_t i;

	(void)event_base_loopbreak(base);
	if (s == NULL) {
		warnx("%s", error->text);
		exit_status = 1;
		return;
	}
	printf("{\"as_of\":%" PRIu64 ",\"complete\":%s,\"count\":%u}\n",
	    s->as_of.number, s->complete ? "true" : "false", s->count);
	items = s->items;
	for (i = 0; i < s->count; i++) {
		if (item_decode(&items, &item, true) == -1)
			errx(1, "an item cannot be read");
		print_item(&item);
	}
}

static void
ask(const char *bus, int argc, char **argv)
{
	struct slice selectors[QUERY_SELECTORS_MAX];
	struct query_client *client;
	struct err err;
	int i;

	client = query_client_new(base, bus, &err);
	if (client == NULL)
		errx(1, "%s", err.text);
	if (strcmp(argv[0], "json") == 0) {
		(void)query_json(client, slice_str(argv[1]), DEADLINE_MS,
		    json_cb, NULL);
	} else {
		for (i = 2; i < argc; i++)
			selectors[i - 2] = slice_str(argv[i]);
		(void)query_snapshot(client, slice_str("-"), selectors,
		    (size_t)argc - 2, (struct position){ 0,
		    strtoull(argv[1], NULL, 10) }, DEADLINE_MS, snapshot_cb,
		    NULL);
	}
	(void)event_base_dispatch(base);
	query_client_free(client);
}

int
main(int argc, char **argv)
{
	if (argc < 3 || argc > 1000)
		errx(2, "usage: store_drive BUS publish|json|snapshot …");
	base = event_base_new();
	if (strcmp(argv[2], "publish") == 0) {
		rate = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
		publish(argv[1]);
	} else if (argc > 3) {
		ask(argv[1], argc - 2, argv + 2);
	}
	event_base_free(base);
	return exit_status;
}
