/*
 * publish_lines: standard input, line by line, until its end or until a signal
 * asks to end (SIGHUP, SIGINT, SIGTERM, unless it was ignored at the start):
 * whoever is asked so still has to see to what was handed over.
 * Process: sluicectl.
 */
#ifndef SLUICE_PUBLISH_LINES_H
#define SLUICE_PUBLISH_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define PUBLISH_LINES_BYTES 65536u   /* read at once */

struct publish_lines {
	int	signals;     /* a signalfd */
	size_t	at;          /* of what was read and not given yet */
	size_t	n;
	char	bytes[PUBLISH_LINES_BYTES];
};

enum publish_line {
	PUBLISH_LINE,
	PUBLISH_LINES_END,
	PUBLISH_LINES_SIGNAL,
	PUBLISH_LINES_FAILED,   /* *err */
};

/* From now on those signals end nothing but publish_lines_next(). */
int	publish_lines_init(struct publish_lines *l, struct err *err);
void	publish_lines_clear(struct publish_lines *l);
/* Reads one line into `line`, without its end (LF or CR LF), and its bytes into
 * *ret_n. What is over `size` bytes (then *ret_n is `size`) is left out; a line
 * that a signal cuts is none. */
enum publish_line publish_lines_next(struct publish_lines *l, char *line,
	    size_t size, size_t *ret_n, struct err *err);
/* Such a signal came. */
bool	publish_lines_asked(const struct publish_lines *l);

#endif
