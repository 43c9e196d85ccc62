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
