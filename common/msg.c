#include "common/msg.h"

#include <assert.h>
#include <string.h>

static const struct {
	const char		*name;
	enum msg_sender		 sender;
	bool			 fd;
} table[MSG_TYPE_MAX] = {
#define X(name, sender, fd) [MSG_##name] = { #name, MSG_FROM_##sender, fd },
	MSG_LIST(X)
#undef X
};

const char *
msg_name(enum msg_type type)
{
	return (unsigned)type < MSG_TYPE_MAX ? table[type].name : "unknown";
}

enum msg_sender
msg_sender(enum msg_type type)
{
	assert((unsigned)type < MSG_TYPE_MAX);
	return table[type].sender;
}

bool
msg_has_fd(enum msg_type type)
{
	assert((unsigned)type < MSG_TYPE_MAX);
	return table[type].fd;
}

/* Text of a fixed array: what does not fit was cut by whoever filled it. */
static void
put_text(struct buf *b, const char *text, size_t size)
{
	buf_str16(b, text, strnlen(text, size - 1));
}

/* False when too long for its array, or when a NUL hides in it. */
static bool
get_text(struct rd *r, char *text, size_t size)
{
	struct slice s = rd_str16(r);

	if (r->failed || s.n >= size ||
	    (s.n != 0 && memchr(s.p, '\0', s.n) != NULL))
		return false;
	memset(text, 0, size);
	if (s.n != 0)
		memcpy(text, s.p, s.n);
	return true;
}

void
msg_peer_encode(struct buf *b, const struct msg_peer *m)
{
	put_text(b, m->role, sizeof(m->role));
	put_text(b, m->instance, sizeof(m->instance));
	buf_u64(b, m->incarnation);
	put_text(b, m->path, sizeof(m->path));
}

int
msg_peer_decode(const void *p, size_t n, struct msg_peer *ret)
{
	struct rd r = rd_init(p, n);
	struct msg_peer m;

	if (!get_text(&r, m.role, sizeof(m.role)) ||
	    !get_text(&r, m.instance, sizeof(m.instance)))
		return -1;
	m.incarnation = rd_u64(&r);
	if (!get_text(&r, m.path, sizeof(m.path)) || !rd_done(&r))
		return -1;
	*ret = m;
	return 0;
}

void
msg_cluster_encode(struct buf *b, const struct msg_cluster *m)
{
	put_text(b, m->cluster, sizeof(m->cluster));
	put_text(b, m->state, sizeof(m->state));
}

int
msg_cluster_decode(const void *p, size_t n, struct msg_cluster *ret)
{
	struct rd r = rd_init(p, n);
	struct msg_cluster m;

	if (!get_text(&r, m.cluster, sizeof(m.cluster)) ||
	    !get_text(&r, m.state, sizeof(m.state)) || !rd_done(&r))
		return -1;
	*ret = m;
	return 0;
}

void
msg_bindings_encode(struct buf *b, const struct msg_bindings *m)
{
	put_text(b, m->cluster, sizeof(m->cluster));
	buf_u64(b, m->version);
}

int
msg_bindings_decode(const void *p, size_t n, struct msg_bindings *ret)
{
	struct rd r = rd_init(p, n);
	struct msg_bindings m;

	if (!get_text(&r, m.cluster, sizeof(m.cluster)))
		return -1;
	m.version = rd_u64(&r);
	if (!rd_done(&r))
		return -1;
	*ret = m;
	return 0;
}

void
msg_slot_encode(struct buf *b, enum msg_slot slot)
{
	buf_u8(b, (uint8_t)slot);
}

int
msg_slot_decode(const void *p, size_t n, enum msg_slot *ret)
{
	struct rd r = rd_init(p, n);
	uint8_t slot = rd_u8(&r);

	if (!rd_done(&r) || slot > MSG_SLOT_RETURN)
		return -1;
	*ret = (enum msg_slot)slot;
	return 0;
}

void
msg_pong_encode(struct buf *b, const struct msg_pong *m)
{
	buf_u64(b, m->turns);
	put_text(b, m->busy, sizeof(m->busy));
}

int
msg_pong_decode(const void *p, size_t n, struct msg_pong *ret)
{
	struct rd r = rd_init(p, n);
	struct msg_pong m;

	m.turns = rd_u64(&r);
	if (!get_text(&r, m.busy, sizeof(m.busy)) || !rd_done(&r))
		return -1;
	*ret = m;
	return 0;
}

void
msg_status_encode(struct buf *b, const struct msg_status *m)
{
	put_text(b, m->state, sizeof(m->state));
	put_text(b, m->text, sizeof(m->text));
}

int
msg_status_decode(const void *p, size_t n, struct msg_status *ret)
{
	struct rd r = rd_init(p, n);
	struct msg_status m;

	if (!get_text(&r, m.state, sizeof(m.state)) ||
	    !get_text(&r, m.text, sizeof(m.text)) || !rd_done(&r))
		return -1;
	*ret = m;
	return 0;
}

void
msg_segment_encode(struct buf *b, uint64_t first)
{
	buf_u64(b, first);
}

int
msg_segment_decode(const void *p, size_t n, uint64_t *ret_first)
{
	struct rd r = rd_init(p, n);
	uint64_t first = rd_u64(&r);

	if (!rd_done(&r))
		return -1;
	*ret_first = first;
	return 0;
}

void
msg_listener_encode(struct buf *b, uint32_t index)
{
	buf_u32(b, index);
}

int
msg_listener_decode(const void *p, size_t n, uint32_t *ret_index)
{
	struct rd r = rd_init(p, n);
	uint32_t index = rd_u32(&r);

	if (!rd_done(&r))
		return -1;
	*ret_index = index;
	return 0;
}
