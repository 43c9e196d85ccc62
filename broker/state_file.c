#include "broker/state_file.h"

#include <errno.h>
#include <stdlib.h>

#include "common/journal_file.h"
#include "common/xmalloc.h"

#define STATE_MAGIC       0x31534c53u   /* "SLS1" */
#define STATE_VERSION     1u
#define STATE_HEADER_SIZE 24u
#define CHUNK_HEADER_SIZE 13u
#define CHUNK_MAX         (16u * 1024 * 1024)
#define SLICE_STREAMS     2048u
#define SLICE_PUBLISHERS  64u
#define SLICE_KEYS        8192u

enum phase { PHASE_HEADER, PHASE_STREAMS, PHASE_PUBLISHERS, PHASE_KEYS,
	PHASE_END };

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
	size_t n = b->len - start - CHUNK_HEADER_SIZE;

	buf_patch_u32(b, start + 1, (uint32_t)entries);
	buf_patch_u32(b, start + 5, (uint32_t)n);
	buf_patch_u32(b, start + 9, crc32c(0,
	    b->data + start + CHUNK_HEADER_SIZE, n));
}

static void
save_header(const struct state_saver *v, struct buf *b)
{
	size_t start = b->len;

	buf_u32(b, STATE_MAGIC);
	buf_u32(b, STATE_VERSION);
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
		v->phase = PHASE_STREAMS;
		return false;
	}
	switch (v->phase) {
	case PHASE_STREAMS:
		start = chunk_begin(b, 'S');
		n = sequencer_save(v->sequencer, &v->stream, SLICE_STREAMS,
		    b);
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
	default:
		start = chunk_begin(b, 'E');
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

struct chunk {
	char		kind;
	uint32_t	entries;
	struct rd	rd;
};

/* The chunk at *offset, into b; moves *offset behind it. */
static int
chunk_read(int fd, uint64_t *offset, struct buf *b, struct chunk *ret,
    struct err *err)
{
	uint8_t head[CHUNK_HEADER_SIZE];
	uint32_t length, crc;
	struct rd r;
	ssize_t n;

	n = journal_file_read(fd, head, sizeof(head), *offset);
	if (n < 0)
		return err_errno(err, errno, "state file");
	r = rd_init(head, (size_t)n);
	ret->kind = (char)rd_u8(&r);
	ret->entries = rd_u32(&r);
	length = rd_u32(&r);
	crc = rd_u32(&r);
	if (r.failed || length > CHUNK_MAX)
		return err_set(err, "state file is cut or damaged at offset "
		    "%ju", (uintmax_t)*offset);
	buf_reset(b);
	n = journal_file_read(fd, buf_reserve(b, length), length,
	    *offset + sizeof(head));
	if (n < 0)
		return err_errno(err, errno, "state file");
	if ((size_t)n != length || crc32c(0, b->data, length) != crc)
		return err_set(err, "state file is cut or damaged at offset "
		    "%ju", (uintmax_t)*offset);
	*offset += sizeof(head) + length;
	ret->rd = rd_init(b->data, length);
	return 0;
}

static int
entry_load(char kind, struct rd *r, struct sequencer *s, struct dedup *d)
{
	switch (kind) {
	case 'S':
		return sequencer_load(s, r);
	case 'P':
		return dedup_load_publisher(d, r);
	case 'K':
		return dedup_load_key(d, r);
	default:
		return -1;
	}
}

static int
header_read(int fd, struct state_info *info, struct err *err)
{
	uint8_t bytes[STATE_HEADER_SIZE];
	struct rd r;
	ssize_t n;

	n = journal_file_read(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return err_errno(err, errno, "state file");
	r = rd_init(bytes, (size_t)n);
	if (rd_u32(&r) != STATE_MAGIC || rd_u32(&r) != STATE_VERSION)
		return err_set(err, "not a state file of this version");
	info->position.epoch = rd_u32(&r);
	info->position.number = rd_u64(&r);
	if (rd_u32(&r) != crc32c(0, bytes, STATE_HEADER_SIZE - 4) || r.failed)
		return err_set(err, "state file header is damaged");
	return 0;
}

static void
info_count(struct state_info *info, const struct chunk *c)
{
	if (c->kind == 'S')
		info->streams += c->entries;
	else if (c->kind == 'P')
		info->publishers += c->entries;
	else
		info->keys += c->entries;
}

static int
pass(int fd, struct sequencer *s, struct dedup *d, struct state_info *info,
    struct err *err)
{
	uint64_t offset = STATE_HEADER_SIZE;
	struct buf b = BUF_EMPTY;
	struct chunk c;
	int rc = -1;

	for (;;) {
		if (chunk_read(fd, &offset, &b, &c, err) < 0)
			break;
		if (c.kind == 'E') {
			info->through = rd_u64(&c.rd);
			info->forgotten_through = rd_u64(&c.rd);
			rc = rd_done(&c.rd) ? 0 :
			    err_set(err, "state file ends in disorder");
			break;
		}
		info_count(info, &c);
		for (uint32_t i = 0; s != NULL && i < c.entries; i++) {
			if (entry_load(c.kind, &c.rd, s, d) < 0) {
				(void)err_set(err, "state file has a bad "
				    "entry");
				goto out;
			}
		}
	}
out:
	buf_free(&b);
	return rc;
}

int
state_file_load(int fd, struct sequencer *s, struct dedup *d,
    struct state_info *ret, struct err *err)
{
	struct state_info info = { 0 };

	if (header_read(fd, &info, err) < 0 ||
	    pass(fd, NULL, NULL, &info, err) < 0)
		return -1;
	if (s != NULL) {
		struct state_info again = info;

		if (pass(fd, s, d, &again, err) < 0)
			return -1;
		sequencer_set_forgotten_through(s, info.forgotten_through);
	}
	*ret = info;
	return 0;
}
