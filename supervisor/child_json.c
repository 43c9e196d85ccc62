#include "supervisor/child_json.h"

#include <inttypes.h>
#include <string.h>

#include "common/utf8.h"

/* C0, DEL and C1: what a terminal may obey. */
static bool
is_control(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;

	return (n == 1 && (p[0] < 0x20 || p[0] == 0x7f)) ||
	    (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

void
child_json_text(struct buf *b, const char *text)
{
	size_t left = strlen(text), n;

	buf_addc(b, '"');
	for (; left != 0; text += n, left -= n) {
		n = utf8_length(text, left);
		if (n == 0 || is_control(text, n)) {
			buf_addc(b, '?');
			n = MAX(n, 1);
		} else {
			buf_json_text(b, text, n);
		}
	}
	buf_addc(b, '"');
}

static void
add_member(struct buf *b, const char *name, const char *text)
{
	buf_addf(b, ",\"%s\":", name);
	child_json_text(b, text);
}

void
child_json(struct buf *b, const struct child *c)
{
	char since[MONO_RFC3339_SIZE];
	const char *circuit = c->state == CHILD_FAILED ? "open"
	    : c->backoff.half_open ? "half-open" : "closed";

	buf_adds(b, "{\"process\":");
	child_json_text(b, c->title);
	add_member(b, "state", child_shown_state(c));
	add_member(b, "desired", c->desired == CHILD_UP ? "up" : "down");
	buf_addf(b, ",\"pid\":%d,\"incarnation\":%" PRIu64, (int)c->process.pid,
	    c->incarnation);
	add_member(b, "since", wall_format(c->state_since_unix_ms, since));
	buf_addf(b, ",\"restarts\":%u,\"deaths\":%u",
	    c->starts > 0 ? c->starts - 1 : 0, c->deaths);
	add_member(b, "circuit", circuit);
	add_member(b, "cause", c->cause);
	add_member(b, "last_death", c->last_death);
	add_member(b, "status_state", c->status.state);
	add_member(b, "status", c->status.text);
	add_member(b, "busy", c->pong.busy);
	buf_addf(b, ",\"turns\":%" PRIu64 ",\"bad_messages\":%u}",
	    c->pong.turns, c->bad_messages);
}

void
child_json_all(struct buf *b, struct child *const *children, size_t n)
{
	buf_addc(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			buf_addc(b, ',');
		child_json(b, children[i]);
	}
	buf_addc(b, ']');
}
