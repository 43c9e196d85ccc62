/*
 * journal_file: names and forms of the files in the journal directory, shared
 * by the reader (common/journal), the writer (broker/journal_writer) and
 * sluicectl. journal.h describes the directory.
 */
#ifndef SLUICE_JOURNAL_FILE_H
#define SLUICE_JOURNAL_FILE_H

#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

#define JOURNAL_FILE_NAME_MAX   32u
#define JOURNAL_FILE_EPOCHS_MAX 64u      /* lines kept in the history */
#define JOURNAL_FILE_EPOCHS     "epochs"
#define JOURNAL_FILE_PUBLISHERS "publishers"

enum journal_mark {
	JOURNAL_OPEN,      /* a broker is, or was until it died, at work */
	JOURNAL_CLEAN,     /* closed in order: `reserved` = last position */
	JOURNAL_MEMORY,    /* its events never were on disk (I/O error) */
	JOURNAL_MARK_MAX
};

/* One line of the history. */
struct journal_epoch {
	uint32_t		epoch;
	uint64_t		first;
	char			boot_id[40];
	uint64_t		reserved;   /* none above was ever announced */
	enum journal_mark	mark;
};

struct journal_segment {
	uint32_t	epoch;
	uint64_t	first;
	int64_t		created_unix_ms;
};

/* "<16 hex>.<suffix>". */
const char *journal_file_name(char buf[JOURNAL_FILE_NAME_MAX], uint64_t first,
	    const char *suffix);
/* The first positions of all files "<16 hex>.<suffix>", ascending, to be
 * freed; the count, or -1. */
ssize_t	journal_file_list(int directory, const char *suffix, uint64_t **ret,
	    struct err *err);

void	journal_file_header_encode(struct buf *b,
	    const struct journal_segment *h);
/* From the file's start; -1 with *err when it is not a segment's. */
int	journal_file_header_read(int fd, struct journal_segment *ret,
	    struct err *err);
/* What stands behind the header of a memory segment; 0 when it cannot be
 * read: then no file counts. */
void	journal_file_files_end_encode(struct buf *b, uint64_t files_end);
uint64_t journal_file_files_end(int fd);

/* Reads the history, oldest first (of more lines the newest); the count (0:
 * no such file), or -1 with *err naming file and line. */
int	journal_file_epochs_read(int directory,
	    struct journal_epoch ret[JOURNAL_FILE_EPOCHS_MAX],
	    struct err *err);
void	journal_file_epochs_encode(struct buf *b,
	    const struct journal_epoch *epochs, size_t n);
const char *journal_file_mark_name(enum journal_mark mark);

/* pread until n bytes or the file's end; bytes read, or -1 (errno). */
ssize_t	journal_file_read(int fd, void *p, size_t n, uint64_t offset);

#endif
