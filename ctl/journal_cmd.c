#include "ctl/journal_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/journal.h"
#include "common/journal_file.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "ctl/journal_verify.h"

#define KEYS_MIN 1024u

/* Last seq seen of a stream, for the check that seqs have no hole. */
struct stream {
	char		*name;     /* tenant, NUL, key */
	size_t		 name_len;
	uint64_t	 seq;
};

struct look {
	const char	*path;
	int		 directory;
	bool		 json;
	bool		 dump;
	uint64_t	*segments;
	size_t		 n_segments;
	/* Totals, and what the walk knows. */
	uint64_t	 records;
	uint64_t	 events;
	uint64_t	 problems;
	uint64_t	 holes;
	uint32_t	 epoch;
	uint64_t	 next;
	struct stream	*streams;  /* open addressing */
	size_t		 n_streams;
	size_t		 mask;
	struct buf	 line;
};

/* One segment being walked. */
struct walk {
	char		 name[JOURNAL_FILE_NAME_MAX];
	int		 fd;
	struct journal_segment header;
	uint64_t	 offset;
	uint64_t	 next;
	uint64_t	 events;
	bool		 last;
	struct buf	 bytes;
};

static void PRINTF(3, 4)
problem(struct look *l, const struct walk *w, const char *fmt, ...)
{
	va_list ap;

	l->problems++;
	(void)fflush(stdout);
	fprintf(stderr, "%s/%s: at offset %" PRIu64 ": ", l->path, w->name,
	    w->offset);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

/* --- seq continuity ------------------------------------------------------ */

static struct stream *
stream_slot(struct stream *table, size_t mask, const char *name, size_t n)
{
	size_t i = crc32c(0, name, n) & mask;

	while (table[i].name != NULL && (table[i].name_len != n ||
	    memcmp(table[i].name, name, n) != 0))
		i = (i + 1) & mask;
	return &table[i];
}

static void
streams_grow(struct look *l)
{
	size_t size = l->mask == 0 ? KEYS_MIN : (l->mask + 1) * 2;
	struct stream *table = xcalloc(size, sizeof(*table));

	for (size_t i = 0; l->streams != NULL && i <= l->mask; i++) {
		const struct stream *s = &l->streams[i];

		if (s->name != NULL)
			*stream_slot(table, size - 1, s->name, s->name_len) =
			    *s;
	}
	free(l->streams);
	l->streams = table;
	l->mask = size - 1;
}

static void
check_seq(struct look *l, const struct walk *w, const struct item *item)
{
	char name[EVENT_TENANT_MAX + 1 + EVENT_KEY_MAX];
	size_t n = item->tenant.n + 1 + item->key.n;
	struct stream *s;

	memcpy(name, item->tenant.p, item->tenant.n);
	name[item->tenant.n] = '\0';
	memcpy(name + item->tenant.n + 1, item->key.p, item->key.n);
	if (l->mask == 0 || l->n_streams >= l->mask / 2)
		streams_grow(l);
	s = stream_slot(l->streams, l->mask, name, n);
	if (s->name == NULL) {
		s->name = xmemdup(name, n);
		s->name_len = n;
		l->n_streams++;
	} else if (item->seq != s->seq + 1 && item->seq != 1 &&
	    l->holes == 0) {
		problem(l, w, "stream %.*s: seq %" PRIu64 " after %" PRIu64,
		    (int)item->key.n, item->key.p, item->seq, s->seq);
	}
	s->seq = item->seq;
}

/* --- output -------------------------------------------------------------- */

static void
add_member(struct buf *b, const char *name, struct slice text)
{
	buf_addc(b, ',');
	buf_json_member(b, name, text);
}

static void
print_item(struct look *l, const struct record_header *h,
    const struct item *item)
{
	char id[EVENT_ID_MAX], time[MONO_RFC3339_SIZE];
	struct buf *b = &l->line;

	(void)position_format(item->position, id);
	(void)wall_format(h->time_unix_ms, time);
	buf_reset(b);
	if (l->json) {
		buf_addf(b, "{\"id\":\"%s\"", id);
		add_member(b, "tenant", item->tenant);
		add_member(b, "stream_key", item->key);
		buf_addf(b, ",\"seq\":%" PRIu64, item->seq);
		add_member(b, "event_type", item->event_type);
		add_member(b, "publisher", h->publisher);
		buf_addf(b, ",\"time\":\"%s\"}\n", time);
	} else {
		/* Escaped: a key in a damaged record may hold anything. */
		buf_addf(b, "%s ", id);
		buf_json_text(b, item->tenant.p, item->tenant.n);
		buf_addc(b, ' ');
		buf_json_text(b, item->key.p, item->key.n);
		buf_addf(b, " %" PRIu64 " ", item->seq);
		buf_json_text(b, item->event_type.p, item->event_type.n);
		buf_addf(b, " %s\n", time);
	}
	(void)fwrite(b->data, 1, b->len, stdout);
}

/* --- walking ------------------------------------------------------------- */

static void
take_items(struct look *l, struct walk *w, const struct record_header *h,
    struct rd r)
{
	struct record_exception e;
	struct item item;

	for (uint32_t i = 0; i < h->exceptions; i++) {
		if (record_exception_decode(&r, &e) < 0) {
			problem(l, w, "bad exception");
			return;
		}
	}
	for (uint32_t i = 0; i < h->count; i++) {
		if (record_item_decode(&r, h, i, &item) < 0) {
			problem(l, w, "bad item %u", i);
			return;
		}
		check_seq(l, w, &item);
		if (l->dump)
			print_item(l, h, &item);
	}
	if (!rd_done(&r))
		problem(l, w, "bytes are left over in a record");
	l->records++;
	l->events += h->count;
	w->events += h->count;
}

static int
fill(struct walk *w, size_t n)
{
	ssize_t got;

	n = MAX(n, (size_t)JOURNAL_SLICE_MAX);
	buf_reset(&w->bytes);
	got = journal_file_read(w->fd, buf_reserve(&w->bytes, n), n,
	    w->offset);
	if (got < 0)
		return -1;
	buf_grew(&w->bytes, (size_t)got);
	return 0;
}

/* All that follows must be zeroes. */
static bool
rest_is_zero(struct walk *w)
{
	uint64_t start = w->offset;
	bool zero = true;

	while (zero && fill(w, 0) == 0 && w->bytes.len != 0) {
		for (size_t i = 0; i < w->bytes.len && zero; i++)
			zero = w->bytes.data[i] == 0;
		w->offset += w->bytes.len;
	}
	w->offset = start;
	return zero;
}

/* One record; false at the end (of what can be read). */
static bool
take_record(struct look *l, struct walk *w, size_t *at)
{
	struct record_header h;
	struct err err;
	struct rd r;
	uint32_t length;

	if (w->bytes.len - *at < 4) {
		if (fill(w, 4) < 0) {
			problem(l, w, "%s", strerrordesc_np(errno));
			return false;
		}
		*at = 0;
	}
	r = rd_init(w->bytes.data + *at, w->bytes.len - *at);
	length = rd_u32(&r);
	if (r.failed || length == 0)
		return false;
	if (length <= RECORD_MAX && w->bytes.len - *at < length) {
		if (fill(w, length) < 0) {
			problem(l, w, "%s", strerrordesc_np(errno));
			return false;
		}
		*at = 0;
	}
	if (record_decode(w->bytes.data + *at, w->bytes.len - *at, &h, &r,
	    &err) < 0) {
		problem(l, w, "%s%s", err.text, w->last ? " (a running "
		    "broker may be writing it; a start cuts a half one)" :
		    "");
		return false;
	}
	if (h.first != w->next || h.epoch != w->header.epoch)
		problem(l, w, "record has position %08" PRIx32 "-%" PRIu64
		    ", not %08" PRIx32 "-%" PRIu64, h.epoch, h.first,
		    w->header.epoch, w->next);
	take_items(l, w, &h, r);
	w->next = h.first + h.count;
	w->offset += length;
	*at += length;
	return true;
}

/* Between segments: the same epoch goes on without a hole. */
static void
check_follows(struct look *l, const struct walk *w)
{
	if (l->next == 0)
		return;
	if (l->epoch == w->header.epoch && w->header.first != l->next)
		problem(l, w, "positions %" PRIu64 " to %" PRIu64
		    " are missing before this segment", l->next,
		    w->header.first - 1);
	/* What was lost with an epoch, seqs show: no problem of this file. */
	if (w->header.first != l->next)
		l->holes++;
}

static void
print_segment(const struct look *l, const struct walk *w)
{
	char time[MONO_RFC3339_SIZE];
	struct stat st = { 0 };

	(void)fstat(w->fd, &st);
	(void)wall_format(w->header.created_unix_ms, time);
	printf(l->json ? "{\"segment\":\"%s\",\"epoch\":\"%08" PRIx32
	    "\",\"first\":%" PRIu64 ",\"next\":%" PRIu64 ",\"events\":%"
	    PRIu64 ",\"bytes\":%" PRIu64 ",\"size\":%jd,\"created\":\"%s\"}\n"
	    : "segment %s  epoch %08" PRIx32 "  positions %" PRIu64 " to %"
	    PRIu64 " (excl.)  %" PRIu64 " events  %" PRIu64 " of %jd bytes  "
	    "since %s\n", w->name, w->header.epoch, w->header.first, w->next,
	    w->events, w->offset, (intmax_t)st.st_size, time);
}

static void
take_segment(struct look *l, size_t index, bool print)
{
	struct walk w = { .last = index + 1 == l->n_segments };
	struct err err;
	size_t at = 0;

	(void)journal_file_name(w.name, l->segments[index], "seg");
	w.fd = openat(l->directory, w.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (w.fd < 0) {
		/* It left while we looked: history got shorter. */
		if (errno != ENOENT)
			problem(l, &w, "%s", strerrordesc_np(errno));
		return;
	}
	if (journal_file_header_read(w.fd, &w.header, &err) < 0) {
		problem(l, &w, "%s", err.text);
	} else {
		if (w.header.first != l->segments[index])
			problem(l, &w, "header says it begins at %" PRIu64,
			    w.header.first);
		w.next = w.header.first;
		w.offset = JOURNAL_HEADER_SIZE;
		check_follows(l, &w);
		while (take_record(l, &w, &at))
			;
		if (l->problems == 0 && !w.last && !rest_is_zero(&w))
			problem(l, &w, "data follows the end of the records");
		l->epoch = w.header.epoch;
		l->next = w.next;
		if (print)
			print_segment(l, &w);
	}
	buf_free(&w.bytes);
	(void)close(w.fd);
}

/* --- the commands -------------------------------------------------------- */

static void
print_epochs(struct look *l)
{
	struct journal_epoch e[JOURNAL_FILE_EPOCHS_MAX];
	struct err err;
	int n = journal_file_epochs_read(l->directory, e, &err);

	if (n < 0) {
		l->problems++;
		fprintf(stderr, "%s/%s\n", l->path, err.text);
	}
	for (int i = 0; i < n; i++)
		printf(l->json ? "{\"epoch\":\"%08" PRIx32 "\",\"first\":%"
		    PRIu64 ",\"boot_id\":\"%s\",\"reserved\":%" PRIu64
		    ",\"mark\":\"%s\"}\n" : "epoch %08" PRIx32 "  from %"
		    PRIu64 "  boot %s  reserved to %" PRIu64 "  %s\n",
		    e[i].epoch, e[i].first, e[i].boot_id, e[i].reserved,
		    journal_file_mark_name(e[i].mark));
}

static void
print_states(struct look *l)
{
	char name[JOURNAL_FILE_NAME_MAX];
	uint64_t *positions = NULL;
	struct stat st;
	ssize_t n;

	n = journal_file_list(l->directory, "state", &positions, NULL);
	for (ssize_t i = 0; i < n; i++) {
		(void)journal_file_name(name, positions[i], "state");
		if (fstatat(l->directory, name, &st, 0) < 0)
			continue;
		printf(l->json ? "{\"state\":\"%s\",\"position\":%" PRIu64
		    ",\"size\":%jd}\n" : "state   %s  position %" PRIu64
		    "  %jd bytes\n", name, positions[i],
		    (intmax_t)st.st_size);
	}
	free(positions);
}

static void
print_total(const struct look *l)
{
	printf(l->json ? "{\"segments\":%zu,\"records\":%" PRIu64
	    ",\"events\":%" PRIu64 ",\"streams\":%zu,\"problems\":%" PRIu64
	    "}\n" : "total   %zu segments, %" PRIu64 " records, %" PRIu64
	    " events, %zu streams, %" PRIu64 " problems\n", l->n_segments,
	    l->records, l->events, l->n_streams, l->problems);
}

static int
look(struct look *l, enum journal_verb verb)
{
	bool info = verb == JOURNAL_INFO;
	struct err err;
	ssize_t n;

	l->directory = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->directory < 0) {
		fprintf(stderr, "sluicectl: journal %s: %s: name the journal "
		    "directory, or use -c FILE\n", l->path,
		    strerrordesc_np(errno));
		return 1;
	}
	n = journal_file_list(l->directory, "seg", &l->segments, &err);
	if (n < 0) {
		fprintf(stderr, "sluicectl: %s: %s\n", l->path, err.text);
		(void)close(l->directory);
		return 1;
	}
	l->n_segments = (size_t)n;
	if (info)
		print_epochs(l);
	for (size_t i = 0; i < l->n_segments; i++)
		take_segment(l, i, info);
	if (info)
		print_states(l);
	if (verb == JOURNAL_VERIFY)
		l->problems += journal_verify_epochs(l->directory, l->path) +
		    journal_verify_states(l->directory, l->path);
	if (!l->dump)
		print_total(l);
	for (size_t i = 0; l->streams != NULL && i <= l->mask; i++)
		free(l->streams[i].name);
	free(l->streams);
	free(l->segments);
	buf_free(&l->line);
	(void)close(l->directory);
	return l->problems == 0 ? 0 : 1;
}

int
journal_cmd_parse(int argc, char **argv, struct journal_ask *ret)
{
	static const char *const verbs[] = { [JOURNAL_INFO] = "info",
		[JOURNAL_DUMP] = "dump", [JOURNAL_VERIFY] = "verify" };
	bool found = false, wrong = false;

	for (size_t i = 0; i < NELEM(verbs) && argc > 1; i++)
		if (strcmp(argv[1], verbs[i]) == 0) {
			ret->verb = (enum journal_verb)i;
			found = true;
		}
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			ret->json = true;
		else if (argv[i][0] == '-' || ret->directory != NULL)
			wrong = true;
		else
			ret->directory = argv[i];
	}
	if (found && !wrong)
		return 0;
	fprintf(stderr, "usage: sluicectl journal info|dump|verify [--json] "
	    "[DIRECTORY]\n");
	return -1;
}

int
journal_cmd(const struct journal_ask *ask)
{
	struct look l = { .path = ask->directory, .json = ask->json,
		.dump = ask->verb == JOURNAL_DUMP };

	return look(&l, ask->verb);
}
