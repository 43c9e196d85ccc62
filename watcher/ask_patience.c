#include "watcher/ask_patience.h"

#include <stdio.h>

#include "common/macros.h"

void
ask_patience_init(struct ask_patience *p, const struct conf *conf)
{
	*p = (struct ask_patience){ .conf = conf };
}

void
ask_patience_begin(struct ask_patience *p, enum ask_what what)
{
	p->what = what;
	p->window = 0;
	if (what != ASK_WATCH)
		p->missed.ns = 0;
}

unsigned
ask_patience_timeout_s(const struct ask_patience *p, uint32_t random)
{
	unsigned base = (unsigned)(p->conf->watch.timeout_ms / 1000);

	return base + random % (base + 1);
}

void
ask_patience_follow(struct ask_patience *p)
{
	p->what = ASK_WATCH;
}

int64_t
ask_patience_silence(const struct ask_patience *p)
{
	switch (p->what) {
	case ASK_WATCH:
		return p->conf->watch.stale_ms;
	case ASK_STREAM:
		return p->conf->watch.stale_ms / 5;
	case ASK_LIST:
		break;
	}
	return -1;
}

/* 60 s where silence may last 150, from the first one. */
static int64_t
missed_ms(const struct ask_patience *p, struct mono now)
{
	return MAX(p->conf->watch.stale_ms * 2 / 5 -
	    mono_diff_ms(now, p->missed), 0);
}

int64_t
ask_patience_limit(const struct ask_patience *p, unsigned timeout_s,
    struct mono now)
{
	switch (p->what) {
	case ASK_WATCH:
		if (p->missed.ns != 0)
			return missed_ms(p, now);
		break;
	case ASK_STREAM:
		return p->conf->watch.stale_ms * 2;
	case ASK_LIST:
		return p->conf->watch.slow_list_ms;
	}
	return (timeout_s + ASK_PATIENCE_GRACE_S) * INT64_C(1000);
}

void
ask_patience_heard(struct ask_patience *p, size_t n)
{
	if (p->what == ASK_LIST)
		p->window += n;
}

bool
ask_patience_missed(struct ask_patience *p, struct mono now)
{
	if (p->what != ASK_WATCH || p->missed.ns != 0)
		return false;
	p->missed = now;
	return true;
}

/* A list by watch that was answered and does not end is the server's (or a
 * proxy's) own fault, and no sign of a dead connection. */
void
ask_patience_silent(const struct ask_patience *p, bool open,
    struct watch_outcome *o)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "no byte came within %lld s (%s); "
	    "does the API server hang, or something on the way to it?",
	    (long long)(ask_patience_silence(p) / 1000),
	    p->what == ASK_STREAM ? "a fifth of watch.stale" : "watch.stale");
	watch_outcome_say(o, 0, "Stale", text);
	watch_outcome_decide(o, p->what == ASK_STREAM && open ?
	    WATCH_IN_UNSUPPORTED : WATCH_IN_STALE);
}

/* A list that trickles would keep its slot for ever, silence or not. */
static bool
slow_list(struct ask_patience *p, struct watch_outcome *o)
{
	if (p->window >= ASK_PATIENCE_LIST_BYTES) {
		p->window = 0;
		return false;
	}
	watch_outcome_say(o, 0, "SlowList", "the list hardly comes (less than "
	    "64 KiB within watch.slow_list); is the API server overloaded, or "
	    "the way to it too narrow?");
	watch_outcome_decide(o, WATCH_IN_STALE);
	return true;
}

/* The server did not end the watch as it was told to; or it skipped an event,
 * and the list is due. */
bool
ask_patience_over(struct ask_patience *p, struct watch_outcome *o)
{
	switch (p->what) {
	case ASK_LIST:
		return slow_list(p, o);
	case ASK_STREAM:
		watch_outcome_decide(o, WATCH_IN_UNSUPPORTED);
		break;
	case ASK_WATCH:
		watch_outcome_decide(o, p->missed.ns != 0 ? WATCH_IN_MISSED :
		    WATCH_IN_ENDED);
		break;
	}
	return true;
}
