/*
 * journal_verify: what `sluicectl journal verify` checks beside the segments:
 * the history of epochs and the state files. Problems go to standard error,
 * with file and place.
 */
#ifndef SLUICE_JOURNAL_VERIFY_H
#define SLUICE_JOURNAL_VERIFY_H

#include <stdint.h>

/* `path` is the directory's name, for the messages. The number of problems. */
uint64_t journal_verify_epochs(int directory, const char *path);
uint64_t journal_verify_states(int directory, const char *path);

#endif
