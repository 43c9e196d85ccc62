/*
 * bus_sub: reads everything the broker sequences, as a gateway would, and
 * checks it: positions in order, per-key seq and the publisher's own numbers
 * without hole or repeat. For tests; without a supervisor.
 *
 *	bus_sub [-s start id | tip] [-p] BUS_DIRECTORY JOURNAL_DIRECTORY NAME
 *	    INCARNATION
 *
 * The first line is "path ADDRESS" (for PEER_UP). Then "gap FROM NEXT", with
 * -p "event ID SEQ KEY NUMBER" per event, and at most five times a second
 * "at ID items=N errors=N gaps=N" when caught up. Input lines: "segment FIRST
 * PATH" adopts a memory segment; "quit".
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mono.h"
#include "common/subscriber.h"
#include "common/xmalloc.h"

#define KEYS_MAX  4096
#define REPORT_MS 200

struct key {
	char		*name;
	uint64_t	 seq;
	uint64_t	 number;
};

struct sub {
	struct event_base	*base;
	struct subscriber	*subscriber;
	struct key		 keys[KEYS_MAX];
	size_t			 n_keys;
	uint64_t		 items;
	uint64_t		 errors;
	uint64_t		 gaps;
	uint64_t		 last;
	uint64_t		 skip;      /* start: inside a record */
	bool			 print;
	bool			 lost;      /* after a gap numbers may jump */
	struct mono		 told;
	char			 line[4096];
	size_t			 line_n;
};

static struct key *
key_find(struct sub *s, struct slice name)
{
	for (size_t i = 0; i < s->n_keys; i++) {
		if (slice_is(name, s->keys[i].name))
			return &s->keys[i];
	}
	if (s->n_keys == KEYS_MAX)
		exit(4);
	s->keys[s->n_keys] = (struct key){ .name = slice_dup(name) };
	return &s->keys[s->n_keys++];
}

static uint64_t
number_of(const struct item *item)
{
	struct slice data = item_data(item);
	const char *n = memmem(data.p, data.n, "\"n\":", 4);

	return n != NULL ? strtoull(n + 4, NULL, 10) : 0;
}

static void
complain(struct sub *s, const struct item *item, const char *what,
    uint64_t got, uint64_t before)
{
	char id[EVENT_ID_MAX];

	if (++s->errors <= 20)
		printf("error %s %.*s: %s %" PRIu64 " after %" PRIu64 "\n",
		    position_format(item->position, id), (int)item->key.n,
		    item->key.p, what, got, before);
}

static void
take_item(struct sub *s, const struct item *item)
{
	struct key *key = key_find(s, item->key);
	uint64_t number = number_of(item);
	char id[EVENT_ID_MAX];

	if (item->position.number <= s->skip)
		return;
	if (item->position.number <= s->last)
		complain(s, item, "position", item->position.number, s->last);
	if (!s->lost && key->seq != 0 && item->seq != key->seq + 1)
		complain(s, item, "seq", item->seq, key->seq);
	if (!s->lost && key->number != 0 && number != key->number + 1)
		complain(s, item, "number", number, key->number);
	s->last = item->position.number;
	key->seq = item->seq;
	key->number = number;
	s->items++;
	if (s->print)
		printf("event %s %" PRIu64 " %.*s %" PRIu64 "\n",
		    position_format(item->position, id), item->seq,
		    (int)item->key.n, item->key.p, number);
}

static void
sub_record(const void *bytes, size_t n, void *arg)
{
	struct record_exception e;
	struct record_header h;
	struct sub *s = arg;
	struct item item;
	struct rd r;

	if (record_decode(bytes, n, &h, &r, NULL) < 0) {
		s->errors++;
		return;
	}
	for (uint32_t i = 0; i < h.exceptions; i++)
		(void)record_exception_decode(&r, &e);
	for (uint32_t i = 0; i < h.count; i++) {
		if (record_item_decode(&r, &h, i, &item) < 0) {
			s->errors++;
			return;
		}
		take_item(s, &item);
	}
}

static void
sub_gap(struct position from, struct position next, void *arg)
{
	char a[EVENT_ID_MAX], b[EVENT_ID_MAX];
	struct sub *s = arg;

	s->gaps++;
	s->lost = true;
	printf("gap %s %s\n", position_format(from, a),
	    position_format(next, b));
	(void)fflush(stdout);
}

static void
sub_caught_up(const struct heartbeat *hb, void *arg)
{
	char id[EVENT_ID_MAX];
	struct sub *s = arg;

	if (s->told.ns != 0 && mono_diff_ms(mono_now(), s->told) < REPORT_MS)
		return;
	s->told = mono_now();
	printf("at %s items=%" PRIu64 " errors=%" PRIu64 " gaps=%" PRIu64
	    " oldest=%" PRIu64 " forgotten=%" PRIu64 "\n",
	    position_format(hb->tip, id), s->items, s->errors, s->gaps,
	    hb->oldest, hb->forgotten_through);
	(void)fflush(stdout);
}

static void
command(struct sub *s, char *line)
{
	uint64_t first;
	char *path;
	int fd;

	if (strcmp(line, "quit") == 0) {
		(void)event_base_loopbreak(s->base);
	} else if (strncmp(line, "segment ", 8) == 0) {
		first = strtoull(line + 8, &path, 10);
		fd = open(path + 1, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			printf("error segment %s\n", path);
		else
			subscriber_add_segment(s->subscriber, first, fd);
	}
}

static void
sub_input_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct sub *s = arg;
	ssize_t n = read(fd, s->line + s->line_n,
	    sizeof(s->line) - 1 - s->line_n);
	char *end;

	if (n <= 0) {
		(void)event_base_loopbreak(s->base);
		return;
	}
	s->line_n += (size_t)n;
	s->line[s->line_n] = '\0';
	while ((end = strchr(s->line, '\n')) != NULL) {
		*end = '\0';
		command(s, s->line);
		s->line_n -= (size_t)(end + 1 - s->line);
		memmove(s->line, end + 1, s->line_n + 1);
	}
}

int
main(int argc, char **argv)
{
	static const struct subscriber_ops ops = { .record = sub_record,
		.gap = sub_gap, .caught_up = sub_caught_up };
	static struct sub s;
	struct position start = { 0, 0 };
	struct event *input;
	struct err err;
	int c;

	while ((c = getopt(argc, argv, "s:p")) != -1) {
		if (c == 'p')
			s.print = true;
		else if (c == 's' && strcmp(optarg, "tip") == 0)
			start.number = UINT64_MAX;
		else if (c != 's' || !position_parse(slice_str(optarg),
		    &start))
			return 2;
	}
	if (argc - optind != 4)
		return 2;
	s.skip = start.number == UINT64_MAX ? 0 : start.number;
	s.base = event_base_new();
	s.subscriber = subscriber_new(s.base, argv[optind], argv[optind + 1],
	    argv[optind + 2], strtoull(argv[optind + 3], NULL, 10), start,
	    &ops, &s, &err);
	if (s.subscriber == NULL) {
		fprintf(stderr, "bus_sub: %s\n", err.text);
		return 1;
	}
	printf("path %s\n", subscriber_path(s.subscriber));
	(void)fflush(stdout);
	input = event_new(s.base, STDIN_FILENO, EV_READ | EV_PERSIST,
	    sub_input_cb, &s);
	(void)event_add(input, NULL);
	(void)event_base_dispatch(s.base);
	event_free(input);
	subscriber_free(s.subscriber);
	event_base_free(s.base);
	for (size_t i = 0; i < s.n_keys; i++)
		free(s.keys[i].name);
	return 0;
}
