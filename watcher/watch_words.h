/*
 * watch_words: the names of what watch_fsm knows: the contract's word for a
 * state, names for logs and drawings, and the machine as a drawing. Pure.
 */
#ifndef SLUICE_WATCH_WORDS_H
#define SLUICE_WATCH_WORDS_H

#include <stdio.h>

#include "watcher/watch_fsm.h"

/* The contract's word: starting, syncing, watching, backoff ... */
const char *watch_words_shown(enum watch_state state);
const char *watch_words_state(enum watch_state state);
const char *watch_words_input(enum watch_input input);
void	watch_words_dot(FILE *out);

#endif
