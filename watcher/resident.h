/*
 * resident: gives back memory that only the start needed: free pages of the
 * heap, and the pages of program and libraries, which relocation,
 * constructors and OpenSSL's set-up have touched nearly all of. The kernel
 * maps those that are still used again from its page cache, a few µs each, so
 * a hundred watchers are not a hundred times their start. Never fails: what
 * cannot be given back stays. Runs in the watcher's loop, after first lists.
 */
#ifndef SLUICE_RESIDENT_H
#define SLUICE_RESIDENT_H

void	resident_trim(void);

#endif
