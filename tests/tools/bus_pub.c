/*
 * bus_pub: publishes numbered events to the broker, as a watcher would, and
 * says what became of them. For tests; without a supervisor.
 *
 *	bus_pub [-n count] [-s bytes] [-k key] [-t tenant] [-r per second]
 *	    [-g items per group] [-i] [-l] [-m member] [-G guard] [-a start]
 *	    BUS_DIRECTORY NAME INCARNATION
 *
 * -i: each event has an idempotency key (of name and number); -l: lifecycle
 * events; -m: a member of this name, which no rule knows, is in front; -G: the
 * guard of the first event ("0" none yet, or an id). The event's data is
 * {"p":"<name>","n":<number>,"pad":"..."}. The last line is "done appended=N
 * duplicate=N conflict=N guard_lost=N limit=N first=ID last=ID"; "fenced" and
 * exit 3 when a newer incarnation registered.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mono.h"
#include "common/publisher.h"
#include "common/xmalloc.h"

#define GROUP_MAX   EVENT_BATCH_MAX
#define FRAME_BYTES (EVENT_DATA_LINE_MAX)

struct pub {
	struct event_base	*base;
	struct publisher	*publisher;
	struct event		*timer;
	const char		*name;
	const char		*key;
	const char		*tenant;
	const char		*member;
	uint64_t		 count;
	uint64_t		 number;      /* of the next event */
	uint64_t		 submitted;
	uint64_t		 answered;
	size_t			 size;
	uint64_t		 rate;
	uint32_t		 group;
	bool			 idempotent;
	bool			 lifecycle;
	bool			 guarded;
	bool			 ready;
	struct position		 guard;
	struct mono		 began;
	uint64_t		 by_code[RECORD_CODE_MAX];
	struct position		 first;
	struct position		 last;
	char			*frames;
	struct item		 items[GROUP_MAX];
};

static void
finish(struct pub *p)
{
	char first[EVENT_ID_MAX], last[EVENT_ID_MAX];

	printf("done appended=%" PRIu64 " duplicate=%" PRIu64 " conflict=%"
	    PRIu64 " guard_lost=%" PRIu64 " limit=%" PRIu64
	    " first=%s last=%s\n",
	    p->by_code[RECORD_APPENDED], p->by_code[RECORD_DUPLICATE],
	    p->by_code[RECORD_KEY_CONFLICT], p->by_code[RECORD_GUARD_LOST],
	    p->by_code[RECORD_LIMIT], position_format(p->first, first),
	    position_format(p->last, last));
	(void)fflush(stdout);
	(void)event_base_loopbreak(p->base);
}

static void
pub_result_cb(const struct publish_result *r, void *arg)
{
	struct pub *p = arg;

	p->by_code[r->code] += r->count;
	p->answered += r->count;
	if (r->code != RECORD_LIMIT) {
		if (p->first.number == 0)
			p->first = r->position;
		p->last = r->position;
		if (r->code == RECORD_APPENDED)
			p->last.number += r->count - 1;
	}
	if (p->answered == p->count)
		finish(p);
}

static size_t
make_item(struct pub *p, struct item *item, char *frame)
{
	int m = p->member == NULL ? 0 : snprintf(frame, FRAME_BYTES,
	    "\"%s\":1,", p->member);
	int n = m + snprintf(frame + m, FRAME_BYTES - (size_t)m,
	    "\"type\":\"job\",\"stream_key\":"
	    "\"%s\",\"event_type\":\"job.progress\",\"data\":{\"p\":\"%s\","
	    "\"n\":%" PRIu64 ",\"pad\":\"", p->key, p->name, p->number);
	const char *data = strstr(frame, "{\"p\":");
	size_t at = (size_t)n;
	uint64_t hash[2];

	while (at + 3 < p->size && at + 4 < FRAME_BYTES)
		frame[at++] = 'x';
	memcpy(frame + at, "\"}}", 4);
	*item = (struct item){ .tenant = slice_str(p->tenant),
		.key = slice_str(p->key), .state = (uint8_t)p->number,
		.event_type = slice_str("job.progress"),
		.frame = { frame, at + 3 },
		.data_off = (uint32_t)(data - frame) };
	if (p->lifecycle)
		item->flags |= ITEM_LIFECYCLE;
	if (p->guarded) {
		item->flags |= ITEM_GUARDED;
		item->guard = p->guard;
	}
	if (p->idempotent) {
		item->flags |= ITEM_IDEMPOTENT;
		hash[0] = crc32c(7, p->name, strlen(p->name));
		hash[1] = p->number;
		memcpy(item->idem, hash, sizeof(hash));
		memcpy(item->body, hash, sizeof(hash));
		item->body[15] = (uint8_t)p->size;
	}
	p->number++;
	return at + 3;
}

/* As many groups as the pace and the publisher's limit admit. */
static void
pump(struct pub *p)
{
	uint64_t allowed = p->count;

	if (p->rate != 0)
		allowed = MIN(p->count, 1 + (uint64_t)mono_diff_ms(mono_now(),
		    p->began) * p->rate / 1000);
	while (p->ready && p->submitted < allowed) {
		uint64_t number = p->number;
		size_t n = (size_t)MIN((uint64_t)p->group,
		    p->count - p->submitted), used = 0;

		if (publisher_pending(p->publisher) > EVENT_BATCH_BYTES)
			return;
		for (size_t i = 0; i < n; i++)
			used += make_item(p, &p->items[i], p->frames + used);
		if (publisher_submit(p->publisher, p->items, n, pub_result_cb,
		    p) < 0) {
			p->number = number;
			return;
		}
		p->submitted += n;
	}
}

static void
pub_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	pump(arg);
}

static void
pub_ready_cb(struct position tip, void *arg)
{
	struct pub *p = arg;
	char text[EVENT_ID_MAX];

	printf("ready %s\n", position_format(tip, text));
	(void)fflush(stdout);
	p->ready = true;
	p->began = mono_now();
	if (p->count == 0)
		finish(p);
	pump(p);
}

static void
pub_fenced_cb(void *arg UNUSED)
{
	printf("fenced\n");
	(void)fflush(stdout);
	_exit(3);
}

static uint64_t
number_arg(const char *text)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0') {
		fprintf(stderr, "bus_pub: not a number: %s\n", text);
		exit(2);
	}
	return v;
}

static void
options(struct pub *p, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:s:k:t:r:g:ilm:G:a:")) != -1) {
		switch (c) {
		case 'n': p->count = number_arg(optarg); break;
		case 's': p->size = number_arg(optarg); break;
		case 'k': p->key = optarg; break;
		case 't': p->tenant = optarg; break;
		case 'r': p->rate = number_arg(optarg); break;
		case 'g': p->group = (uint32_t)number_arg(optarg); break;
		case 'i': p->idempotent = true; break;
		case 'l': p->lifecycle = true; break;
		case 'm': p->member = optarg; break;
		case 'a': p->number = number_arg(optarg); break;
		case 'G':
			p->guarded = true;
			if (strcmp(optarg, "0") != 0 && !position_parse(
			    slice_str(optarg), &p->guard))
				exit(2);
			break;
		default: exit(2);
		}
	}
	if (argc - optind != 3 || p->group == 0 || p->group > GROUP_MAX) {
		fprintf(stderr, "usage: bus_pub [options] BUS_DIRECTORY NAME "
		    "INCARNATION\n");
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	static struct pub p = { .count = 1, .number = 1, .size = 200,
		.key = "job:test", .tenant = "-", .group = 1 };
	const struct timeval often = { 0, 2000 };
	struct err err;

	options(&p, argc, argv);
	p.name = argv[optind + 1];
	p.frames = xmalloc((size_t)p.group * (p.size + 1024) + FRAME_BYTES);
	p.base = event_base_new();
	p.publisher = publisher_new(p.base, argv[optind], p.name,
	    number_arg(argv[optind + 2]), 2 * EVENT_BATCH_BYTES, pub_ready_cb,
	    pub_fenced_cb, &p, &err);
	if (p.publisher == NULL) {
		fprintf(stderr, "bus_pub: %s\n", err.text);
		return 1;
	}
	p.timer = event_new(p.base, -1, EV_PERSIST, pub_timer_cb, &p);
	(void)event_add(p.timer, &often);
	(void)event_base_dispatch(p.base);
	event_free(p.timer);
	publisher_free(p.publisher);
	event_base_free(p.base);
	free(p.frames);
	return 0;
}
