#include "watcher/watch_words.h"

const char *
watch_words_shown(enum watch_state state)
{
	static const char *const words[WATCH_STATE_MAX] = {
		[WATCH_IDLE] = "starting",
		[WATCH_LISTING] = "syncing",
		[WATCH_STREAMING] = "syncing",
		[WATCH_WATCHING] = "watching",
		[WATCH_PROBING] = "watching",
		[WATCH_ASKING] = "syncing",
		[WATCH_REVIEWING] = "syncing",
		[WATCH_WAIT_LIST] = "backoff",
		[WATCH_WAIT_WATCH] = "backoff",
		[WATCH_FORBIDDEN] = "forbidden",
		[WATCH_ABSENT] = "stopped",
		[WATCH_FULL] = "stopped",
		[WATCH_STOPPED] = "stopped",
	};

	return words[state];
}

const char *
watch_words_state(enum watch_state state)
{
	static const char *const names[WATCH_STATE_MAX] = {
		[WATCH_IDLE] = "idle",
		[WATCH_LISTING] = "listing",
		[WATCH_STREAMING] = "streaming",
		[WATCH_WATCHING] = "watching",
		[WATCH_PROBING] = "probing",
		[WATCH_ASKING] = "asking",
		[WATCH_REVIEWING] = "reviewing",
		[WATCH_WAIT_LIST] = "wait_list",
		[WATCH_WAIT_WATCH] = "wait_watch",
		[WATCH_FORBIDDEN] = "forbidden",
		[WATCH_ABSENT] = "absent",
		[WATCH_FULL] = "full",
		[WATCH_STOPPED] = "stopped",
	};

	return names[state];
}

const char *
watch_words_input(enum watch_input input)
{
	static const char *const names[WATCH_INPUT_MAX] = {
		[WATCH_IN_START] = "start",
		[WATCH_IN_PAGE] = "page",
		[WATCH_IN_LISTED] = "listed",
		[WATCH_IN_ALIVE] = "alive",
		[WATCH_IN_ENDED] = "ended",
		[WATCH_IN_EXPIRED] = "expired",
		[WATCH_IN_TOO_LARGE] = "too_large",
		[WATCH_IN_FAILED] = "failed",
		[WATCH_IN_STALE] = "stale",
		[WATCH_IN_UNAUTHORIZED] = "unauthorized",
		[WATCH_IN_FORBIDDEN] = "forbidden",
		[WATCH_IN_NOT_FOUND] = "not_found",
		[WATCH_IN_CURRENT] = "current",
		[WATCH_IN_SERVED] = "served",
		[WATCH_IN_UNSERVED] = "unserved",
		[WATCH_IN_ALLOWED] = "allowed",
		[WATCH_IN_DENIED] = "denied",
		[WATCH_IN_FULL] = "full",
		[WATCH_IN_UNSUPPORTED] = "unsupported",
		[WATCH_IN_MISSED] = "missed",
		[WATCH_IN_TIMER] = "timer",
		[WATCH_IN_STOP] = "stop",
	};

	return names[input];
}

void
watch_words_dot(FILE *out)
{
	struct watch_facts facts = { 0 };
	struct watch_fsm f;
	unsigned s, i;

	(void)fputs("digraph watch_fsm {\n", out);
	for (s = 0; s < WATCH_STATE_MAX; s++)
		for (i = 0; i < WATCH_INPUT_MAX; i++) {
			if (!watch_fsm_minds((enum watch_state)s,
			    (enum watch_input)i))
				continue;
			watch_fsm_init(&f, 5000, 60000, 300000);
			f.state = (enum watch_state)s;
			(void)watch_fsm_step(&f, (enum watch_input)i, &facts);
			(void)fprintf(out, "\t%s -> %s [label=\"%s\"];\n",
			    watch_words_state((enum watch_state)s),
			    watch_words_state(f.state),
			    watch_words_input((enum watch_input)i));
		}
	(void)fputs("}\n", out);
}
