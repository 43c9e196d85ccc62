#include "common/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Contract, section 2. What `ends` and `history` are: event.h. */
static const struct {
	const char	*name;
	bool		 ends;
	bool		 history;
} stream_types[STREAM_TYPE_MAX] = {
	[STREAM_JOB] = { "job", true, true },
	[STREAM_PACK_RUN] = { "pack-run", true, true },
	[STREAM_RUN] = { "run", true, true },
	[STREAM_WORKFLOW] = { "workflow", false, false },
	[STREAM_RESOURCE] = { "resource", false, false },
	[STREAM_POD_LOGS] = { "pod-logs", true, false },
	[STREAM_BUILD] = { "build", true, true },
	[STREAM_IMPORT] = { "import", true, true },
	[STREAM_CLUSTER] = { "cluster", false, false },
	[STREAM_WATCHER] = { "watcher", false, false },
	[STREAM_ALERTS] = { "alerts", false, true },
	[STREAM_NOTIFICATIONS] = { "notifications", false, true },
};

/* Events of a machine, and those whose body's hash is kept. */
#define ITEM_MACHINE   (ITEM_LIFECYCLE | ITEM_PART)
#define ITEM_HASHED    (ITEM_IDEMPOTENT | ITEM_MACHINE)
#define ITEM_FLAGS_ALL (ITEM_LIFECYCLE | ITEM_TERMINAL | ITEM_DELETED | \
	ITEM_IDEMPOTENT | ITEM_GUARDED | ITEM_LAST | ITEM_LOG | \
	ITEM_LOG_NEXT | ITEM_PART)
/* "{}" and the brace that closes the event. */
#define ITEM_FRAME_MIN 3u

/* Not isalpha() and friends: they depend on the locale. */
static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static bool
is_name_char(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("._~:/-", c) != NULL);
}

const char *
stream_type_name(enum stream_type type)
{
	return (unsigned int)type < STREAM_TYPE_MAX ?
	    stream_types[type].name : "unknown";
}

bool
stream_type_ends(enum stream_type type)
{
	return (unsigned int)type < STREAM_TYPE_MAX &&
	    stream_types[type].ends;
}

/* The type before the first ':' and where the name begins. */
static int
key_type(struct slice key, enum stream_type *ret_type, size_t *ret_name,
    struct err *err)
{
	const char *colon;
	struct slice type;

	if (key.n == 0)
		return err_set(err, "stream key is empty");
	colon = memchr(key.p, ':', key.n);
	if (colon == NULL)
		return err_set(err, "stream key has no ':': it must be "
		    "<type>:<name>");
	type = (struct slice){ key.p, (size_t)(colon - key.p) };
	for (unsigned int i = 0; i < STREAM_TYPE_MAX; i++) {
		if (!slice_is(type, stream_types[i].name))
			continue;
		*ret_type = (enum stream_type)i;
		*ret_name = type.n + 1;
		return 0;
	}
	return err_set(err, "stream key has an unknown type: it must begin "
	    "with job:, pack-run:, run:, workflow:, resource:, pod-logs:, "
	    "build:, import:, cluster:, watcher:, alerts: or notifications:");
}

static int
name_check(struct slice name, struct err *err)
{
	if (name.n == 0)
		return err_set(err, "stream key has no name after its type");
	if (name.n > EVENT_NAME_MAX)
		return err_set(err, "stream name has %zu bytes, at most %u "
		    "are allowed", name.n, EVENT_NAME_MAX);
	if (!is_alnum(name.p[0]))
		return err_set(err, "stream name must begin with a letter or "
		    "a digit");
	for (size_t i = 1; i < name.n; i++) {
		if (!is_name_char(name.p[i]))
			return err_set(err, "stream name has byte 0x%02x at "
			    "offset %zu: allowed are letters, digits and "
			    "._~:/-", (unsigned char)name.p[i], i);
	}
	return 0;
}

int
stream_key_check(struct slice key, enum stream_type *ret_type,
    struct err *err)
{
	enum stream_type type;
	size_t name;

	if (key_type(key, &type, &name, err) < 0)
		return -1;
	if (name_check((struct slice){ key.p + name, key.n - name }, err) < 0)
		return -1;
	if (ret_type != NULL)
		*ret_type = type;
	return 0;
}

bool
stream_has_history(struct slice key)
{
	enum stream_type type;
	size_t name;

	return key_type(key, &type, &name, NULL) == 0 && key.n > name &&
	    stream_types[type].history;
}

static bool
selector_is_prefix(struct slice s)
{
	return s.n >= 2 && s.p[s.n - 1] == '*' &&
	    (s.p[s.n - 2] == '/' || s.p[s.n - 2] == ':');
}

int
stream_selector_check(struct slice selector, size_t *ret_prefix_len,
    struct err *err)
{
	enum stream_type type;
	size_t name;

	if (!selector_is_prefix(selector)) {
		if (stream_key_check(selector, NULL, err) < 0)
			return -1;
		*ret_prefix_len = 0;
		return 0;
	}
	if (key_type(selector, &type, &name, err) < 0)
		return -1;
	/* "job:*" has no name; otherwise what stands before '*' is one. */
	if (name != selector.n - 1 && name_check((struct slice){
	    selector.p + name, selector.n - 1 - name }, err) < 0)
		return -1;
	*ret_prefix_len = selector.n - 1;
	return 0;
}

bool
stream_selector_matches(struct slice selector, struct slice key)
{
	size_t n;

	if (!selector_is_prefix(selector))
		return slice_eq(selector, key);
	n = selector.n - 1;
	return key.n > n && memcmp(selector.p, key.p, n) == 0;
}

bool
event_type_valid(struct slice t)
{
	bool start = true;

	if (t.n == 0 || t.n > EVENT_TYPE_MAX || !is_lower(t.p[0]))
		return false;
	for (size_t i = 0; i < t.n; i++) {
		char c = t.p[i];

		if (c == '.') {
			if (start)
				return false;
			start = true;
		} else if (is_lower(c) || is_digit(c) || c == '_') {
			start = false;
		} else {
			return false;
		}
	}
	return !start;
}

bool
slug_valid(struct slice slug)
{
	if (slug.n == 0 || slug.n > 63)
		return false;
	if (!is_lower(slug.p[0]) && !is_digit(slug.p[0]))
		return false;
	for (size_t i = 1; i < slug.n; i++) {
		char c = slug.p[i];

		if (!is_lower(c) && !is_digit(c) && c != '.' && c != '-')
			return false;
	}
	return true;
}

const char *
position_format(struct position pos, char buf[EVENT_ID_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char digits[20];
	size_t n = 0, at = 0;

	/* Every frame has two: no printf. */
	for (int shift = 28; shift >= 0; shift -= 4)
		buf[at++] = hex[(pos.epoch >> shift) & 15];
	buf[at++] = '-';
	do {
		digits[n++] = (char)('0' + pos.number % 10);
		pos.number /= 10;
	} while (pos.number > 0);
	while (n > 0)
		buf[at++] = digits[--n];
	buf[at] = '\0';
	return buf;
}

bool
position_parse(struct slice text, struct position *ret)
{
	struct position pos = { 0, 0 };

	if (text.n < 10 || text.n >= EVENT_ID_MAX || text.p[8] != '-')
		return false;
	for (size_t i = 0; i < 8; i++) {
		char c = text.p[i];
		uint32_t digit;

		if (is_digit(c))
			digit = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a') + 10;
		else
			return false;
		pos.epoch = pos.epoch << 4 | digit;
	}
	if (text.p[9] == '0' && text.n > 10)
		return false;
	for (size_t i = 9; i < text.n; i++) {
		if (!is_digit(text.p[i]))
			return false;
		if (CKD_MUL(&pos.number, pos.number, (uint64_t)10) ||
		    CKD_ADD(&pos.number, pos.number,
		    (uint64_t)(text.p[i] - '0')))
			return false;
	}
	*ret = pos;
	return true;
}

bool
position_eq(struct position a, struct position b)
{
	return a.epoch == b.epoch && a.number == b.number;
}

/* --- items --------------------------------------------------------------- */

void
item_encode(struct buf *b, const struct item *item, bool with_position)
{
	buf_u32(b, item->group);
	buf_u16(b, item->flags);
	buf_u8(b, item->state);
	buf_u64(b, item->seq);
	if (with_position) {
		buf_u32(b, item->position.epoch);
		buf_u64(b, item->position.number);
	}
	if ((item->flags & ITEM_GUARDED) != 0) {
		buf_u32(b, item->guard.epoch);
		buf_u64(b, item->guard.number);
	}
	if ((item->flags & (ITEM_LOG | ITEM_MACHINE)) != 0)
		buf_u32(b, item->attempt);
	if ((item->flags & ITEM_LOG) != 0)
		buf_u64(b, item->line_no);
	if ((item->flags & ITEM_IDEMPOTENT) != 0)
		buf_add(b, item->idem, EVENT_HASH_SIZE);
	/* A lifecycle event's body hash tells a repeat from a change. */
	if ((item->flags & ITEM_HASHED) != 0)
		buf_add(b, item->body, EVENT_HASH_SIZE);
	if ((item->flags & ITEM_PART) != 0)
		buf_add(b, item->part, EVENT_HASH_SIZE);
	buf_str16(b, item->tenant.p, item->tenant.n);
	buf_str16(b, item->key.p, item->key.n);
	buf_str16(b, item->event_type.p, item->event_type.n);
	buf_str16(b, item->subject.p, item->subject.n);
	buf_u32(b, item->data_off);
	buf_str32(b, item->frame.p, item->frame.n);
}

static struct position
read_position(struct rd *r)
{
	struct position pos;

	pos.epoch = rd_u32(r);
	pos.number = rd_u64(r);
	return pos;
}

static void
read_hash(struct rd *r, uint8_t hash[EVENT_HASH_SIZE])
{
	const void *p = rd_bytes(r, EVENT_HASH_SIZE);

	if (p != NULL)
		memcpy(hash, p, EVENT_HASH_SIZE);
}

static bool
item_possible(const struct item *item)
{
	return (item->flags & ~ITEM_FLAGS_ALL) == 0 &&
	    ((item->flags & ITEM_LOG) != 0 ?
	    item->attempt >= 1 && item->line_no >= 1 :
	    (item->flags & ITEM_LOG_NEXT) == 0) &&
	    item->tenant.n >= 1 && item->tenant.n <= EVENT_TENANT_MAX &&
	    item->key.n >= 1 && item->key.n <= EVENT_KEY_MAX &&
	    item->event_type.n >= 1 &&
	    item->event_type.n <= EVENT_TYPE_MAX &&
	    item->subject.n <= EVENT_SUBJECT_MAX &&
	    item->frame.n >= ITEM_FRAME_MIN &&
	    item->frame.n <= EVENT_DATA_LINE_MAX &&
	    item->data_off <= item->frame.n - ITEM_FRAME_MIN;
}

int
item_decode(struct rd *r, struct item *ret, bool with_position)
{
	struct item item = { 0 };

	item.group = rd_u32(r);
	item.flags = rd_u16(r);
	item.state = rd_u8(r);
	item.seq = rd_u64(r);
	if (with_position)
		item.position = read_position(r);
	if ((item.flags & ITEM_GUARDED) != 0)
		item.guard = read_position(r);
	if ((item.flags & (ITEM_LOG | ITEM_MACHINE)) != 0)
		item.attempt = rd_u32(r);
	if ((item.flags & ITEM_LOG) != 0)
		item.line_no = rd_u64(r);
	if ((item.flags & ITEM_IDEMPOTENT) != 0)
		read_hash(r, item.idem);
	if ((item.flags & ITEM_HASHED) != 0)
		read_hash(r, item.body);
	if ((item.flags & ITEM_PART) != 0)
		read_hash(r, item.part);
	item.tenant = rd_str16(r);
	item.key = rd_str16(r);
	item.event_type = rd_str16(r);
	item.subject = rd_str16(r);
	item.data_off = rd_u32(r);
	item.frame = rd_str32(r);
	if (r->failed || !item_possible(&item)) {
		r->failed = true;
		return -1;
	}
	*ret = item;
	return 0;
}

struct slice
item_data(const struct item *item)
{
	return (struct slice){ item->frame.p + item->data_off,
	    item->frame.n - 1 - item->data_off };
}
