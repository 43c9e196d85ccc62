#include "broker/state_file.h"

#include <stdlib.h>

#include "broker/sequencer_state.h"
#include "common/journal_state.h"
#include "common/xmalloc.h"

#define SLICE_TRAIL      65536u
#define SLICE_STREAMS    2048u
#define SLICE_LOGS       2048u
#define SLICE_PUBLISHERS 64u
#define SLICE_KEYS       8192u

enum phase { PHASE_HEADER, PHASE_TRAIL, PHASE_STREAMS, PHASE_LOGS,
	PHASE_PUBLISHERS, PHASE_KEYS, PHASE_GRACE, PHASE_END };

void
state_saver_begin(struct state_saver *v, struct sequencer *s,
    struct dedup *d)
{
	*v = (struct state_saver){ .sequencer = s, .dedup = d,
		.position = sequencer_tip(s), .phase = PHASE_HEADER };
}

static size_t
chunk_begin(struct buf *b, char kind)
{
	size_t start = b->len;

	buf_u8(b, (uint8_t)kind);
	buf_u32(b, 0);
	buf_u32(b, 0);
	buf_u32(b, 0);
	return start;
}

static void
chunk_end(struct buf *b, size_t start, size_t entries)
{
	size_t n = b->len - start - JOURNAL_STATE_CHUNK_SIZE;

	buf_patch_u32(b, start + 1, (uint32_t)entries);
	buf_patch_u32(b, start + 5, (uint32_t)n);
	buf_patch_u32(b, start + 9, journal_state_chunk_crc(b->data + start,
	    b->data + start + JOURNAL_STATE_CHUNK_SIZE, n));
}

static void
save_header(const struct state_saver *v, struct buf *b)
{
	size_t start = b->len;

	buf_u32(b, JOURNAL_STATE_MAGIC);
	buf_u32(b, JOURNAL_STATE_VERSION);
	buf_u32(b, v->position.epoch);
	buf_u64(b, v->position.number);
	buf_u32(b, crc32c(0, b->data + start, b->len - start));
}

bool
state_saver_next(struct state_saver *v, struct buf *b)
{
	size_t start, n;

	if (v->phase == PHASE_HEADER) {
		save_header(v, b);
		v->phase = PHASE_TRAIL;
		return false;
	}
	switch (v->phase) {
	case PHASE_TRAIL:
		start = chunk_begin(b, 'T');
		n = sequencer_state_save_trail(v->sequencer, &v->trail,
		    v->position.number, SLICE_TRAIL, b);
		break;
	case PHASE_STREAMS:
		start = chunk_begin(b, 'S');
		n = sequencer_state_save(v->sequencer, &v->stream,
		    SLICE_STREAMS, b);
		break;
	case PHASE_LOGS:
		start = chunk_begin(b, 'L');
		n = sequencer_state_save_logs(v->sequencer, &v->log,
		    SLICE_LOGS, b);
		break;
	case PHASE_PUBLISHERS:
		start = chunk_begin(b, 'P');
		n = dedup_save_publishers(v->dedup, &v->publisher,
		    SLICE_PUBLISHERS, b);
		break;
	case PHASE_KEYS:
		start = chunk_begin(b, 'K');
		n = dedup_save_keys(v->dedup, &v->key, SLICE_KEYS, b);
		break;
	case PHASE_GRACE:
		start = chunk_begin(b, 'G');
		n = sequencer_state_save_grace(v->sequencer, &v->grace, b);
		break;
	default:
		start = chunk_begin(b, JOURNAL_STATE_END);
		buf_u64(b, sequencer_tip(v->sequencer).number);
		buf_u64(b, sequencer_forgotten_through(v->sequencer));
		chunk_end(b, start, 1);
		return true;
	}
	chunk_end(b, start, n);
	if (n == 0)
		v->phase++;
	return false;
}

/* --- loading ------------------------------------------------------------- */

static int
entry_load(char kind, struct rd *r, struct sequencer *s, struct dedup *d)
{
	switch (kind) {
	case 'S':
		return sequencer_state_load(s, r);
	case 'L':
		return sequencer_state_load_log(s, r);
	case 'P':
		return dedup_load_publisher(d, r);
	case 'K':
		return dedup_load_key(d, r);
	case 'G':
		return sequencer_state_load_grace(s, r);
	default:
		return -1;
	}
}

static int
chunk_load(struct journal_state_chunk *c, struct sequencer *s,
    struct dedup *d)
{
	if (c->kind == 'T')
		return sequencer_state_load_trail(s, c->entries, &c->rd);
	for (uint32_t i = 0; i < c->entries; i++) {
		if (entry_load(c->kind, &c->rd, s, d) < 0)
			return -1;
	}
	return 0;
}

static void
info_count(struct state_info *info, const struct journal_state_chunk *c)
{
	if (c->kind == 'T')
		info->kept += c->entries;
	else if (c->kind == 'S')
		info->streams += c->entries;
	else if (c->kind == 'P')
		info->publishers += c->entries;
	else if (c->kind == 'K')
		info->keys += c->entries;
}

static int
pass(int fd, struct sequencer *s, struct dedup *d, struct state_info *info,
    struct err *err)
{
	uint64_t offset = JOURNAL_STATE_HEADER_SIZE;
	struct buf b = BUF_EMPTY;
	struct journal_state_chunk c;
	int rc = -1;

	for (;;) {
		if (journal_state_chunk_read(fd, &offset, &b, &c, err) < 0)
			break;
		if (c.kind == JOURNAL_STATE_END) {
			info->through = rd_u64(&c.rd);
			info->forgotten_through = rd_u64(&c.rd);
			rc = rd_done(&c.rd) ? 0 :
			    err_set(err, "state file ends in disorder");
			break;
		}
		info_count(info, &c);
		if (s != NULL && chunk_load(&c, s, d) < 0) {
			(void)err_set(err, "state file has a bad entry");
			break;
		}
	}
	buf_free(&b);
	return rc;
}

int
state_file_load(int fd, struct sequencer *s, struct dedup *d,
    struct state_info *ret, struct err *err)
{
	struct state_info info = { 0 };

	if (journal_state_header_read(fd, &info.position, err) < 0 ||
	    pass(fd, NULL, NULL, &info, err) < 0)
		return -1;
	if (s != NULL) {
		struct state_info again = info;
		int rc;

		sequencer_state_load_begin(s);
		rc = pass(fd, s, d, &again, err);
		sequencer_state_load_end(s, rc == 0);
		if (rc < 0)
			return -1;
		sequencer_set_forgotten_through(s, info.forgotten_through);
	}
	*ret = info;
	return 0;
}
