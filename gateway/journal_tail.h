/*
 * journal_tail: where a gateway begins to read the journal at its start, so
 * that its ring is filled with the newest and a bounded part is read: the
 * last segments that together hold about a ring's worth. Process: gateway.
 */
#ifndef SLUICE_JOURNAL_TAIL_H
#define SLUICE_JOURNAL_TAIL_H

#include <stddef.h>

#include "common/event.h"

/* The position before the first that is to be read; {0,0} = from the oldest,
 * also when the directory cannot be read (the subscriber will say why). */
struct position	journal_tail_start(const char *directory, size_t bytes);

#endif
