/*
 * plugin_words: what a plugin said of its failure, fit for a log: the last
 * line of its standard error, bounded, printable, and without anything that
 * may be a credential: words that also stand in its output, and long runs of
 * the characters tokens are made of. Pure. Process: sluice-exec.
 */
#ifndef SLUICE_PLUGIN_WORDS_H
#define SLUICE_PLUGIN_WORDS_H

#include "common/buf.h"

#define PLUGIN_WORDS_MAX   200u   /* bytes with the NUL */
#define PLUGIN_WORDS_TOKEN 32u    /* a run this long may be a token */
#define PLUGIN_WORDS_SHARED 6u    /* a word this long must not be in both */

/* "" when it said nothing. */
void	plugin_words(struct slice errors, struct slice output,
	    char ret[PLUGIN_WORDS_MAX]);

#endif
