#include "broker/journal_recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/fence_file.h"
#include "broker/segment_scan.h"
#include "broker/state_file.h"
#include "common/journal.h"
#include "common/xmalloc.h"

#define POSITIONS_PER_MS 4096u

struct recovery {
	int			 directory;
	struct publish_core	*core;
	struct sequencer	*sequencer;
	struct dedup		*dedup;
	struct recovered	*r;
	struct state_info	 state;
	bool			 have_state;
	bool			 history_bad;
	bool			 first_life;
};

/* Damage before it was answered by an earlier new epoch. */
static uint64_t
current_first(const struct recovered *r)
{
	return r->n_history == 0 ? 0 : r->history[r->n_history - 1].first;
}

/* The first reason counts; the others follow from it. */
static void PRINTF(2, 3)
new_epoch(struct recovered *r, const char *fmt, ...)
{
	va_list ap;

	r->new_epoch = true;
	if (r->reason[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
}

int
recover_boot_id(char ret[40], struct err *err)
{
	ssize_t n;
	int fd;

	fd = open(RECOVER_BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, RECOVER_BOOT_ID_FILE);
	n = read(fd, ret, 39);
	(void)close(fd);
	if (n < 36)
		return err_set(err, RECOVER_BOOT_ID_FILE ": is too short");
	ret[36] = '\0';
	return 0;
}

uint32_t
recover_epoch_number(const struct journal_epoch *history, size_t n,
    int64_t now_unix_ms)
{
	uint32_t epoch = (uint32_t)((uint64_t)now_unix_ms / 1000);

	for (size_t i = 0; i < n;) {
		if (epoch == 0 || history[i].epoch == epoch) {
			epoch++;
			i = 0;
		} else {
			i++;
		}
	}
	return epoch != 0 ? epoch : 1;
}

uint64_t
recover_floor(int64_t now_unix_ms)
{
	return (uint64_t)now_unix_ms * POSITIONS_PER_MS;
}

/* Files a crash left half made: *.new, *.tmp. */
static int
remove_leftovers(int directory, struct err *err)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		int code = errno;

		if (fd >= 0)
			(void)close(fd);
		return err_errno(err, code, "journal directory");
	}
	while ((entry = readdir(dir)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (n > 4 && (strcmp(entry->d_name + n - 4, ".new") == 0 ||
		    strcmp(entry->d_name + n - 4, ".tmp") == 0))
			(void)unlinkat(directory, entry->d_name, 0);
	}
	(void)closedir(dir);
	return 0;
}

/* --- one segment --------------------------------------------------------- */

static void
bad_end(struct recovery *v, struct recover_segment *seg,
    const struct segment_scan *s, const char *name, bool last)
{
	struct recovered *r = v->r;

	if (!last || !segment_scan_half_record(s)) {
		seg->damaged = true;
		if (seg->first >= current_first(r))
			new_epoch(r, "%s: at offset %" PRIu64 ": %s", name,
			    seg->offset, s->err.text);
		return;
	}
	(void)snprintf(r->notes, sizeof(r->notes), "%s: half-written record "
	    "at offset %" PRIu64 " was cut", name, seg->offset);
	if (ftruncate(s->fd, (off_t)seg->offset) < 0)
		new_epoch(r, "%s: cannot be cut at offset %" PRIu64, name,
		    seg->offset);
}

void
recover_cut(int directory, const struct recovered *r)
{
	char name[JOURNAL_FILE_NAME_MAX];

	for (size_t i = 0; i < r->n_segments; i++) {
		const struct recover_segment *seg = &r->segments[i];
		int fd;

		if (!seg->damaged)
			continue;
		fd = openat(directory, journal_file_name(name, seg->first,
		    "seg"), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		/* If it cannot be, readers tell the damage themselves. */
		(void)!ftruncate(fd, (off_t)seg->offset);
		(void)close(fd);
	}
}

/* Replays a segment; finds its end. */
static void
replay_segment(struct recovery *v, size_t at, int fd, const char *name)
{
	struct recover_segment *seg = &v->r->segments[at];
	bool last = at + 1 == v->r->n_segments;
	enum segment_next result;
	struct segment_scan s;
	struct record_header h;
	const uint8_t *p;

	segment_scan_begin(&s, fd, seg->epoch, seg->first);
	while ((result = segment_scan_next(&s, &p, &h)) == SEGMENT_RECORD) {
		seg->end = h.first + h.count - 1;
		if ((!v->have_state || seg->end > v->state.position.number) &&
		    publish_replay(v->core, p, h.length, &s.err) < 0) {
			result = SEGMENT_BAD;
			break;
		}
		segment_scan_step(&s, &h);
		v->r->replayed += h.length;
	}
	seg->offset = s.offset;
	if (result == SEGMENT_BAD || !segment_scan_clean(&s))
		bad_end(v, seg, &s, name, last);
	segment_scan_end(&s);
}

/* --- the directory ------------------------------------------------------- */

static int
list_segments(struct recovery *v, struct err *err)
{
	struct recovered *r = v->r;
	uint64_t *firsts = NULL;
	ssize_t n;

	n = journal_file_list(v->directory, "seg", &firsts, err);
	if (n < 0)
		return -1;
	r->segments = xcalloc((size_t)n, sizeof(*r->segments));
	for (ssize_t i = 0; i < n; i++) {
		struct recover_segment *seg = &r->segments[r->n_segments];

		seg->first = firsts[i];
		seg->end = i + 1 < n ? firsts[i + 1] - 1 : firsts[i] - 1;
		r->n_segments++;
	}
	free(firsts);
	return 0;
}

/* Header, size, and the records if they come after the state file. */
static int
open_segment(struct recovery *v, size_t at, struct err *err)
{
	struct recover_segment *seg = &v->r->segments[at];
	bool last = at + 1 == v->r->n_segments;
	char name[JOURNAL_FILE_NAME_MAX];
	struct journal_segment h = { 0 };
	struct err why = { 0 };
	struct stat st;
	uint32_t length;
	int fd;

	(void)journal_file_name(name, seg->first, "seg");
	fd = openat(v->directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, errno, "%s", name);
	if (fstat(fd, &st) == 0)
		seg->bytes = (uint64_t)st.st_size;
	if (journal_file_header_read(fd, &h, &why) == 0 &&
	    h.first != seg->first)
		h.epoch = 0;
	if (why.text[0] != '\0' || h.epoch == 0) {
		if (seg->first >= current_first(v->r))
			new_epoch(v->r, "%s: %s", name, why.text[0] != '\0' ?
			    why.text : "holds other positions");
	} else {
		seg->epoch = h.epoch;
		seg->created_unix_ms = h.created_unix_ms;
		seg->empty = journal_file_read(fd, &length, sizeof(length),
		    JOURNAL_HEADER_SIZE) != (ssize_t)sizeof(length) ||
		    length == 0;
		if (last || !v->have_state ||
		    seg->end > v->state.position.number) {
			seg->end = seg->first - 1;
			replay_segment(v, at, fd, name);
		}
	}
	(void)close(fd);
	return 0;
}

static void
load_state(struct recovery *v)
{
	char name[JOURNAL_FILE_NAME_MAX];
	uint64_t *positions = NULL;
	struct err err;
	ssize_t n;
	int fd;

	n = journal_file_list(v->directory, "state", &positions, NULL);
	for (ssize_t i = n; i-- > 0 && !v->have_state;) {
		(void)journal_file_name(name, positions[i], "state");
		fd = openat(v->directory, name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		if (state_file_load(fd, v->sequencer, v->dedup, &v->state,
		    &err) == 0) {
			v->have_state = true;
			v->r->state = v->state.position.number;
		} else {
			(void)snprintf(v->r->notes, sizeof(v->r->notes),
			    "%s: not taken: %.400s", name, err.text);
		}
		(void)close(fd);
	}
	free(positions);
}

/* Segments of one epoch follow each other without a hole. */
static void
check_row(struct recovery *v)
{
	const struct recovered *r = v->r;

	for (size_t i = 1; i < r->n_segments; i++) {
		struct recover_segment *a = &r->segments[i - 1];
		const struct recover_segment *b = &r->segments[i];

		/* New when its epoch ended, and not replayed: its name alone
		 * says what it holds. */
		if (a->empty && a->epoch != b->epoch)
			a->end = a->first - 1;
		if (a->epoch == b->epoch && b->first != a->end + 1 &&
		    b->first > current_first(r))
			new_epoch(v->r, "%" PRIu64 " to %" PRIu64 " are "
			    "missing", a->end + 1, b->first - 1);
	}
	if (r->n_segments == 0)
		return;
	if (v->have_state &&
	    v->state.position.number + 1 < r->segments[0].first &&
	    v->state.position.epoch == r->segments[0].epoch)
		new_epoch(v->r, "nothing is left between the state file at %"
		    PRIu64 " and the first segment",
		    v->state.position.number);
	/* Without a state file, only the very first segment tells all. */
	if (!v->have_state && (r->n_history == 0 ||
	    r->n_history == JOURNAL_FILE_EPOCHS_MAX ||
	    r->segments[0].first != r->history[0].first))
		new_epoch(v->r, "there is no complete state file");
}

static void
check_history(struct recovery *v, const char *boot_id, uint64_t tip)
{
	const struct recovered *r = v->r;
	const struct journal_epoch *last;

	if (r->n_history == 0) {
		new_epoch(v->r, "%s", r->n_segments != 0 || v->history_bad ?
		    "the history of epochs is lost" : v->first_life ? "" :
		    "the journal is lost");
		return;
	}
	last = &r->history[r->n_history - 1];
	if (last->mark == JOURNAL_MEMORY)
		new_epoch(v->r, "the last epoch was in memory only");
	if (r->n_segments == 0 ||
	    r->segments[r->n_segments - 1].epoch != last->epoch)
		new_epoch(v->r, "the last epoch's segments are lost");
	if (last->mark == JOURNAL_OPEN && strcmp(last->boot_id, boot_id) != 0)
		new_epoch(v->r, "the machine was restarted without a clean "
		    "close");
	if (last->mark == JOURNAL_CLEAN && tip != last->reserved)
		new_epoch(v->r, "the journal ends at %" PRIu64 ", it was "
		    "closed at %" PRIu64, tip, last->reserved);
	if (v->have_state && v->state.through > tip)
		new_epoch(v->r, "the journal ends at %" PRIu64 ", a state "
		    "file knows %" PRIu64, tip, v->state.through);
}

static void
decide(struct recovery *v, const char *boot_id, int64_t now_unix_ms)
{
	struct recovered *r = v->r;
	uint64_t tip = 0, above;

	if (r->n_segments != 0)
		tip = r->segments[r->n_segments - 1].end;
	check_row(v);
	check_history(v, boot_id, tip);
	if (!r->new_epoch) {
		r->epoch = r->history[r->n_history - 1].epoch;
		r->next = tip + 1;
		return;
	}
	above = MAX(tip, v->have_state ? v->state.through : 0);
	for (size_t i = 0; i < r->n_history; i++)
		above = MAX(above, r->history[i].reserved);
	/* Who knows what was announced? The clock is above it. */
	if (r->n_history == 0 && r->reason[0] != '\0') {
		above = MAX(above, recover_floor(now_unix_ms));
		/* The lost one may have begun in this very second. */
		now_unix_ms = (int64_t)crc32c(0, &now_unix_ms,
		    sizeof(now_unix_ms)) * 1000;
	}
	r->epoch = recover_epoch_number(r->history, r->n_history,
	    now_unix_ms);
	/* Never adjacent, so that readers see the hole. */
	r->next = above == 0 ? 1 : above + 2;
}

int
journal_recover(int directory, struct publish_core *core,
    struct sequencer *s, struct dedup *d, bool first_life,
    const char *boot_id, int64_t now_unix_ms, struct recovered *ret,
    struct err *err)
{
	struct recovery v = { .directory = directory, .core = core,
		.sequencer = s, .dedup = d, .r = ret,
		.first_life = first_life };
	struct err why;
	int n;

	*ret = (struct recovered){ 0 };
	if (remove_leftovers(directory, err) < 0)
		return -1;
	n = journal_file_epochs_read(directory, ret->history, &why);
	if (n < 0) {
		v.history_bad = true;
		new_epoch(ret, "%s", why.text);
	}
	ret->n_history = n < 0 ? 0 : (size_t)n;
	for (size_t i = 0; i < ret->n_history; i++)
		sequencer_knew_epoch(s, ret->history[i].epoch,
		    ret->history[i].first);
	if (list_segments(&v, err) < 0)
		return -1;
	load_state(&v);
	for (size_t i = 0; i < ret->n_segments; i++) {
		if (open_segment(&v, i, err) < 0) {
			free(ret->segments);
			ret->segments = NULL;
			return -1;
		}
	}
	if (fence_file_load(directory, d, &why) < 0)
		(void)snprintf(ret->notes, sizeof(ret->notes),
		    "%.400s: not taken", why.text);
	decide(&v, boot_id, now_unix_ms);
	sequencer_begin_epoch(s, ret->epoch, ret->next);
	return 0;
}
