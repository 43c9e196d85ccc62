/*
 * log_line: the bytes of a log cut into lines, and a long line into pieces
 * that fit into an event. Pure.
 *
 * A line ends with LF, CR LF, or a CR alone (what overwrites a line on a
 * terminal), the last one also with the bytes. Nothing is lost but these ends.
 */
#ifndef SLUICE_LOG_LINE_H
#define SLUICE_LOG_LINE_H

#include <stdbool.h>

#include "common/buf.h"

/* The next line of *rest, without its end; *rest is what follows. False when
 * there is none left. */
bool	log_line_next(struct slice *rest, struct slice *ret);
/* How many of the text's bytes make the next piece: at most `max`, at most
 * `room` as the inside of a JSON string (buf_json_text), whole characters, and
 * one at least. */
size_t	log_line_piece(struct slice text, size_t max, size_t room);
/* The same for bytes that become base64: at most `room` of it, and pieces
 * whose texts can be joined. */
size_t	log_line_piece_base64(struct slice bytes, size_t max, size_t room);

#endif
