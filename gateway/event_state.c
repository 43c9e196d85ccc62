#include "gateway/event_state.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_slice.h"
#include "common/macros.h"
#include "common/xmalloc.h"
#include "gateway/envelope.h"
#include "gateway/stream_kind.h"

struct reading {
	struct json_value	*data;
	event_state_problem_cb	 cb;
	void			*arg;
	unsigned int		 problems;
};

/* Members of data that hold a state. */
static const char *const state_members[] = { "state", "previous_state" };

static void
problem(struct reading *r, const char *path, const char *text)
{
	r->problems++;
	r->cb(path, text, r->arg);
}

void
event_state_words(struct json_value *data, enum stream_type type,
    struct slice event_type)
{
	const struct stream_kind_event *row = stream_kind_event(type,
	    event_type);
	enum lifecycle_state state;

	if (row == NULL || row->state == NULL)
		return;
	for (size_t i = 0; i < NELEM(state_members); i++) {
		struct json_value *v = json_tree_member(data,
		    state_members[i]);

		if (!json_tree_is(v, JSON_TREE_STRING))
			continue;
		state = lifecycle_state_of(row->machine, v->text);
		if (state != LIFECYCLE_NONE)
			v->text = slice_str(lifecycle_word((uint8_t)state));
	}
}

/* A member's state; null is none. */
static enum lifecycle_state
read_state(const struct reading *r, enum lifecycle_machine machine,
    const char *member)
{
	const struct json_value *v = json_tree_member(r->data, member);

	return lifecycle_state_of(machine, json_tree_text(v));
}

/* A count from 1; 0: there is none. */
static uint64_t
read_count(const struct reading *r, const char *member, double max)
{
	double number = json_tree_number(json_tree_member(r->data, member));

	return number >= 1 && number <= max &&
	    number <= (double)(uint64_t)number ? (uint64_t)number : 0;
}

/* A hash, since the broker keeps it for as long as the stream. */
static void
read_part(struct reading *r, const char *member, struct item *item)
{
	struct slice name = json_tree_text(json_tree_member(r->data, member));
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (name.n == 0 || name.n > EVENT_SUBJECT_MAX) {
		problem(r, "data.step_id", "must be a text of 1 to 512 bytes");
		return;
	}
	if (item->subject.n > 0 && !slice_eq(item->subject, name)) {
		problem(r, "subject", "must be data.step_id");
		return;
	}
	if (EVP_Digest(name.p, name.n, sum, &len, EVP_sha256(), NULL) != 1 ||
	    len < EVENT_HASH_SIZE)
		abort();
	memcpy(item->part, sum, EVENT_HASH_SIZE);
}

static void
read_machine(struct reading *r, const struct stream_kind_event *row,
    struct item *item, struct event_state *s)
{
	enum lifecycle_state state;

	s->machine = row->machine;
	if (row->state == NULL) {
		state = lifecycle_state_of(row->machine,
		    slice_str(row->name));
	} else {
		s->named = true;
		state = read_state(r, row->machine, row->state);
		s->previous = read_state(r, row->machine, "previous_state");
	}
	/* Its schema has the machine's words, and was kept. */
	assert(state != LIFECYCLE_NONE);
	item->state = (uint8_t)state;
	if (lifecycle_has_attempts(row->machine))
		item->attempt = (uint32_t)read_count(r, "attempt",
		    LIFECYCLE_ATTEMPT_MAX);
	if ((row->flags & ITEM_PART) != 0)
		read_part(r, row->part, item);
	else if (lifecycle_final(row->machine, state))
		item->flags |= ITEM_TERMINAL;
}

/* Which line of its log the event is, if it says so: it may be published with
 * lines that the server counts. */
static void
read_line(const struct reading *r, struct item *item)
{
	item->line_no = read_count(r, "line_no", ENVELOPE_LINE_NO_MAX);
	item->attempt = (uint32_t)read_count(r, "attempt",
	    LIFECYCLE_ATTEMPT_MAX);
	if (item->attempt == 0)
		item->attempt = 1;
	if (item->line_no > 0)
		item->flags |= ITEM_LOG;
}

static bool
is_true(const struct reading *r, const char *member)
{
	return json_tree_is(json_tree_member(r->data, member),
	    JSON_TREE_TRUE);
}

unsigned int
event_state_read(struct json_value *data, enum stream_type type,
    struct item *item, struct event_state *ret, event_state_problem_cb cb,
    void *arg)
{
	struct reading r = { data, cb, arg, 0 };
	const struct stream_kind_event *row = stream_kind_event(type,
	    item->event_type);

	*ret = (struct event_state){ .machine = LIFECYCLE_OF_NOTHING };
	if (row == NULL)
		return 0;
	item->flags |= row->flags;
	if ((row->flags & ITEM_LAST) != 0)
		read_line(&r, item);
	if ((row->flags & ITEM_LAST) != 0 && !is_true(&r, "last"))
		item->flags &= (uint16_t)~ITEM_LAST;
	else if ((row->flags & ITEM_LAST) != 0 && stream_kind(type)->log_ends) {
		item->flags |= ITEM_LIFECYCLE | ITEM_TERMINAL;
		item->state = LIFECYCLE_COMPLETE;
		ret->machine = LIFECYCLE_OF_LOG;
	}
	if (row->machine != LIFECYCLE_OF_NOTHING)
		read_machine(&r, row, item, ret);
	/* The line that closes the log leaves none open. */
	if ((item->flags & ITEM_TERMINAL) != 0 &&
	    (item->flags & ITEM_LAST) == 0 && is_true(&r, "logs_open"))
		item->state |= LIFECYCLE_LOGS_OPEN;
	return r.problems;
}

/* --- the frame ------------------------------------------------------------ */

/* Puts `text` in the place of frame[at, at + n). */
static void
replace(struct buf *frame, size_t at, size_t n, const char *text)
{
	size_t len = strlen(text), rest = frame->len - at - n;
	char *tail = xmemdup(frame->data + at + n, rest);

	frame->len = at;
	buf_add(frame, text, len);
	buf_add(frame, tail, rest);
	free(tail);
}

void
event_state_write(struct buf *frame, size_t frame_at, size_t data_at,
    const struct json_value *data, struct event_state *s)
{
	/* Else members of these names are the publisher's own affair. */
	if (!s->named)
		return;
	for (size_t i = 0; i < NELEM(state_members); i++) {
		const char *p = (const char *)frame->data + data_at;
		const struct json_value *v = json_tree_member(data,
		    state_members[i]);
		enum lifecycle_state state =
		    lifecycle_state_of(s->machine, json_tree_text(v));
		char quoted[64];
		struct slice raw;

		if (!json_slice_member((struct slice){ p,
		    frame->len - data_at }, state_members[i], &raw))
			continue;
		if (!json_tree_is(v, JSON_TREE_STRING)) {
			if (i == 1 && json_tree_is(v, JSON_TREE_NULL))
				s->hole = (uint32_t)((size_t)(raw.p -
				    (const char *)frame->data) - frame_at);
			continue;
		}
		/* Words of the machine alone: a text of a publisher's would
		 * need its escapes. */
		assert(state != LIFECYCLE_NONE);
		(void)snprintf(quoted, sizeof(quoted), "\"%s\"",
		    lifecycle_word((uint8_t)state));
		if (!slice_is(raw, quoted))
			replace(frame, (size_t)(raw.p -
			    (const char *)frame->data), raw.n, quoted);
	}
}

void
event_state_fill(struct buf *b, const struct item *item,
    const struct event_state *s, enum lifecycle_state now)
{
	static const char null[] = "null";
	size_t after = s->hole + sizeof(null) - 1;

	if (s->hole == 0 || now == LIFECYCLE_NONE) {
		buf_add(b, item->frame.p, item->frame.n);
		return;
	}
	buf_add(b, item->frame.p, s->hole);
	buf_addf(b, "\"%s\"", lifecycle_word((uint8_t)now));
	buf_add(b, item->frame.p + after, item->frame.n - after);
}
