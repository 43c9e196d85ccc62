/*
 * resident: gives back memory that is not in use: free pages of the heap,
 * which many objects that came and went leave behind, and the pages of program
 * and libraries, of which relocation, constructors and OpenSSL's set-up have
 * touched nearly all. The kernel maps those that are still used again from its
 * page cache, about a µs each, so a hundred watchers are not a hundred times
 * their start. Never fails: what cannot be given back stays. Runs in the
 * watcher's loop, some time after news.
 */
#ifndef SLUICE_RESIDENT_H
#define SLUICE_RESIDENT_H

void	resident_trim(void);

#endif
