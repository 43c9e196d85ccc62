/*
 * fence_file: the newest incarnation of every publisher, in a small file of
 * the journal directory (JOURNAL_FILE_PUBLISHERS). A publisher that was
 * superseded stays fenced after a crash of the broker, also when its successor
 * has registered but published nothing yet, so that no record tells of it.
 * The journal thread replaces the file before a registration is answered.
 *
 *   lines "<incarnation> <publisher>", the last "end <crc32c of these, hex>"
 */
#ifndef SLUICE_FENCE_FILE_H
#define SLUICE_FENCE_FILE_H

#include "broker/dedup.h"

void	fence_file_encode(const struct dedup *d, struct buf *b);
/* Registers what the file knows; 0 also when there is none. -1 with *err when
 * it is damaged: nothing was taken. */
int	fence_file_load(int directory, struct dedup *d, struct err *err);

#endif
