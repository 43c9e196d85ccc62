/*
 * watch_words: the contract's word for what watch_fsm knows as a state. Pure.
 */
#ifndef SLUICE_WATCH_WORDS_H
#define SLUICE_WATCH_WORDS_H

#include "watcher/watch_fsm.h"

/* starting, syncing, watching, backoff ... */
const char *watch_words_shown(enum watch_state state);

#endif
