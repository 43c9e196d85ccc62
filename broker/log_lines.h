/*
 * log_lines: how many lines each stream's log has, by attempt: what decides
 * whether a line is the next one (contract 5, X-Log-Offset). Pure. Owned by
 * sequencer, which keeps each stream's `head`.
 *
 * Of a stream the LOG_LINES_ATTEMPTS_MAX highest attempts are known: a step
 * that is tried again has another attempt than the steps after it, and a worker
 * that lost its lease may still send lines of the attempt before.
 */
#ifndef SLUICE_LOG_LINES_H
#define SLUICE_LOG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINES_ATTEMPTS_MAX 16u

struct log_count {
	uint64_t	last;      /* line_no; 0: free */
	uint32_t	attempt;
	uint32_t	stream;    /* its number in the stream_table */
	uint32_t	next;      /* of the stream, a lower attempt; or of
				    * the free ones */
};

/* All zero is an empty one. Places count from 1, 0 is none. */
struct log_lines {
	struct log_count	*counts;
	uint32_t		 used;
	uint32_t		 size;
	uint32_t		 free_head;
};

void	log_lines_clear(struct log_lines *l);
/* The line_no of the attempt's last line, 0 before the first. False: the
 * attempt is lower than those that are known. */
bool	log_lines_last(const struct log_lines *l, uint32_t head,
	    uint32_t attempt, uint64_t *ret);
/* There was such a line; an earlier one than the last changes nothing. */
void	log_lines_note(struct log_lines *l, uint32_t *head, uint32_t stream,
	    uint32_t attempt, uint64_t line_no);
/* The stream is forgotten. */
void	log_lines_forget(struct log_lines *l, uint32_t *head);
/* The next count there is from *cursor (0 at first) on, or NULL. */
const struct log_count *log_lines_next(const struct log_lines *l,
	    uint32_t *cursor);

#endif
